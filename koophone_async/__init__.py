"""Huawei Cloud's cloud phones for asyncio: KooPhone and CPH, the Cloud Phone Server.

```python
async with Session() as session:
    koophone = KooPhone(session)
    report = await koophone.fleet(ids).run("getprop ro.build.version.release")
```
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from koophone_async.batches import Outcome, Report, State
    from koophone_async.credentials import AccessKey, Password
    from koophone_async.endpoints import Endpoints
    from koophone_async.operation import Quota
    from koophone_async.retry import Retries
    from koophone_async.services.cph.client import CloudPhone
    from koophone_async.services.iam import Iam
    from koophone_async.services.koophone.client import KooPhone
    from koophone_async.session import Session, Timeouts
    from koophone_async.wire import Edition

__all__ = [
    "AccessKey",
    "CloudPhone",
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

_HOMES: Final = {
    "AccessKey": "credentials",
    "CloudPhone": "services.cph.client",
    "Edition": "wire",
    "Endpoints": "endpoints",
    "Iam": "services.iam",
    "KooPhone": "services.koophone.client",
    "Outcome": "batches",
    "Password": "credentials",
    "Quota": "operation",
    "Report": "batches",
    "Retries": "retry",
    "Session": "session",
    "State": "batches",
    "Timeouts": "session",
}
"""Where each name is taken from when it is first asked for, so that nobody waits for what they do not use."""

if not TYPE_CHECKING:  # else every name would be taken for one of this module

    def __getattr__(name: str) -> object:
        """Import what a name is taken from."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name)
        value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return value

    def __dir__() -> list[str]:
        """List the names that were not asked for yet too."""
        return sorted({*globals(), *__all__})
