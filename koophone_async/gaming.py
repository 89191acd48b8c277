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
    ApplicationRequest,
    Applications,
    CreatedApplication,
    DeploymentQuery,
    NewApplication,
    PhoneDeployment,
    PhoneDeploymentPage,
    ServerDeployment,
    ServerDeploymentPage,
)
from koophone_async.services.gaming.client import Gaming
from koophone_async.services.gaming.completion import Deployment
from koophone_async.services.gaming.deployments import (
    DeployedVersion,
    DeployedVersionPage,
    Deployments,
    PhoneQuery,
    ServerQuery,
)
from koophone_async.services.gaming.fleet import Fleet
from koophone_async.services.gaming.requests import (
    DeployVersions,
    PushVersions,
    RemoveVersions,
    UndeployVersions,
    UpdateVersions,
    VersionList,
    VersionsOnServers,
)
from koophone_async.services.gaming.started_jobs import JobKind, RefusedServer, Started, StartedJob
from koophone_async.services.gaming.versions import (
    CreatedVersion,
    NewVersion,
    Version,
    VersionRequest,
    Versions,
)

__all__ = [
    "Application",
    "ApplicationDetail",
    "ApplicationPage",
    "ApplicationQuery",
    "ApplicationRequest",
    "Applications",
    "CreatedApplication",
    "CreatedVersion",
    "DeployVersions",
    "DeployedVersion",
    "DeployedVersionPage",
    "Deployment",
    "DeploymentQuery",
    "Deployments",
    "Fleet",
    "Gaming",
    "JobKind",
    "NewApplication",
    "NewVersion",
    "PhoneDeployment",
    "PhoneDeploymentPage",
    "PhoneQuery",
    "PushVersions",
    "RefusedServer",
    "RemoveVersions",
    "ServerDeployment",
    "ServerDeploymentPage",
    "ServerQuery",
    "Started",
    "StartedJob",
    "UndeployVersions",
    "UpdateVersions",
    "Version",
    "VersionList",
    "VersionRequest",
    "Versions",
    "VersionsOnServers",
]
