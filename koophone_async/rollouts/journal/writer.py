"""Group commit: what is to be written while one transaction runs is written together in the next.

The database has one thread. A commit to disk takes about a millisecond and a chunk needs three, so that runs
with many chunks at once would otherwise wait for the disk and not for the service.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, TypeVarTuple

from attrs import define, field

if TYPE_CHECKING:
    from asyncio import Future, Task
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

    from koophone_async.rollouts.journal.database import Database

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")
Work: TypeAlias = "Callable[[Database], Any]"


@define(eq=False)
class GroupWriter:
    """Runs functions on a database in its own thread, those that write in transactions of groups.

    What a function has written before it raises is undone, and the others of its group are committed all the
    same. To have it committed, the function returns the exception. If the database fails, nothing of the
    group is committed; unless it recovers, and all functions are run again, they all fail.
    """

    _database: Database
    _thread: Executor
    _queue: list[tuple[Callable[[], Work], Future[Any]]] = field(
        factory=list["tuple[Callable[[], Work], Future[Any]]"], init=False
    )
    _task: Task[None] | None = field(default=None, init=False)

    async def read(self, work: Callable[[Database, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Run a function that only reads.

        Raises:
            JournalError: The database could not be read.
        """
        return await self._in_thread(self._read, work, arguments)

    async def write(self, work: Callable[[Database, *Arguments], Result], *arguments: *Arguments) -> Result:
        """Run a function in the next transaction; its result is on disk when this returns.

        Raises:
            JournalError: The group could not be written.
        """
        result: Result = await self.submit(lambda: lambda database: work(database, *arguments))
        return result

    def submit(self, prepare: Callable[[], Work]) -> Future[Any]:
        """Add work to the next transaction; it is prepared right before, with all that came meanwhile."""
        future = asyncio.get_running_loop().create_future()
        self._queue.append((prepare, future))
        if self._task is None:
            self._task = asyncio.create_task(self._write_all())
        return future

    async def finish(self) -> None:
        """Wait until everything was written, or could not be."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _write_all(self) -> None:
        try:
            while self._queue:
                group, self._queue = self._queue, []
                await self._write_group(group)
                await asyncio.sleep(0)  # a driver prepares its next changes only when it knows of these
        finally:
            self._task = None

    async def _write_group(self, group: Sequence[tuple[Callable[[], Work], Future[Any]]]) -> None:
        results: list[object]
        try:
            results = await self._in_thread(self._commit, [prepare() for prepare, _ in group])
        except Exception as error:  # noqa: BLE001 - whoever waits for the group raises it
            results = [error] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future.done():
                continue  # its caller was cancelled
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _commit(self, group: Sequence[Work]) -> list[object]:
        def transaction() -> list[object]:
            with self._database.transaction():
                return [self._result_of(work) for work in group]

        return self._repeat(transaction)

    def _result_of(self, work: Work) -> object:
        """Return the result of a function, or the exception that it raised."""
        try:
            with self._database.savepoint():
                return work(self._database)
        except self._database.failures:
            raise
        except Exception as error:  # noqa: BLE001 - whoever waits for the function raises it
            return self._described(error)

    def _read(self, work: Callable[[Database, *Arguments], Result], arguments: tuple[*Arguments]) -> Result:
        return self._repeat(lambda: work(self._database, *arguments))

    def _repeat(self, work: Callable[[], Result]) -> Result:
        """Return the result of work, which is done again after a failure that the database recovers from."""
        failures = 0
        while True:
            try:
                return work()
            except self._database.failures as error:
                failures += 1
                if not self._database.recover(error, failures):
                    raise self._described(error) from error
            except Exception as error:
                raise self._described(error) from error

    def _described(self, error: Exception) -> Exception:
        return self._database.describe(error) or error

    def _in_thread(
        self, work: Callable[[*Arguments], Result], *arguments: *Arguments
    ) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
