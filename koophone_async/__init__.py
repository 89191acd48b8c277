"""Huawei Cloud's cloud phones for asyncio: KooPhone and CPH, the Cloud Phone Server.

```python
async with Session() as session:
    koophone = KooPhone(session)
    report = await koophone.fleet(ids).run("getprop ro.build.version.release")
```
Clients, settings, outcomes and errors are imported from here; what one service sends and answers,
from `koophone_async.koophone`, `.cph`, `.gaming` and `.iam`; what plans of rollouts are made of, from
`koophone_async.rollouts`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koophone_async.lazy_names import lazy_names

if TYPE_CHECKING:
    from koophone_async.batches import Estimate, Outcome, Report, Run, State
    from koophone_async.credentials import AccessKey, Password
    from koophone_async.endpoints import Endpoints
    from koophone_async.errors import (
        AnswerTimedOut,
        AuthenticationFailed,
        BadEndpoint,
        Busy,
        ConnectionLost,
        ConnectTimedOut,
        Failure,
        Forbidden,
        InvalidRequest,
        JobFailed,
        JobUnfinished,
        KooPhoneError,
        NoAnswer,
        NotConnected,
        NotFound,
        NotSent,
        PartialFailure,
        QuotaTooSlow,
        Refused,
        Rule,
        Throttled,
        Unavailable,
        UnreadableAnswer,
    )
    from koophone_async.limits.shared import PostgresLimits, RedisLimits
    from koophone_async.operation import Quota
    from koophone_async.polling import ResumeToken
    from koophone_async.retry import Retries
    from koophone_async.rollouts.plans.plan import Plan
    from koophone_async.rollouts.rollout import Rollout
    from koophone_async.rows import Items, UnreadableValue, unreadable_values
    from koophone_async.services.cph.client import CloudPhone
    from koophone_async.services.iam import Iam
    from koophone_async.services.koophone.client import KooPhone
    from koophone_async.session import Session, Timeouts
    from koophone_async.wire import Edition

__all__ = [
    "AccessKey",
    "AnswerTimedOut",
    "AuthenticationFailed",
    "BadEndpoint",
    "Busy",
    "CloudPhone",
    "ConnectTimedOut",
    "ConnectionLost",
    "Edition",
    "Endpoints",
    "Estimate",
    "Failure",
    "Forbidden",
    "Iam",
    "InvalidRequest",
    "Items",
    "JobFailed",
    "JobUnfinished",
    "KooPhone",
    "KooPhoneError",
    "NoAnswer",
    "NotConnected",
    "NotFound",
    "NotSent",
    "Outcome",
    "PartialFailure",
    "Password",
    "Plan",
    "PostgresLimits",
    "Quota",
    "QuotaTooSlow",
    "RedisLimits",
    "Refused",
    "Report",
    "ResumeToken",
    "Retries",
    "Rollout",
    "Rule",
    "Run",
    "Session",
    "State",
    "Throttled",
    "Timeouts",
    "Unavailable",
    "UnreadableAnswer",
    "UnreadableValue",
    "unreadable_values",
]
__version__ = "0.2.0"

_MODULE_OF: Final = {
    "AccessKey": "credentials",
    "CloudPhone": "services.cph.client",
    "Edition": "wire",
    "Endpoints": "endpoints",
    "Estimate": "batches",
    "Iam": "services.iam",
    "Items": "rows",
    "KooPhone": "services.koophone.client",
    "Outcome": "batches",
    "Password": "credentials",
    "Plan": "rollouts.plans.plan",
    "PostgresLimits": "limits.shared",
    "Quota": "operation",
    "RedisLimits": "limits.shared",
    "Report": "batches",
    "ResumeToken": "polling",
    "Retries": "retry",
    "Rollout": "rollouts.rollout",
    "Run": "batches",
    "Session": "session",
    "State": "batches",
    "Timeouts": "session",
    "UnreadableValue": "rows",
    "unreadable_values": "rows",
}
"""The module that defines each public name; those not listed are errors.

Names are imported on first use: a program does not wait for the import of services that it does not use.
"""

if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts any name
    __getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, "errors") | _MODULE_OF)
