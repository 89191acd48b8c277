"""Cloud mobile gaming: its client, requests, answers and enums, in one place to import from.

```python
from koophone_async.gaming import NewApplication, NewVersion
```
The client itself is `CloudPhone.gaming`.
"""

from __future__ import annotations

from koophone_async.services.gaming.applications import (
    Application,
    ApplicationDetail,
    ApplicationPage,
    ApplicationQuery,
    Applications,
    ChosenApplication,
    CreatedApplication,
    DeployedQuery,
    NewApplication,
    OnPhone,
    OnPhonePage,
    OnServer,
    OnServerPage,
)
from koophone_async.services.gaming.client import Gaming
from koophone_async.services.gaming.completion import Deployment
from koophone_async.services.gaming.deployments import (
    Deployed,
    DeployedPage,
    Deployments,
    PhoneQuery,
    ServerQuery,
)
from koophone_async.services.gaming.fleet import Fleet
from koophone_async.services.gaming.requests import (
    ChosenVersions,
    DeployVersions,
    PushVersions,
    RemoveVersions,
    UndeployVersions,
    UpdateVersions,
    VersionsOnServers,
)
from koophone_async.services.gaming.started_jobs import JobKind, RefusedServer, Started, StartedJob
from koophone_async.services.gaming.versions import (
    ChosenVersion,
    CreatedVersion,
    NewVersion,
    Version,
    Versions,
)

__all__ = [
    "Application",
    "ApplicationDetail",
    "ApplicationPage",
    "ApplicationQuery",
    "Applications",
    "ChosenApplication",
    "ChosenVersion",
    "ChosenVersions",
    "CreatedApplication",
    "CreatedVersion",
    "DeployVersions",
    "Deployed",
    "DeployedPage",
    "DeployedQuery",
    "Deployment",
    "Deployments",
    "Fleet",
    "Gaming",
    "JobKind",
    "NewApplication",
    "NewVersion",
    "OnPhone",
    "OnPhonePage",
    "OnServer",
    "OnServerPage",
    "PhoneQuery",
    "PushVersions",
    "RefusedServer",
    "RemoveVersions",
    "ServerQuery",
    "Started",
    "StartedJob",
    "UndeployVersions",
    "UpdateVersions",
    "Version",
    "Versions",
    "VersionsOnServers",
]
