"""Who may be sent again, and when.

The error says what is known of a call: `NotSent` that nothing left, `Refused` with `retryable` that
the service did nothing, `NoAnswer` that nobody knows. Only a repeatable operation is sent
again in the last case, an order that costs money never.

Repeats draw on a budget that successes refill, so that an outage costs at most about a tenth
more calls, however many callers there are; the idea is that of the AWS SDKs' retry quota.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.errors import (
    BadEndpoint,
    KooPhoneError,
    NoAnswer,
    NotSent,
    QuotaTooSlow,
    Refused,
    Unavailable,
    UnreadableAnswer,
)

if TYPE_CHECKING:
    import random

    from koophone_async.operation import AnyOperation


class Cause(Enum):
    """Why a call is sent again: what it costs of the budget, and how its wait grows."""

    TRANSIENT = (14, 0.05)
    BUSY = (5, 1.0)

    @property
    def cost(self) -> int:
        """Tokens of the budget."""
        return int(self.value[0])

    @property
    def scale(self) -> float:
        """The longest first wait, in seconds; it doubles with every repeat."""
        return float(self.value[1])


def cause(operation: AnyOperation, error: KooPhoneError) -> Cause | None:
    """Say why this call may be sent again; None where it may not."""
    if operation.order:
        return None
    match error:
        case BadEndpoint() | QuotaTooSlow():
            return None
        case Refused(retryable=True) if not isinstance(error, Unavailable):
            return Cause.BUSY
        case NotSent() | Refused(retryable=True):
            return Cause.TRANSIENT
        case NoAnswer() | UnreadableAnswer() | Unavailable() if operation.repeatable:
            return Cause.TRANSIENT
        case _:
            return None


@frozen
class Retries:
    """How often and how long a call is sent again."""

    attempts: int = 3
    """How often one call is sent at most, the first time included."""

    max_delay: float = 20.0
    """The longest wait between two attempts, in seconds; a wait that the service names is kept as it is."""

    deadline: float = 120.0
    """No attempt is made later than this many seconds after the first, waits for the quota not counted."""

    budget: float = 500.0
    """Tokens of a session: 14 for a transient failure, 5 for a busy service, 1 back for a success."""


_REFILL: Final = 1.0


@define(eq=False)
class Budget:
    """What a session may still spend on repeats."""

    rules: Retries
    rng: random.Random = field(repr=False)
    tokens: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start full."""
        self.tokens = self.rules.budget

    def succeeded(self) -> None:
        """Give a little back."""
        self.tokens = min(self.tokens + _REFILL, self.rules.budget)

    def wait(
        self, operation: AnyOperation, error: KooPhoneError, attempt: int, elapsed: float
    ) -> float | None:
        """Answer how long to wait before the next attempt; None where there is none.

        Args:
            operation: What was sent.
            error: What came of it.
            attempt: How often it was sent so far.
            elapsed: Seconds since the first attempt began, without the waits for the quota.
        """
        why = cause(operation, error)
        if why is None or attempt >= self.rules.attempts or self.tokens < why.cost:
            return None
        seconds = self.rng.uniform(0, min(self.rules.max_delay, why.scale * 2 ** (attempt - 1)))
        if isinstance(error, Refused) and error.retry_after is not None:
            seconds += error.retry_after
        if elapsed + seconds > self.rules.deadline:
            return None
        self.tokens -= why.cost
        return seconds
