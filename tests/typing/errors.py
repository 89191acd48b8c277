"""Errors: what a handler knows of what it caught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_type

from koophone_async import Outcome, errors


def every_error_names_its_operation(error: errors.KooPhoneError) -> None:
    assert_type(error.operation, str)
    assert_type(error.repeatable, bool)


def errors_narrow_to_what_they_hold(error: errors.KooPhoneError) -> None:
    match error:
        case errors.Throttled():
            assert_type(error.retry_after, float | None)
        case errors.Refused():
            assert_type(error.code, str)
            assert_type(error.status, int)
            assert_type(error.request_id, str | None)
            assert_type(error.failures, tuple[errors.Failure, ...])
        case errors.QuotaTooSlow():
            assert_type(error.retry_after, float)
        case errors.UnreadableAnswer():
            assert_type(error.answer, bytes)
        case errors.JobFailed():
            assert_type(error.outcome, Outcome)
        case errors.JobUnfinished():
            assert_type(error.resume_token, str)
        case errors.PartialFailure():
            assert_type(error.outcomes, Mapping[str, Outcome])
            assert_type(error.counts, Mapping[str, int])
        case _:
            assert_type(error, errors.KooPhoneError)


def some_are_builtin_errors_too(
    wrong: errors.InvalidRequest, late: errors.AnswerTimedOut, lost: errors.ConnectionLost
) -> tuple[ValueError, TimeoutError, ConnectionError]:
    return wrong, late, lost
