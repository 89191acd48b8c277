"""Exceptions, arranged by what the caller can do next.

```
KooPhoneError
├── InvalidRequest            a value of the request is wrong; nothing was sent (also a ValueError)
├── NotSent                   nothing left this machine
│   ├── NotConnected          no connection could be made (also a ConnectionError)
│   ├── BadEndpoint           the address or its certificate is invalid (also a ConnectionError)
│   ├── ConnectTimedOut       no connection in time (also a TimeoutError)
│   └── QuotaTooSlow          the quota has no permit in time; `retry_after` says when it has one
├── Refused                   the service answered with an error; `code` identifies it
│   ├── AuthenticationFailed  the credentials are missing, wrong or expired
│   ├── Forbidden             the account has no permission, in general or for these ids
│   ├── NotFound              something named in the request does not exist (also a LookupError)
│   ├── Busy                  the request is right but cannot be served now; nothing was done
│   ├── Throttled             too many requests; `retry_after` where the service states it
│   └── Unavailable           the service cannot serve any request now
├── NoAnswer                  sent, but no trustworthy answer arrived: it may have been executed
│   ├── ConnectionLost        the connection broke (also a ConnectionError)
│   └── AnswerTimedOut        the answer did not arrive in time (also a TimeoutError)
├── UnreadableAnswer          an answer arrived that is not what the service documents
├── JobFailed                 a job failed, or a call without a job; `outcome` has the details
├── JobUnfinished             a job was still running at the deadline (also a TimeoutError)
└── PartialFailure            some ids did not succeed; `outcomes` has the outcome of each
```

**May I send the call again?** Check `error.repeatable`, which every error has: True means that sending the
same call again can succeed and cannot have it executed twice. It follows from what is known:

| error | `repeatable` | because |
|---|---|---|
| `NotSent` | yes, unless `BadEndpoint` | nothing was sent |
| `Refused` | if `retryable` | its code proves that nothing was done, and that the cause passes |
| `NoAnswer` | if `retryable` | the operation has the same effect if executed twice (`Operation.repeatable`) |
| all others | no | a repeat cannot help, or may execute the call twice |

So `retryable` is the evidence, stored with the errors that need some, and `repeatable` is the verdict. A
`Refused` can be harmless without being either: for a wrong id `not_executed` is True, but a repeat would fail
again.

All fields are positional, so that errors can be pickled. No text of an error contains a key, a token or a
signed link.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.batches import Outcome

__all__ = [
    "AnswerTimedOut",
    "AuthenticationFailed",
    "BadEndpoint",
    "Busy",
    "ConnectTimedOut",
    "ConnectionLost",
    "Failure",
    "Forbidden",
    "InvalidRequest",
    "JobFailed",
    "JobUnfinished",
    "KooPhoneError",
    "NoAnswer",
    "NotConnected",
    "NotFound",
    "NotSent",
    "PartialFailure",
    "QuotaTooSlow",
    "Refused",
    "Rule",
    "Throttled",
    "Unavailable",
    "UnreadableAnswer",
]


@define(eq=False, slots=False)
class KooPhoneError(Exception):
    """Base class of all errors of this package."""

    operation: str
    """The operation's name, such as `koophone.commands.run`; empty if there is none."""

    @property
    def repeatable(self) -> bool:
        """Whether sending the same call again can succeed, and cannot have it executed twice."""
        return False


class Rule(Enum):
    """The kind of rule that a value of a request breaks."""

    ANY = "any"
    """None of the others."""

    MISSING = "missing"
    ALL_MISSING = "all_missing"
    """None of several fields is set, and one must be."""

    CONFLICT = "conflict"
    """The value contradicts that of another field."""

    WRONG_TYPE = "wrong_type"
    BAD_FORMAT = "bad_format"
    NOT_A_CHOICE = "not_a_choice"
    OUT_OF_RANGE = "out_of_range"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    TOO_FEW = "too_few"
    TOO_MANY = "too_many"
    NOT_UNIQUE = "not_unique"


@define(eq=False, slots=False)
class InvalidRequest(KooPhoneError, ValueError):
    """A value of the request is wrong. Nothing was sent."""

    field: str
    problem: str
    """A description for people. Programs should use `field`, `rule` and `limit`."""

    rule: Rule = Rule.ANY
    limit: float | None = None
    """The bound that the value exceeds or falls short of, where the rule has one."""

    def __str__(self) -> str:
        """Return the field, what is wrong with its value, and the limit."""
        where = f"{self.operation}: " if self.operation else ""
        return f"{where}{self.field}: {self.problem}"


@define(eq=False, slots=False)
class NotSent(KooPhoneError):
    """Nothing left this machine."""

    reason: str

    @property
    def repeatable(self) -> bool:
        """True: nothing was sent."""
        return True

    def __str__(self) -> str:
        """Return why nothing was sent."""
        return f"{self.operation}: not sent: {self.reason}"


class NotConnected(NotSent, ConnectionError):
    """No connection could be made: the name was not resolved, or nothing listens there."""


class BadEndpoint(NotSent, ConnectionError):
    """The address is invalid, or its certificate does not verify."""

    @property
    def repeatable(self) -> bool:
        """False: the settings must change first."""
        return False


class ConnectTimedOut(NotSent, TimeoutError):
    """No connection within the connect timeout, or none became free in the pool."""


@define(eq=False, slots=False)
class QuotaTooSlow(NotSent):
    """The quota has no permit within the allowed wait; the next is free in `retry_after` seconds."""

    retry_after: float


