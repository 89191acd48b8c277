"""Error messages on stderr, advice, and exit codes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from enum import IntEnum
from typing import Final

from attrs import define, field

from koophone_async.batches import STOP_REASONS, Outcome, State
from koophone_async.batches.chunks import id_problem
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
from koophone_async.operation import AnyOperation
from koophone_async.protocol.codes import meaning


class Exit(IntEnum):
    """Exit codes."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    NOT_STARTED = 3
    """The account was refused, or there was no connection: nothing was done."""

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


CONTROL_ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""Escapes of the characters that would end a line or control the terminal."""

_MAX_MESSAGE: Final = 2_000

STOPPED: Final = {
    Exit.HUNG_UP: "hung up",
    Exit.INTERRUPTED: "interrupted",
    Exit.TERMINATED: "terminated",
}
"""Exit codes of commands that a signal stopped, in words."""

MAY_HAVE_RUN: Final = "It may have been executed. Check before you run it again."

_GO_ON_WAITING: Final = (
    "Still running. Go on waiting with `jobs wait TOKEN`; TOKEN is the resume_token of its row."
)

_SEE_CONFIG: Final = "`koophone config` shows the settings in effect"
_FIND_CAUSE: Final = f"`koophone doctor` finds the cause, and {_SEE_CONFIG}"

_ADVICE: Final[Mapping[type[KooPhoneError], str]] = {
    NoCredentials: "Nothing was sent. `koophone config` shows where credentials are looked up.",
    AuthenticationFailed: f"Check the credentials: {_SEE_CONFIG}.",
    Forbidden: "Check that the account has the permission and owns the ids.",
    NotFound: "Check the ids and the region; `list` shows what exists.",
    Busy: "Try again later.",
    Throttled: "Try again later.",
    Unavailable: "The service is unavailable. Try again later.",
    Refused: "Change what the message names, then run the command again.",
    BadEndpoint: f"Nothing was sent. Check the endpoints: {_SEE_CONFIG}.",
    NotConnected: f"Nothing was sent. Check the network and the endpoints: {_FIND_CAUSE}.",
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
    print_stderr(f"koophone: {_one_line(text)}")
    if advice := advice_for(error):
        print_stderr(f"  {advice}")
    return _exit(error)


def advice_for(error: KooPhoneError) -> str | None:
    """Return whether anything was done, and one next step."""
    advice = next((_ADVICE[kind] for kind in type(error).__mro__ if kind in _ADVICE), None)
    if not isinstance(error, Refused):
        return advice
    if isinstance(error, AuthenticationFailed) and error.clock_ahead is not None:
        advice = _SET_CLOCK
    return f"Nothing was done. {advice}" if error.not_executed else MAY_HAVE_RUN


def report_unknown(operation: AnyOperation) -> None:
    """Print that a call was stopped whose answer did not arrive; reading again changes nothing."""
    if operation.method != "GET":
        print_stderr(f"koophone: {operation.name}: no answer. {MAY_HAVE_RUN}")


def _exit(error: KooPhoneError) -> Exit:
    if isinstance(error, NoCredentials | NotSent | AuthenticationFailed | Forbidden):
        return Exit.NOT_STARTED
    return Exit.USAGE if isinstance(error, InvalidRequest) else Exit.SOME_FAILED


def _one_line(text: str) -> str:
    """Return a message without control codes, and of a readable length: it may quote a file or an answer."""
    line = text.translate(CONTROL_ESCAPES)
    return line if len(line) <= _MAX_MESSAGE else f"{line[:_MAX_MESSAGE]}…"


def print_stderr(text: str) -> None:
    """Print a line to stderr, after everything that was printed to stdout."""
    sys.stdout.flush()
    with suppress(OSError):  # a terminal that was closed; the rows on stdout matter more
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


@define
class Tally:
    """Outcomes of a run, counted by state as they arrive."""

    counts: Counter[State] = field(factory=Counter[State])
    _not_started: int = 0
    _reason: str | None = None

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.counts[outcome.state] += 1
        if not_started(outcome):
            self._not_started += 1
            self._reason = self._reason or outcome.error_message

    @property
    def total(self) -> int:
        """Number of outcomes."""
        return self.counts.total()

    @property
    def reason(self) -> str | None:
        """Why no id was started; None if one was."""
        return self._reason if self._not_started == self.total else None

    @property
    def exit(self) -> Exit:
        """Exit code of a run that was not interrupted."""
        succeeded = self.counts[State.SUCCEEDED] + self.counts[State.ACCEPTED]
        if succeeded == self.total:
            return Exit.DONE
        return Exit.NOT_STARTED if self._not_started == self.total else Exit.SOME_FAILED

    def __str__(self) -> str:
        """Return the counts by state, such as `998 succeeded, 2 failed`."""
        return ", ".join(f"{count:,} {state.value}" for state, count in self.counts.most_common())


def not_started(outcome: Outcome) -> bool:
    """Whether the account or the connection is the cause of an outcome, rather than its id."""
    if outcome.state is State.NOT_SENT:
        return id_problem(outcome.id) is None and outcome.error_message not in STOP_REASONS
    if outcome.state is not State.REFUSED:
        return False
    # An outcome has the code but not the HTTP status. A refusal without a code is about credentials.
    means = meaning(outcome.error_code, 401)
    return issubclass(means.error, AuthenticationFailed | Forbidden) and not means.blames_ids


def print_summary(tally: Tally, code: Exit, noun: str = "phones") -> None:
    """Print the counts of a run to stderr, unless every id succeeded."""
    prefix = f"{STOPPED[code]}: " if code in STOPPED else ""
    if code is Exit.NOT_STARTED:
        print_stderr(f"koophone: nothing was done: {tally.reason}")
        print_stderr(f"  {_FIND_CAUSE}.")
    elif tally.total == 0:
        print_stderr(f"koophone: {prefix}no {noun} matched; nothing was done")
    elif code is not Exit.DONE:
        print_stderr(f"koophone: {prefix}{tally}")
    if tally.counts[State.UNKNOWN]:
        print_stderr(f"  {State.UNKNOWN}: {MAY_HAVE_RUN}")
    if tally.counts[State.UNFINISHED]:
        print_stderr(f"  {State.UNFINISHED}: {_GO_ON_WAITING}")
    if tally.counts[State.NOT_SENT] and code in STOPPED:
        print_stderr(f"  {State.NOT_SENT}: Nothing was done. Run the command again with these {noun}.")
