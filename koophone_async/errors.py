"""What can go wrong, by what the caller may do next.

KooPhoneError
├── InvalidRequest                 the call is wrong as written; nothing was sent (also a ValueError)
├── NotSent                 nothing left this machine; sending again is safe
│   ├── NotConnected       no connection (also a ConnectionError)
│   ├── BadEndpoint        the address or its certificate is wrong (also a ConnectionError)
│   ├── ConnectTimedOut    no connection in time (also a TimeoutError)
│   └── QuotaTooSlow       the quota would take longer than allowed; says how long
├── Refused                the service answered no; `code` says why
│   ├── AuthenticationFailed             credentials are missing, wrong or expired
│   ├── Forbidden          the account may not do this, or not to these ids
│   ├── NotFound           what was named does not exist
│   ├── Busy               right call, wrong moment; nothing was done
│   ├── Throttled          too many calls; `retry_after` where known
│   └── Unavailable        the service cannot serve anyone for now
├── NoAnswer             sent, but no trustworthy answer: it may have happened
│   ├── ConnectionLost     the connection broke (also a ConnectionError)
│   └── AnswerTimedOut     the answer did not come in time (also a TimeoutError)
├── UnreadableAnswer             an answer came that is not what the service documents
├── JobFailed              the job, or a call without one, ended badly; holds its outcome
├── JobUnfinished          the job was still open at the deadline; holds its resume token
└── PartialFailure          some ids did not succeed; holds the outcome of every id

All fields are positional, so that errors survive pickling. No text of an error holds a key,
a token or a signed link.
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
    """Anything this package raises on purpose."""

    operation: str
    """The operation's name, such as `koophone.commands.run`; empty where there is none."""

    @property
    def repeatable(self) -> bool:
        """Whether the same call may be made again without anything happening twice."""
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
    """The call is wrong as written. Nothing was sent."""

    field: str
    problem: str
    """For people. Programs read `field`, `rule` and `limit`."""

    rule: Rule = Rule.ANY
    limit: float | None = None
    """The bound that the value is beyond, where the rule has one."""

    def __str__(self) -> str:
        """Name the field, what is wrong with its value, and the limit."""
        where = f"{self.operation}: " if self.operation else ""
        return f"{where}{self.field}: {self.problem}"


@define(eq=False, slots=False)
class NotSent(KooPhoneError):
    """Nothing left this machine, so sending again is safe."""

    reason: str

    @property
    def repeatable(self) -> bool:
        """Always: nothing was sent."""
        return True

    def __str__(self) -> str:
        """Say what stood in the way."""
        return f"{self.operation}: not sent: {self.reason}"


@define(eq=False, slots=False)
class NotConnected(NotSent, ConnectionError):
    """No connection: the name was not found, or nobody listens."""


@define(eq=False, slots=False)
class BadEndpoint(NotSent, ConnectionError):
    """The address is wrong, or its certificate does not verify: sending again cannot help."""

    @property
    def repeatable(self) -> bool:
        """Never: the settings must change first."""
        return False


@define(eq=False, slots=False)
class ConnectTimedOut(NotSent, TimeoutError):
    """No connection within the connect timeout, or none free in the pool."""


@define(eq=False, slots=False)
class QuotaTooSlow(NotSent):
    """The quota would let this call through only after `retry_after` seconds, longer than allowed."""

    retry_after: float


@frozen
class Failure:
    """One id of a call that the service refused, in its own words."""

    id: str
    code: str
    message: str


