"""Live progress of a run on stderr, if stderr is a terminal."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from koophone_async.cli.summary import Tally
from koophone_async.cli.terminal import visible

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID


class Progress:
    """A progress bar with the outcomes counted by state; prints nothing if stderr is not a terminal."""

    def __init__(self, label: str, total: int | None, *, shown: bool = True) -> None:
        """Create the bar.

        Args:
            label: Name of the running command.
            total: Number of ids, if known.
            shown: False if rows are printed to the same terminal meanwhile.
        """
        self._label = visible(label)
        self._total = total
        self._bar = _create_bar() if shown and sys.stderr.isatty() else None
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
            with suppress(OSError):  # the terminal was closed
                self._bar.stop()

    def show(self, tally: Tally) -> None:
        """Update the counts; cheap, since the bar is redrawn ten times a second at most."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=tally.total, counts=str(tally))


def _create_bar() -> Bar:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[counts]}", markup=False),
    )
    # By default rich redirects stdout to stderr while the bar is shown.
    return Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
