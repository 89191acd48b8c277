"""The outcomes of a run while it goes on."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from attrs import define, field

from koophone_async.batches.outcomes import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence


@define(eq=False)
class OutcomeRecorder:
    """Counts ids in and their outcomes out, and wakes the tasks that wait for a change.

    Outcomes are kept for the report, or queued for a caller that iterates over the run.
    """

    report: Report
    assume_unique: bool
    keeps: bool = field(default=True, init=False)
    """Whether outcomes are kept for the report; else they are queued in `ready`."""

    open: int = field(default=0, init=False)
    """Ids without an outcome."""

    ready: deque[Outcome] = field(factory=deque[Outcome], init=False)
    _outcomes: dict[str, Outcome | None] = field(factory=dict[str, Outcome | None], init=False)
    """Ids in the order of the input; without values where outcomes are not kept."""

    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)

    @property
    def unreported(self) -> int:
        """Ids that were read and not yet reported to the caller."""
        return self.open + len(self.ready)

    def begin(self, ids: Collection[str]) -> Collection[str]:
        """Count ids, and return them; without duplicates, which are not counted."""
        if self.keeps or not self.assume_unique:
            new = {id: None for id in ids if id not in self._outcomes}
            self._outcomes |= new
            ids = new
        self.open += len(ids)
        return ids

    def discard_duplicates(self, count: int) -> None:
        """Uncount ids that are duplicates, although the caller guaranteed that there are none."""
        self.open -= count

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Record the outcomes of some ids."""
        self.open -= len(outcomes)
        self.report.add(*outcomes)
        if self.keeps:
            self._outcomes.update({outcome.id: outcome for outcome in outcomes})
        else:
            self.ready.extend(outcomes)
        self.notify()

    def take_ready(self) -> Sequence[Outcome]:
        """Return the queued outcomes, which are reported by that."""
        ready = tuple(self.ready)
        self.ready.clear()
        return ready

    def notify(self) -> None:
        """Wake all tasks that wait for a change."""
        self._changed.set()

    async def wait_for_change(self) -> None:
        """Wait until the next `notify`."""
        self._changed.clear()
        await self._changed.wait()

    async def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds that is checked after every change."""
        while not condition():
            await self.wait_for_change()

    def finish(self, *, is_complete: bool) -> None:
        """Put the outcomes that were kept into the report, and whether they are of the complete input."""
        self.report.is_complete = is_complete
        if self.keeps:
            self.report.outcomes = {
                id: outcome for id, outcome in self._outcomes.items() if outcome is not None
            }
