"""The tree of errors: classes, texts, and pickling."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async import Outcome, State, errors
from koophone_async.errors import (
    AnswerTimedOut,
    AuthenticationFailed,
    BadEndpoint,
    Busy,
    ConnectionLost,
    ConnectTimedOut,
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

if TYPE_CHECKING:
    from collections.abc import Callable

RUN: Final = "koophone.commands.run"
FAILED: Final = Outcome("a", State.FAILED, error_code="CPS.0005")

TEXTS: Final[list[tuple[KooPhoneError, str, bool]]] = [
    # error, text, repeatable
    (KooPhoneError(RUN), RUN, False),
    (InvalidRequest(RUN, "command", "is empty"), f"{RUN}: command: is empty", False),
    (InvalidRequest("", "command", "is empty"), "command: is empty", False),
    (InvalidRequest("", "ids", "is too long", Rule.TOO_MANY, 100), "ids: is too long", False),
    (NotSent(RUN, "why"), f"{RUN}: not sent: why", True),
    (NotConnected(RUN, "why"), f"{RUN}: not sent: why", True),
    (BadEndpoint(RUN, "why"), f"{RUN}: not sent: why", False),
    (ConnectTimedOut(RUN, "why"), f"{RUN}: not sent: why", True),
    (QuotaTooSlow(RUN, "why", 9.5), f"{RUN}: not sent: why", True),
    (Refused(RUN, 400, "K.1", "no."), f"{RUN}: K.1: no. (HTTP 400)", False),
    (Refused(RUN, 400, "", "no.", "r1"), f"{RUN}: no code: no. (HTTP 400, request r1)", False),
    (AuthenticationFailed(RUN, 401, "K.1", "no."), f"{RUN}: K.1: no. (HTTP 401)", False),
    (Forbidden(RUN, 403, "K.1", "no."), f"{RUN}: K.1: no. (HTTP 403)", False),
    (NotFound(RUN, 404, "K.1", "no."), f"{RUN}: K.1: no. (HTTP 404)", False),
    (Busy(RUN, 200, "K.1", "no.", retryable=True), f"{RUN}: K.1: no. (HTTP 200)", True),
    (Throttled(RUN, 429, "K.1", "no.", retryable=True, retry_after=7.0), f"{RUN}: K.1: no. (HTTP 429)", True),
    (Unavailable(RUN, 503, "K.1", "no."), f"{RUN}: K.1: no. (HTTP 503)", False),
    (NoAnswer(RUN, "why"), f"{RUN}: sent, but no trustworthy answer: why", False),
    (
        ConnectionLost(RUN, "why", "r1", retryable=True),
        f"{RUN}: sent, but no trustworthy answer: why (request r1)",
        True,
    ),
    (AnswerTimedOut(RUN, "why"), f"{RUN}: sent, but no trustworthy answer: why", False),
    (UnreadableAnswer(RUN, 200, "why", b"secret"), f"{RUN}: unreadable answer (HTTP 200): why", False),
    (JobFailed(RUN, FAILED, "CPS.0005"), f"{RUN}: job failed: CPS.0005", False),
    (
        JobUnfinished(RUN, "resume_token", 9.96),
        f"{RUN}: still running after 10.0 s; wait again with its resume token",
        False,
    ),
    (
        PartialFailure(RUN, {"a": FAILED}, {"failed": 1, "succeeded": 2}),
        f"{RUN}: 1 failed, 2 succeeded",
        False,
    ),
]
every = pytest.mark.parametrize(
    "error, text, repeatable", TEXTS, ids=[f"{type(e).__name__}: {text}" for e, text, _ in TEXTS]
)

BUILTIN: Final[dict[type[KooPhoneError], type[Exception]]] = {
    InvalidRequest: ValueError,
    NotConnected: ConnectionError,
    BadEndpoint: ConnectionError,
    ConnectTimedOut: TimeoutError,
    NotFound: LookupError,
    ConnectionLost: ConnectionError,
    AnswerTimedOut: TimeoutError,
    JobUnfinished: TimeoutError,
}


def through_a_pickle(error: KooPhoneError) -> KooPhoneError:
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert isinstance(again, KooPhoneError)
    return again


def all_classes() -> set[type[KooPhoneError]]:
    return {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, KooPhoneError)}


@every
def test_an_error_describes_itself(error: KooPhoneError, text: str, *, repeatable: bool) -> None:
    assert str(error) == text
    assert error.repeatable is repeatable


@every
@pytest.mark.parametrize("copied", [through_a_pickle, copy.copy])
def test_an_error_survives_a_pickle(
    error: KooPhoneError, text: str, copied: Callable[[KooPhoneError], KooPhoneError], *, repeatable: bool
) -> None:
    again = copied(error)

    assert type(again) is type(error)
    assert (str(again), again.repeatable, vars(again)) == (text, repeatable, vars(error))


def test_later_changes_survive_a_pickle_too() -> None:
    error = AuthenticationFailed(RUN, 401, "K.1", "no.")
    error.renewable = True
    error.not_executed = False

    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own

    assert (again.renewable, again.not_executed) == (True, False)


def test_every_class_is_tested() -> None:
    assert {type(error) for error, *_ in TEXTS} == all_classes()


@pytest.mark.parametrize("kind", sorted(all_classes(), key=str))
def test_an_error_is_also_the_matching_builtin_error(kind: type[KooPhoneError]) -> None:
    for builtin in (ValueError, ConnectionError, TimeoutError, LookupError):
        assert issubclass(kind, builtin) is (BUILTIN.get(kind) is builtin)


def test_the_tree_in_the_docstring_is_that_of_the_classes() -> None:
    drawn = (errors.__doc__ or "").splitlines()
    parents: dict[int, str] = {}
    found: set[tuple[str, str]] = set()
    for line in drawn:
        name = line.lstrip("│├└─ ").split(" ")[0]
        if name in vars(errors):
            depth = (len(line) - len(line.lstrip("│├└─ "))) // 4
            parents[depth] = name
            found.add((name, parents[depth - 1] if depth else "Exception"))

    assert found == {(c.__name__, c.__mro__[1].__name__) for c in all_classes()}


def test_an_unreadable_answer_is_in_no_text() -> None:
    error = UnreadableAnswer(RUN, 200, "why", b"device-token")

    assert "device-token" not in repr(error) + str(error)
    assert error.answer == b"device-token"


def test_errors_compare_by_identity() -> None:
    assert NotConnected(RUN, "why") != NotConnected(RUN, "why")
    assert len({NotConnected(RUN, "why"), NotConnected(RUN, "why")}) == 2
