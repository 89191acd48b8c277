"""Retry policy: which calls are retried, and when.

The error shows what is known of a call. After `NotSent` nothing was sent, and a `Refused` with `retryable`
proves that the service did nothing: these are always retried. After `NoAnswer` the call may have been
executed, so it is retried only if the operation is repeatable. Orders, which cost money, are never retried.

Retries draw on a budget that successes refill, so that an outage adds at most about a tenth to the calls,
however many callers there are. The idea is the retry quota of the AWS SDKs.
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
    """Why a call is retried, which decides what a retry costs and how its delay grows."""

    TRANSIENT = (14, 0.05)
    BUSY = (5, 1.0)

    @property
    def cost(self) -> int:
        """Tokens that a retry takes from the budget."""
        return int(self.value[0])

    @property
    def scale(self) -> float:
        """The maximum delay of the first retry in seconds; it doubles with each retry."""
        return float(self.value[1])


def cause(operation: AnyOperation, error: KooPhoneError) -> Cause | None:
    """Return why a call may be retried, or None if it may not."""
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
    """How often, and for how long, a call is retried."""

    attempts: int = 3
    """The maximum number of attempts, including the first."""

    max_delay: float = 20.0
    """The maximum delay between two attempts in seconds; `Retry-After` is added to it."""

    deadline: float = 120.0
    """Seconds after the first attempt until which retries are made, not counting waits for the quota."""

    budget: float = 500.0
    """Tokens of a session: a retry costs 14 after a transient failure, 5 if busy; a success returns 1."""


_REFILL: Final = 1.0


@define(eq=False, repr=False)
class Budget:
    """What a session may still spend on retries."""

    rules: Retries
    rng: random.Random = field(repr=False)
    tokens: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Fill the budget."""
        self.tokens = self.rules.budget

    def succeeded(self) -> None:
        """Return a token after a successful call."""
        self.tokens = min(self.tokens + _REFILL, self.rules.budget)

    def retry_delay(
        self, operation: AnyOperation, error: KooPhoneError, attempt: int, elapsed: float
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or None if there is none; spend its cost.

        Args:
            operation: The operation that failed.
            error: How it failed.
            attempt: The number of attempts so far.
            elapsed: Seconds since the first attempt began, not counting waits for the quota.
        """
        why = cause(operation, error)
        if why is None or attempt >= self.rules.attempts or self.tokens < why.cost:
            return None
        delay = self.rng.uniform(0, min(self.rules.max_delay, why.scale * 2 ** (attempt - 1)))
        if isinstance(error, Refused) and error.retry_after is not None:
            delay += error.retry_after
        if elapsed + delay > self.rules.deadline:
            return None
        self.tokens -= why.cost
        return delay
