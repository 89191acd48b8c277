"""Print the outcomes of a run: a row for each as it arrives, or all at the end as a table or in groups."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Final, Self

from attrs import define, field

from koophone_async.batches import Outcome, State
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.groups import GROUP_COLUMNS, Group, group, group_lines, group_rows
from koophone_async.cli.output.id_ranges import by_number
from koophone_async.cli.output.printing import Format, Printer, print_lines, print_styled
from koophone_async.cli.output.rows import OUTCOME_COLUMNS
from koophone_async.cli.output.summary import format_counts
from koophone_async.cli.output.terminal import terminal_width
from koophone_async.cli.output.view import View
from koophone_async.cli.targets.profiles import current_profile

_TERMINAL_COLUMNS: Final = ("id", "state", "error_code", "error_message", "output", "seconds")
"""Columns of a table on a terminal, which would cut resume tokens."""


@define
class OutcomePrinter:
    """Prints outcomes; leaving its context prints what was collected, also after an error or interruption."""

    view: View
    _names: Mapping[str, str]
    _rows: Printer
    _counts: Counter[State] = field(factory=Counter[State], init=False)
    collected: list[Outcome] = field(factory=list[Outcome], init=False)
    """Outcomes that are printed at the end."""

    @classmethod
    def of(cls, view: View, names: Mapping[str, str] = MappingProxyType({})) -> OutcomePrinter:
        """Create a printer.

        Args:
            view: Which outcomes are printed, and how.
            names: Names by id, for groups; they may be added while the run goes on.

        Raises:
            InvalidRequest: A column was chosen that outcomes do not have.
        """
        if view.is_grouped:
            columns = (*GROUP_COLUMNS, "diff") if view.diff else GROUP_COLUMNS
            return cls(view, names, view.printer(Columns(columns, columns)))
        in_tables = _TERMINAL_COLUMNS if sys.stdout.isatty() else OUTCOME_COLUMNS
        return cls(view, names, view.printer(Columns(OUTCOME_COLUMNS, in_tables)))

    @property
    def streams(self) -> bool:
        """Whether outcomes are printed as they arrive."""
        return self._rows.streams and not self.view.is_grouped

    @property
    def has_tokens(self) -> bool:
        """Whether what is printed has the resume tokens of unfinished outcomes."""
        is_cut = self.view.output is Format.TABLE and sys.stdout.isatty()
        return not (self.view.is_grouped or self.view.columns or is_cut)

    def add(self, outcome: Outcome) -> None:
        """Print or collect an outcome."""
        self._counts[outcome.state] += 1
        if self.view.failed_only and outcome.ok:
            return
        if self.streams:
            self._rows.row(outcome.to_row())
        else:
            self.collected.append(outcome)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):  # stdout cannot be written
            return
        with self._rows:
            self._print_collected()

    def _print_collected(self) -> None:
        if not self.view.is_grouped:
            for outcome in sorted(self.collected, key=lambda outcome: (outcome.ok, by_number(outcome.id))):
                self._rows.row(outcome.to_row())
            return
        groups = group(self.collected)
        if self.view.output is Format.TABLE and not (self.view.columns or self.view.sort):
            self._print_text(groups)
            return
        for row in group_rows(groups, diff=self.view.diff):
            self._rows.row(row)

    def _print_text(self, groups: Sequence[Group]) -> None:
        if profile := current_profile():
            print_lines([f"profile {profile}:"])
        if self._counts:
            print_lines([format_counts(self._counts, sys.stdout)])
        width = terminal_width(sys.stdout)
        print_styled(group_lines(groups, width, diff=self.view.diff, names=self._names))
