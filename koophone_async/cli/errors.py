"""Error messages on stderr, advice, and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from attrs import define

from koophone_async.cli.output.status_line import print_above
from koophone_async.cli.output.terminal import visible
from koophone_async.errors import (
    AuthenticationFailed,
    BadEndpoint,
    Busy,
    Forbidden,
    InvalidRequest,
    JobUnfinished,
    KooPhoneError,
    NoAnswer,
    NotConnected,
    NotFound,
    NotSent,
    QuotaTooSlow,
    Refused,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.limits.throttle import parse_quota
from koophone_async.operation import AnyOperation


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    NOT_STARTED = 3
    """The account was refused, or there was no connection: nothing was done."""

    STOPPED = 4
    """Stopped by a rule, or left where approval is needed."""

    HUNG_UP = 129
    """Stopped by SIGHUP, as when its terminal is closed."""

    INTERRUPTED = 130
    """Stopped by Ctrl-C."""

    READER_GONE = 141
    TERMINATED = 143
    """Stopped by SIGTERM, as by `kill`, `timeout`, systemd and Kubernetes."""


@define(eq=False, slots=False)
class NoCredentials(InvalidRequest):
    """No credentials were found, or those found are malformed."""


_MAX_MESSAGE: Final = 2_000

STOPPED: Final = {
    Exit.HUNG_UP: "hung up",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "terminated",
}
"""Exit codes of commands that a signal stopped, in words."""

NO_RESULTS: Final = "koophone: no results"

MAY_HAVE_RUN: Final = "It may have been executed. Check before you run it again."

NOTHING_CHANGED: Final = "Nothing was changed: it only reads. Run it again."

SEE_CONFIG: Final = "`koophone config` shows the settings in effect"
FIND_CAUSE: Final = f"`koophone doctor` finds the cause, and {SEE_CONFIG}"

_ADVICE: Final[Mapping[type[KooPhoneError], str]] = {
    NoCredentials: "Nothing was sent. `koophone config` shows where credentials are looked up.",
    AuthenticationFailed: f"Check the credentials: {SEE_CONFIG}.",
    Forbidden: "Check that the account has the permission and owns the ids.",
    NotFound: "Check the ids and the region; `list` shows what exists.",
    Busy: "Try again later.",
    Throttled: "Try again later.",
    Unavailable: "The service is unavailable. Try again later.",
    Refused: "Change what the message names, then run the command again.",
    BadEndpoint: f"Nothing was sent. Check the endpoints: {SEE_CONFIG}.",
    NotConnected: f"Nothing was sent. Check the network and the endpoints: {FIND_CAUSE}.",
    QuotaTooSlow: "Nothing was sent. Try again once the quota allows it.",
    NotSent: "Nothing was sent. Try again.",
    NoAnswer: MAY_HAVE_RUN,
    UnreadableAnswer: MAY_HAVE_RUN,
    JobUnfinished: "It is still running. Go on waiting with `koophone jobs wait TOKEN`.",
}
"""What was done and what to do next, by error; refusals are preceded by whether anything was done."""

_SET_CLOCK: Final = "Set the clock of this machine: a signature is valid for 15 minutes."


def report_error(error: KooPhoneError, *, is_server: bool = False) -> Exit:
    """Print an error and what to do about it; return the exit code."""
    text = str(error)
    if isinstance(error, InvalidRequest) and not (isinstance(error, NoCredentials) or is_server):
        text += f"{'' if text.endswith('?') else '.'} Nothing was sent."
    print_stderr(f"koophone: {shortened(text)}")
    if advice := advice_for(error):
        print_stderr(f"  {advice}")
    return _exit(error)


def advice_for(error: KooPhoneError) -> str | None:
    """Return whether anything was done, and one next step."""
    advice = advice_on(type(error))
    if advice == MAY_HAVE_RUN:
        return _if_lost(error.operation)
    if not isinstance(error, Refused):
        return advice
    if isinstance(error, AuthenticationFailed) and error.clock_ahead is not None:
        advice = _SET_CLOCK
    elif isinstance(error, Throttled) and (seconds := _wait_of(error)):
        advice = f"Try again in {seconds:g} s."
    return f"Nothing was done. {advice}" if error.not_executed else _if_lost(error.operation)


def _if_lost(name: str) -> str:
    """Return what to know of a call of an operation that may have been executed."""
    # Imported here, because commands without an error need none of it.
    from koophone_async.catalogue import OPERATIONS  # noqa: PLC0415
    from koophone_async.cli.commands.services import Entry  # noqa: PLC0415

    operation = OPERATIONS.get(name)
    only_reads = operation is not None and not Entry(operation).changes_something
    return NOTHING_CHANGED if only_reads else MAY_HAVE_RUN


def _wait_of(error: Throttled) -> float | None:
    """Return the seconds after which a call is possible again, as far as the service states them."""
    if error.retry_after is not None:
        return error.retry_after
    quota = parse_quota(error.message)
    return None if quota is None else quota.seconds


def advice_on(kind: type[KooPhoneError]) -> str | None:
    """Return the next step after a kind of error."""
    return next((_ADVICE[base] for base in kind.__mro__ if base in _ADVICE), None)


def report_unknown(operation: AnyOperation) -> None:
    """Print that a call was stopped whose answer did not arrive; reading again changes nothing."""
    if (advice := _if_lost(operation.name)) == MAY_HAVE_RUN:
        print_stderr(f"koophone: {operation.name}: no answer. {advice}")


def _exit(error: KooPhoneError) -> Exit:
    if isinstance(error, NoCredentials | NotSent | AuthenticationFailed | Forbidden):
        return Exit.NOT_STARTED
    return Exit.USAGE if isinstance(error, InvalidRequest) else Exit.SOME_FAILED


def shortened(text: str) -> str:
    """Return a message of a readable length: it may quote a file or an answer."""
    return text if len(text) <= _MAX_MESSAGE else f"{text[:_MAX_MESSAGE]}…"


def print_stderr(text: str) -> None:
    """Print a line to stderr, after everything that was printed to stdout."""
    sys.stdout.flush()
    print_above(visible(text))
