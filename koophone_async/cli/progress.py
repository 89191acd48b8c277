"""How far a run is, live on stderr where that is a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from koophone_async.cli.errors import Tally

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Progress:
    """A bar with the outcomes counted by state; nothing at all where nobody would see it."""

    def __init__(self, label: str, total: int | None, *, shown: bool = True) -> None:
        """Prepare the bar.

        Args:
            label: What is being done.
            total: How many ids there are, where that is known.
            shown: Whether nothing else is written to the same terminal meanwhile.
        """
        self._label = label
        self._total = total
        self._bar = _bar() if shown and sys.stderr.isatty() else None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task(self._label, total=self._total, counts="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Show the counts; cheap, because the bar draws itself ten times a second at most."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=tally.total, counts=str(tally))


def _bar() -> Bar:
    from rich.console import Console  # noqa: PLC0415 - only who sees it pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}", markup=False),
    )
    # By itself it would take what is written to stdout along to stderr.
    return Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
