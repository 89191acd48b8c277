"""The rules of repeating, apart from any network."""

from __future__ import annotations

import random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Retries
from koophone_async.errors import (
    AnswerTimedOut,
    AuthenticationFailed,
    BadEndpoint,
    Busy,
    ConnectionLost,
    ConnectTimedOut,
    Forbidden,
    InvalidRequest,
    JobUnfinished,
    KooPhoneError,
    NoAnswer,
    NotConnected,
    NotFound,
    QuotaTooSlow,
    Refused,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.koophone import Accepted
from koophone_async.operation import Operation
from koophone_async.retry import Budget, Cause, cause


def operation(*, repeatable: bool = False, order: bool = False) -> Operation[Accepted, Accepted]:
    return Operation(
        "koophone.notes.any",
        "POST",
        "/",
        Accepted,
        Accepted,
        source="made up",
        repeatable=repeatable,
        order=order,
    )


REPEATABLE: Final = operation(repeatable=True)
WRITE: Final = operation()
ORDER: Final = operation(order=True)
T, B, NO = Cause.TRANSIENT, Cause.BUSY, None

TABLE: Final[list[tuple[KooPhoneError, Cause | None, Cause | None]]] = [
    # error, repeatable, other write
    (NotConnected("o", "r"), T, T),
    (ConnectTimedOut("o", "r"), T, T),
    (BadEndpoint("o", "r"), NO, NO),
    (QuotaTooSlow("o", "r", 9.0), NO, NO),
    (ConnectionLost("o", "r"), T, NO),
    (AnswerTimedOut("o", "r"), T, NO),
    (NoAnswer("o", "r"), T, NO),
    (UnreadableAnswer("o", 200, "r", b""), T, NO),
    (Throttled("o", 429, "", "", retryable=True), B, B),
    (Busy("o", 200, "", "", retryable=True), B, B),
    (Busy("o", 200, "", ""), NO, NO),
    (Unavailable("o", 503, "", "", retryable=True), T, T),
    (Unavailable("o", 503, "", ""), T, NO),
    (Refused("o", 400, "", ""), NO, NO),
    (Forbidden("o", 403, "", ""), NO, NO),
    (NotFound("o", 404, "", ""), NO, NO),
    (AuthenticationFailed("o", 401, "", ""), NO, NO),
    (InvalidRequest("o", "f", "p"), NO, NO),
    (JobUnfinished("o", "t", 1.0), NO, NO),
]
errors = st.sampled_from([error for error, *_ in TABLE])
operations = st.sampled_from([REPEATABLE, WRITE, ORDER])


@pytest.mark.parametrize("error, repeatable, write", TABLE, ids=lambda value: repr(value)[:40])
def test_the_cause_of_a_retry_follows_from_the_error(
    error: KooPhoneError, repeatable: Cause | None, write: Cause | None
) -> None:
    assert cause(REPEATABLE, error) is repeatable
    assert cause(WRITE, error) is write
    assert cause(ORDER, error) is None


@given(errors)
def test_repeatable_agrees_with_the_retry_policy(error: KooPhoneError) -> None:
    assert not error.repeatable or cause(WRITE, error) or isinstance(error, QuotaTooSlow)
    assert cause(WRITE, error) is None or error.repeatable


@given(operations, errors, st.integers(1, 9), st.floats(0, 200), st.floats(0, 600), st.integers())
def test_a_delay_respects_all_limits(  # noqa: PLR0913, PLR0917 - what hypothesis draws
    sent: Operation[Accepted, Accepted],
    error: KooPhoneError,
    attempt: int,
    elapsed: float,
    tokens: float,
    seed: int,
) -> None:
    rules = Retries(attempts=4, max_delay=0.5, deadline=100.0)
    budget = Budget(rules, random.Random(seed))
    budget.tokens = tokens

    wait = budget.retry_delay(sent, error, attempt, elapsed)

    why = cause(sent, error)
    if wait is None:
        assert budget.tokens == tokens
        assert (
            why is None or attempt >= 4 or tokens < why.cost or elapsed + why.scale * 2 ** (attempt - 1) > 100
        )
    else:
        assert why is not None
        assert budget.tokens == tokens - why.cost >= 0
        assert attempt < 4
        assert elapsed + wait <= 100
        assert 0 <= wait <= min(0.5, why.scale * 2 ** (attempt - 1))


@pytest.mark.parametrize("attempt, longest", [(1, 0.05), (2, 0.1), (3, 0.2), (10, 20.0)])
def test_the_maximum_delay_doubles_with_each_attempt(attempt: int, longest: float) -> None:
    budgets = (Budget(Retries(attempts=11), random.Random(seed)) for seed in range(100))

    waits = [budget.retry_delay(WRITE, NotConnected("o", "r"), attempt, 0) or 0 for budget in budgets]

    assert 0.9 * longest < max(waits) <= longest


def test_an_attempt_may_start_at_the_deadline() -> None:
    budget = Budget(Retries(max_delay=0, deadline=100), random.Random(1))

    assert budget.retry_delay(WRITE, NotConnected("o", "r"), 1, 100) == 0


def test_retry_after_is_added_to_the_random_delay() -> None:
    budget = Budget(Retries(), random.Random(1))

    waits = [
        budget.retry_delay(WRITE, Throttled("o", 429, "", "", retryable=True, retry_after=60.0), 1, 0)
        for _ in range(50)
    ]

    assert all(wait is not None and 60 <= wait <= 61 for wait in waits)
    assert len(set(waits)) == 50


def test_retry_after_is_not_capped() -> None:
    budget = Budget(Retries(max_delay=1.0, deadline=1000), random.Random(1))

    wait = budget.retry_delay(WRITE, Throttled("o", 429, "", "", retryable=True, retry_after=60.0), 1, 0)

    assert wait is not None
    assert wait >= 60


def test_the_budget_has_a_maximum() -> None:
    budget = Budget(Retries(budget=20), random.Random(1))
    budget.retry_delay(WRITE, NotConnected("o", "r"), 1, 0)
    assert budget.tokens == 6

    for _ in range(100):
        budget.succeeded()

    assert budget.tokens == 20


def test_a_busy_service_costs_less_than_a_failure() -> None:
    assert (Cause.TRANSIENT.cost, Cause.BUSY.cost) == (14, 5)
    assert (Cause.TRANSIENT.scale, Cause.BUSY.scale) == (0.05, 1.0)


def test_the_repr_of_a_budget_is_short() -> None:
    assert "Random" not in repr(Budget(Retries(), random.Random(1)))
