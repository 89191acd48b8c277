"""IAM: its client, requests and answers, in one place to import from.

```python
from koophone_async.iam import Iam, Token
```
"""

from __future__ import annotations

from koophone_async.services.iam import (
    AccessibleQuery,
    Auth,
    CreateToken,
    Domain,
    Iam,
    Identity,
    PasswordIdentity,
    Project,
    ProjectList,
    ProjectName,
    ProjectQuery,
    Projects,
    Scope,
    Token,
    TokenDetails,
    Tokens,
    User,
)

__all__ = [
    "AccessibleQuery",
    "Auth",
    "CreateToken",
    "Domain",
    "Iam",
    "Identity",
    "PasswordIdentity",
    "Project",
    "ProjectList",
    "ProjectName",
    "ProjectQuery",
    "Projects",
    "Scope",
    "Token",
    "TokenDetails",
    "Tokens",
    "User",
]
