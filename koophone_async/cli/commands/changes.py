"""What a run changes: values of each id before and after it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Annotated, Final, TypeAlias

import typer
from attrs import define, field

from koophone_async.batches import Outcome
from koophone_async.cli.errors import STOPPED, Exit, print_stderr
from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.pivot import Pivot
from koophone_async.cli.output.progress import Work
from koophone_async.cli.output.rows import Row
from koophone_async.cli.output.summary import print_summary
from koophone_async.cli.output.view_rows import Arranged
from koophone_async.cli.runner import Outcomes, follow
from koophone_async.errors import KooPhoneError

ShowChanges = Annotated[
    bool,
    typer.Option(
        "--changes", help="Print which properties changed, from what to what; reads each phone twice."
    ),
]

Values: TypeAlias = Mapping[str, str]

_NAMES: Final = ("id", "property", "before", "after")
COLUMNS: Final = Columns(_NAMES, _NAMES)


@define
class Changes:
    """Values of ids before a run, to be compared with those after it."""

    _read: Callable[[str], Awaitable[Values]]
    _concurrency: int
    _before: dict[str, Values] = field(factory=dict[str, Values], init=False)

    @classmethod
    async def of(
        cls, ids: Iterable[str], read: Callable[[str], Awaitable[Values]], concurrency: int
    ) -> Changes:
        """Read the values of all ids.

        Args:
            ids: The ids that the run is going to change.
            read: Reads the values of one.
            concurrency: Maximum number of concurrent reads.

        Raises:
            KooPhoneError: One could not be read.
        """
        changes = cls(read, concurrency)
        changes._before = await changes._read_all(ids)
        return changes

    async def compare(self, ids: Iterable[str]) -> list[Row]:
        """Read ids again, and return a row for each value that is another than before.

        Raises:
            KooPhoneError: One could not be read.
        """
        after = await self._read_all(ids)
        return [row for id, values in after.items() for row in _changed(id, self._before[id], values)]

    async def _read_all(self, ids: Iterable[str]) -> dict[str, Values]:
        values: dict[str, Values] = {}
        waiting = iter(ids)

        async def work() -> None:
            for id in waiting:
                values[id] = await self._read(id)

        workers = [asyncio.ensure_future(work()) for _ in range(self._concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
        return values


def _changed(id: str, before: Values, after: Values) -> Iterator[Row]:
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            yield dict(zip(_NAMES, (id, name, before.get(name), after.get(name)), strict=True))


async def print_changes(run: Outcomes, changes: Changes, out: Arranged | Pivot, work: Work) -> Exit:
    """Follow a run to its end, and print what it changed to stdout."""
    changed: list[str] = []

    def on_outcome(outcome: Outcome) -> None:
        if outcome.ok:
            changed.append(outcome.id)

    tally, code = await follow(run, on_outcome, work)
    with out:
        try:
            for row in await changes.compare(() if code in STOPPED else changed):
                out.row(row)
        except KooPhoneError as error:
            print_stderr(f"koophone: what changed could not be read: {error}")
    print_summary(tally, code, work.noun)
    if not out.count and code is Exit.DONE:
        print_stderr(f"koophone: no property of {len(changed):,} {work.noun} has another value than before")
    return code
