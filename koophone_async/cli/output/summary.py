"""Summary of a run on stderr: counts by state, failures by code, and what to do about them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TextIO

from attrs import define, field

from koophone_async.batches import STOP_REASONS, Outcome, State
from koophone_async.batches.chunks import id_problem
from koophone_async.cli.errors import (
    FIND_CAUSE,
    MAY_HAVE_RUN,
    NOTHING_CHANGED,
    STOPPED,
    Exit,
    advice_on,
    print_stderr,
    shortened,
)
from koophone_async.cli.output.encoding import encodable
from koophone_async.cli.output.id_ranges import shorten
from koophone_async.cli.output.terminal import terminal_width
from koophone_async.errors import AuthenticationFailed, Forbidden
from koophone_async.protocol.codes import meaning

_GO_ON_WAITING: Final = (
    "Still running. Go on waiting with `jobs wait TOKEN`; TOKEN is the resume_token of its row."
)

_WIDTH: Final = 200
"""Width of lines that are not printed to a terminal."""


@define
class Failure:
    """Ids that failed for the same reason."""

    state: State
    code: str | None
    message: str | None
    """Message of the first of them."""

    ids: list[str] = field(factory=list[str])


@define
class Tally:
    """Outcomes of a run, counted by state as they arrive."""

    counts: Counter[State] = field(factory=Counter[State])
    failures: dict[tuple[State, str | None], Failure] = field(factory=dict[Any, Failure], repr=False)
    """What is not ok, by state and error code."""

    only_reads: bool = False
    """Whether what is counted changes nothing."""

    unfinished: list[Outcome] = field(factory=list[Outcome], repr=False)
    """Outcomes that can be awaited."""

    _not_started: int = 0
    _reason: str | None = None

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.counts[outcome.state] += 1
        if not outcome.ok:
            self._add_failure(outcome)
        if outcome.resume_token is not None:
            self.unfinished.append(outcome)
        if not_started(outcome):
            self._not_started += 1
            self._reason = self._reason or outcome.error_message

    def _add_failure(self, outcome: Outcome) -> None:
        cause = outcome.state, outcome.error_code
        if cause not in self.failures:
            self.failures[cause] = Failure(*cause, outcome.error_message)
        self.failures[cause].ids.append(outcome.id)

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
        """Return the counts by state, such as `998 succeeded · 2 failed`."""
        return format_counts(self.counts, sys.stderr)


_OK: Final = (State.SUCCEEDED, State.ACCEPTED)


def format_counts(counts: Counter[State], stream: TextIO) -> str:
    """Return counts by state for a stream: what succeeded first, then the largest."""
    ordered = sorted(counts.items(), key=lambda item: (item[0] not in _OK, -item[1]))
    separator = encodable(" · ", stream, ", ")
    return separator.join(f"{count:,} {state.value}" for state, count in ordered if count)


def not_started(outcome: Outcome) -> bool:
    """Whether the account or the connection is the cause of an outcome, rather than its id."""
    if outcome.state is State.NOT_SENT:
        return id_problem(outcome.id) is None and outcome.error_message not in STOP_REASONS
    if outcome.state is not State.REFUSED:
        return False
    # An outcome has the code but not the HTTP status. A refusal without a code is about credentials.
    means = meaning(outcome.error_code, 401)
    return issubclass(means.error, AuthenticationFailed | Forbidden) and not means.blames_ids


def print_summary(
    tally: Tally,
    code: Exit,
    noun: str = "phones",
    *,
    is_resumable: bool = False,
    wait_commands: Sequence[str] = (),
) -> None:
    """Print the counts of a run, its failures and what to do about them, unless every id succeeded.

    Args:
        tally: The counts.
        code: The exit code.
        noun: Of the ids, in the plural.
        is_resumable: Whether a journal has the run: then its ids must not be run again, but resumed.
        wait_commands: The commands that wait for what is unfinished, if its rows do not show the tokens.
    """
    prefix = f"{STOPPED[code]}: " if code in STOPPED else ""
    if code is Exit.NOT_STARTED:
        print_stderr(f"koophone: nothing was done: {tally.reason}")
        print_stderr(f"  {FIND_CAUSE}.")
    elif tally.total == 0:
        print_stderr(f"koophone: {prefix}no {noun} matched; nothing was done")
    elif code is not Exit.DONE:
        print_stderr(f"koophone: {prefix}{tally}")
        print_failures(tally)
    _print_advice(tally, code, noun, is_resumable=is_resumable or bool(wait_commands))
    if wait_commands:
        print_stderr(f"  {State.UNFINISHED}: Still running. Go on waiting with:")
        for line in wait_commands:
            print_stderr(f"  {line}")


def print_failures(tally: Tally) -> None:
    """Print how many ids failed with each code, and which."""
    width = terminal_width(sys.stderr) or _WIDTH
    for failure in sorted(tally.failures.values(), key=lambda failure: -len(failure.ids)):
        head = f"  {len(failure.ids):,} {failure.state.value}"
        cause = " ".join(filter(None, (failure.code, failure.message)))
        print_stderr(shortened(f"{head}: {cause}" if cause else head))
        print_stderr(f"    on {shorten(failure.ids, width - len('    on '))}")


def _print_advice(tally: Tally, code: Exit, noun: str, *, is_resumable: bool) -> None:
    if tally.counts[State.UNKNOWN]:
        print_stderr(f"  {State.UNKNOWN}: {NOTHING_CHANGED if tally.only_reads else MAY_HAVE_RUN}")
    if tally.counts[State.UNFINISHED] and not is_resumable:
        print_stderr(f"  {State.UNFINISHED}: {_GO_ON_WAITING}")
    if tally.counts[State.NOT_SENT] and code in STOPPED and not is_resumable:
        print_stderr(f"  {State.NOT_SENT}: Nothing was done. Run the command again with these {noun}.")
    if code is not Exit.NOT_STARTED:
        for failure in tally.failures.values():
            if failure.state is State.REFUSED and (advice := advice_on(meaning(failure.code, 400).error)):
                print_stderr(f"  {failure.code}: {advice}")
