"""What went wrong, in a line or two on stderr, and the exit code that says so to a program."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
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
    NotSent,
    QuotaTooSlow,
    Throttled,
    Unavailable,
    UnreadableAnswer,
)
from koophone_async.protocol.codes import meaning


class Exit(IntEnum):
    """What the exit code says."""

    DONE = 0
    SOME_FAILED = 1
    USAGE = 2
    NOT_STARTED = 3
    """Refused, or no connection, before anything was sent."""

    INTERRUPTED = 130
    READER_GONE = 141


@define(eq=False, slots=False)
class NoCredentials(InvalidRequest):
    """Nothing to sign with was found, or what was found is wrong as written."""


_MAY_HAVE_HAPPENED: Final = "It may have happened: look before you do it again."

_ADVICE: Final[Mapping[type[KooPhoneError], str]] = {
    NoCredentials: "Nothing was sent. `koophone config` shows where credentials were looked for.",
    AuthenticationFailed: "Check HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK; `koophone config` shows what is in effect.",
    Forbidden: "Check that the account has the permission, and that the ids are its own.",
    Busy: "Nothing was done. Try again later.",
    Throttled: "Nothing was done. Try again later.",
    Unavailable: "The service cannot serve anyone for now. Try again later.",
    BadEndpoint: "Check the endpoints: `koophone config` shows what is in effect.",
    NotConnected: "Check the network and the endpoints: `koophone config` shows what is in effect.",
    QuotaTooSlow: "The quota lets it through later. Try again then.",
    NotSent: "Nothing was sent. Try again.",
    NoAnswer: _MAY_HAVE_HAPPENED,
    UnreadableAnswer: _MAY_HAVE_HAPPENED,
    JobUnfinished: "It goes on. Await it again with `koophone jobs wait`.",
}


def complain(error: KooPhoneError) -> Exit:
    """Say what went wrong and what to do about it; answer the exit code."""
    say(f"koophone: {error}")
    advice = next((_ADVICE[kind] for kind in type(error).__mro__ if kind in _ADVICE), None)
    if advice:
        say(f"  {advice}")
    return _exit(error)


def _exit(error: KooPhoneError) -> Exit:
    if isinstance(error, NoCredentials | NotSent | AuthenticationFailed | Forbidden):
        return Exit.NOT_STARTED
    return Exit.USAGE if isinstance(error, InvalidRequest) else Exit.SOME_FAILED


def say(text: str) -> None:
    """Write a line to stderr."""
    sys.stdout.flush()
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


@define
class Tally:
    """How a run ends, counted as its outcomes come."""

    counts: Counter[State] = field(factory=Counter[State])
    _not_started: int = 0
    _reason: str | None = None

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        self.counts[outcome.state] += 1
        if not_started(outcome):
            self._not_started += 1
            self._reason = self._reason or outcome.error_message

    @property
    def total(self) -> int:
        """How many outcomes there were."""
        return self.counts.total()

    @property
    def reason(self) -> str | None:
        """Why nothing was started at all; None where something was."""
        return self._reason if self._not_started == self.total else None

    @property
    def exit(self) -> Exit:
        """The exit code of a run that was not interrupted."""
        good = self.counts[State.SUCCEEDED] + self.counts[State.ACCEPTED]
        if good == self.total:
            return Exit.DONE
        return Exit.NOT_STARTED if self._not_started == self.total else Exit.SOME_FAILED

    def __str__(self) -> str:
        """Count by state: `998 succeeded, 2 failed`."""
        return ", ".join(f"{count:,} {state.value}" for state, count in self.counts.most_common())


def not_started(outcome: Outcome) -> bool:
    """Whether an outcome speaks of the account or the connection, and not of its id."""
    if outcome.state is State.NOT_SENT:
        return id_problem(outcome.id) is None and outcome.error_message not in STOP_REASONS
    if outcome.state is not State.REFUSED:
        return False
    # An outcome keeps the code and not the status. A refusal without a code is one of credentials.
    means = meaning(outcome.error_code, 401)
    return issubclass(means.error, AuthenticationFailed | Forbidden) and not means.blames_ids


def sum_up(tally: Tally, code: Exit) -> None:
    """Say on stderr how a run ended, where it did not end well or there was nothing to do."""
    end = "interrupted: " if code is Exit.INTERRUPTED else ""
    if code is Exit.NOT_STARTED:
        say(f"koophone: nothing was done: {tally.reason}")
        say("  `koophone config` shows what is in effect.")
    elif tally.total == 0:
        say(f"koophone: {end}nothing was chosen, and nothing done")
    elif code is not Exit.DONE:
        say(f"koophone: {end}{tally}")
    if tally.counts[State.UNKNOWN]:
        say(f"  {State.UNKNOWN}: {_MAY_HAVE_HAPPENED}")
