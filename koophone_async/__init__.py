"""Huawei Cloud's cloud phones for asyncio: KooPhone and CPH, the Cloud Phone Server.

```python
async with Session() as session:
    koophone = KooPhone(session)
    report = await koophone.fleet(ids).run("getprop ro.build.version.release")
```
"""

from koophone_async.batches import Outcome, Report, State
from koophone_async.credentials import AccessKey, Password
from koophone_async.operation import Quota
from koophone_async.retry import Retries
from koophone_async.services.iam import Iam
from koophone_async.services.koophone.client import KooPhone
from koophone_async.session import Endpoints, Session, Timeouts
from koophone_async.wire import Edition

__all__ = [
    "AccessKey",
    "Edition",
    "Endpoints",
    "Iam",
    "KooPhone",
    "Outcome",
    "Password",
    "Quota",
    "Report",
    "Retries",
    "Session",
    "State",
    "Timeouts",
]
__version__ = "0.1.0"