@frozen
class Failure:
    """An id for which the service refused a call, with its code and message."""

    id: str
    code: str
    message: str


@define(eq=False, slots=False)
class Refused(KooPhoneError):
    """The service answered with an error."""

    status: int
    """The HTTP status; KooPhone sends many errors with 200."""

    code: str
    message: str
    """The message of the service, unchanged except that secrets are hidden."""

    request_id: str | None = None

    retryable: bool = False
    """Whether the code proves that nothing was done and that the cause passes: a retry can succeed."""

    blames_ids: bool = False
    """Whether the cause is some of the ids; nothing was done for any id."""

    retry_after: float | None = None
    """Seconds to wait before a retry, where the service states it."""

    not_executed: bool = True
    """Whether the code proves that nothing was done; otherwise part of the call may have been executed."""

    failures: tuple[Failure, ...] = ()
    """The servers for which cloud mobile gaming refused the call, with the reason of each."""

    @property
    def repeatable(self) -> bool:
        """Whether a retry can succeed, and cannot execute the call twice: `retryable`."""
        return self.retryable

    @property
    def reason(self) -> str:
        """The message of the service, and what else is known of the cause."""
        return self.message

    def __str__(self) -> str:
        """Return code, message and status, and the request id, which the service's support asks for."""
        request = f", request {self.request_id}" if self.request_id else ""
        return f"{self.operation}: {self.code or 'no code'}: {self.message} (HTTP {self.status}{request})"


@define(eq=False, slots=False)
class AuthenticationFailed(Refused):
    """The credentials are missing, wrong or expired."""

    renewable: bool = False
    """Whether a new token may help. The session has then tried that once."""

    clock_ahead: float | None = None
    """Seconds that this machine's clock is ahead of the service's, if that may explain the refusal."""

    @property
    def reason(self) -> str:
        """The message of the service, and how wrong the clock is."""
        return self.message + self._clock_problem

    @property
    def _clock_problem(self) -> str:
        if self.clock_ahead is None:
            return ""
        direction = "ahead of" if self.clock_ahead > 0 else "behind"
        return f"; the clock of this machine is {abs(self.clock_ahead):,.0f} s {direction} the service's"

    def __str__(self) -> str:
        """Return the text of every refusal, and how wrong the clock is."""
        return super().__str__() + self._clock_problem


class Forbidden(Refused):
    """The account has no permission, in general or for one of the ids."""


class NotFound(Refused, LookupError):
    """Something that the request names does not exist."""


class Busy(Refused):
    """The request is right but cannot be served now; nothing was done."""


class Throttled(Refused):
    """Too many requests; nothing was done."""


class Unavailable(Refused):
    """The service cannot serve any request now."""


@define(eq=False, slots=False)
class NoAnswer(KooPhoneError):
    """The call was sent, but no trustworthy answer arrived: it may have been executed."""

    reason: str
    request_id: str | None = None
    retryable: bool = False
    """Whether the operation has the same effect if it is executed twice (`Operation.repeatable`)."""

    @property
    def repeatable(self) -> bool:
        """Whether executing the call twice has the same effect as once: `retryable`."""
        return self.retryable

    def __str__(self) -> str:
        """Return what is known of the call."""
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.operation}: sent, but no trustworthy answer: {self.reason}{request}"


class ConnectionLost(NoAnswer, ConnectionError):
    """The connection broke after the request was sent."""


class AnswerTimedOut(NoAnswer, TimeoutError):
    """The request was sent, and the answer did not arrive in time."""


@define(eq=False, slots=False)
class UnreadableAnswer(KooPhoneError):
    """An answer arrived that is not what the service documents; a write may have been executed."""

    status: int
    reason: str
    answer: bytes = field(repr=False)
    """The body of the answer. It may contain secrets, so no text of this error shows it."""

    request_id: str | None = None

    def __str__(self) -> str:
        """Return what could not be read, without the answer itself."""
        return f"{self.operation}: unreadable answer (HTTP {self.status}): {self.reason}"


@define(eq=False, slots=False)
class JobFailed(KooPhoneError):
    """A job ended with status -1, or a call without a job failed."""

    outcome: Outcome
    """The outcome of the id, with error code, message and output."""

    reason: str

    def __str__(self) -> str:
        """Return why the job failed."""
        return f"{self.operation}: job failed: {self.reason}"


@define(eq=False, slots=False)
class JobUnfinished(KooPhoneError, TimeoutError):
    """The job was still running at the deadline. It goes on, and can be awaited again."""

    resume_token: str
    """For waiting again, in this or another process: `koophone.jobs.wait(resume_token)`."""

    seconds: float
    """How long the wait lasted."""

    def __str__(self) -> str:
        """Return how long the wait lasted, and how to resume it."""
        return f"{self.operation}: still running after {self.seconds:.1f} s; wait again with its resume token"


@define(eq=False, slots=False)
class PartialFailure(KooPhoneError):
    """Some ids did not succeed, or were not read. `outcomes` has the outcome of every id that was read."""

    outcomes: Mapping[str, Outcome] = field(repr=False)
    counts: Mapping[str, int]
    is_complete: bool = True
    """Whether all ids were read; else the run was stopped before the end of its input."""

    def __str__(self) -> str:
        """Return the number of ids in each state."""
        counts = [f"{n} {state}" for state, n in self.counts.items()]
        return f"{self.operation}: " + ", ".join(counts + ["the rest not read"] * (not self.is_complete))