@define(eq=False, slots=False)
class Refused(KooPhoneError):
    """The service answered no."""

    status: int
    """The HTTP status; 200 for many refusals of KooPhone."""

    code: str
    message: str
    """The service's own words, with signed links cut short."""

    request_id: str | None = None

    retryable: bool = False
    """Whether the code proves that nothing was done and that a repeat can succeed."""

    blames_ids: bool = False
    """Whether some ids of the call are the reason; nothing was done for any of them."""

    retry_after: float | None = None
    """How long to wait before a repeat, where the service said so."""

    not_executed: bool = True
    """Whether the code proves that nothing was done; without proof some of it may have been."""

    failures: tuple[Failure, ...] = ()
    """The servers that cloud mobile gaming refused, each for a reason of its own."""

    @property
    def repeatable(self) -> bool:
        """Whether the code proves that nothing was done and that a repeat can succeed."""
        return self.retryable

    def __str__(self) -> str:
        """Give the service's code and words, and the request id for its support."""
        about = f", request {self.request_id}" if self.request_id else ""
        return f"{self.operation}: {self.code or 'no code'}: {self.message} (HTTP {self.status}{about})"


@define(eq=False, slots=False)
class AuthenticationFailed(Refused):
    """The credentials are missing, wrong or expired."""

    renewable: bool = False
    """Whether a new token may help, which the session has then tried once."""


@define(eq=False, slots=False)
class Forbidden(Refused):
    """The account may not do this at all, or not to one of these ids."""


@define(eq=False, slots=False)
class NotFound(Refused, LookupError):
    """Something that the call names does not exist."""


@define(eq=False, slots=False)
class Busy(Refused):
    """The call is right and the moment is not; nothing was done."""


@define(eq=False, slots=False)
class Throttled(Refused):
    """Too many calls; nothing was done."""


@define(eq=False, slots=False)
class Unavailable(Refused):
    """The service cannot serve anyone for now."""


@define(eq=False, slots=False)
class NoAnswer(KooPhoneError):
    """Sent, and no trustworthy answer came: it may have happened, or not."""

    reason: str
    request_id: str | None = None
    retryable: bool = False
    """Whether the operation may be repeated whatever became of this call."""

    @property
    def repeatable(self) -> bool:
        """Only where doing it twice is the same as doing it once."""
        return self.retryable

    def __str__(self) -> str:
        """Say what is known, and that the end is not."""
        about = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.operation}: sent, but no trustworthy answer: {self.reason}{about}"


@define(eq=False, slots=False)
class ConnectionLost(NoAnswer, ConnectionError):
    """The connection broke after the request had left."""


@define(eq=False, slots=False)
class AnswerTimedOut(NoAnswer, TimeoutError):
    """The request had left and the answer did not come in time."""


@define(eq=False, slots=False)
class UnreadableAnswer(KooPhoneError):
    """An answer came that is not what the service documents; a write may have happened."""

    status: int
    reason: str
    answer: bytes = field(repr=False)
    """The answer as it came. It may hold secrets, so no text of this error shows it."""

    request_id: str | None = None

    def __str__(self) -> str:
        """Say what could not be read; the answer itself stays in `answer`."""
        return f"{self.operation}: unreadable answer (HTTP {self.status}): {self.reason}"


@define(eq=False, slots=False)
class JobFailed(KooPhoneError):
    """A job ended with status -1, or a call that has none ended badly."""

    outcome: Outcome
    """What became of it, with its code, message and output."""

    reason: str

    def __str__(self) -> str:
        """Give the job's own code and words."""
        return f"{self.operation}: job failed: {self.reason}"


@define(eq=False, slots=False)
class JobUnfinished(KooPhoneError, TimeoutError):
    """The deadline came before the end. The job goes on and can be awaited again."""

    resume_token: str
    """Await this again, here or in another process: `koophone.jobs.wait(resume_token)`."""

    seconds: float

    def __str__(self) -> str:
        """Say how long was waited and that nothing was lost."""
        return f"{self.operation}: still running after {self.seconds:.1f} s; await its resume token again"


@define(eq=False, slots=False)
class PartialFailure(KooPhoneError):
    """Not every id succeeded. `outcomes` holds what became of every one."""

    outcomes: Mapping[str, Outcome] = field(repr=False)
    counts: Mapping[str, int]

    def __str__(self) -> str:
        """Count the ids by state."""
        return f"{self.operation}: " + ", ".join(f"{n} {state}" for state, n in self.counts.items())
