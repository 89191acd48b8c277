"""Read the states of instances that calls without a task lead to, and judge them."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import Final, TypeAlias

import anyio
from attrs import define, field

from koophone_async.batches import unreadable_rows
from koophone_async.errors import KooPhoneError, Refused
from koophone_async.operation import Sender
from koophone_async.rows import UnreadableValue, dropped_rows
from koophone_async.services.koophone.instances import (
    LIST,
    MAX_PAGE,
    STATUS,
    Instance,
    InstanceQuery,
    InstancesRequest,
    InstanceStatuses,
)
from koophone_async.services.koophone.paging import items
from koophone_async.services.koophone.streaming import PROGRESS, ProgressQuery, ProgressState
from koophone_async.services.koophone.verdicts import (
    SETTLE_SECONDS,
    Doubt,
    Verdict,
    describe,
    describe_instance,
    name_of,
)

_CONFIRM_INTERVAL: Final = 5.0
"""Seconds from the first query of the progress of an instance in a good state to the next; then doubled."""

_CHECK_INTERVAL: Final = 20.0
"""The same for an instance whose state is not good."""

_MAX_PROGRESS_INTERVAL: Final = 60.0

_CONCURRENT_QUERIES: Final = 8
"""Maximum of concurrent queries of progress in one poll."""

_MAX_SINGLE_QUERIES: Final = 10
"""Up to this many instances are queried one by one, more by listing all instances."""


StateReader: TypeAlias = Callable[[Sequence[str]], AsyncIterable[tuple[str, Verdict, str]]]
"""Yields id, verdict and description of the state, for those of the ids that the service lists."""


def read_status(session: Sender, judge: Callable[[object], Verdict]) -> StateReader:
    """Return a function that reads the state of a hundred instances per request.

    A request that is refused because of some ids is halved to find them. They are not queried again, and so
    count as lost.
    """
    refused: set[str] = set()

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        ids = [id for id in ids if id not in refused]
        try:
            answer = await session.send(STATUS, InstancesRequest(ids)) if ids else InstanceStatuses()
        except Refused as error:
            if not error.blames_ids:
                raise
            if len(ids) == 1:
                refused.update(ids)
                return
            for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
                async for row in read(half):
                    yield row
            return
        for status in answer.statuses:
            yield status.instance, judge(status.state), describe(status.state)
        listed = {status.instance for status in answer.statuses}
        for row in _unreadable(dropped_rows(answer.statuses), ids, listed):
            yield row

    return read


def read_list(session: Sender, judge: Callable[[Instance], Verdict]) -> StateReader:
    """Return a function that reads the list of instances."""

    async def read(ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        is_few = len(ids) <= _MAX_SINGLE_QUERIES
        listed, dropped = set[str](), list[UnreadableValue]()
        for query in [InstanceQuery(id=id) for id in ids] if is_few else [InstanceQuery(size=MAX_PAGE)]:
            instances = items(session, LIST, query)
            async for instance in instances:
                listed.add(instance.id)
                yield instance.id, judge(instance), describe_instance(instance)
            dropped += (value for value in instances.unreadable if value.drops_row)
        for row in _unreadable(dropped, ids, listed):
            yield row

    return read


def _unreadable(
    dropped: Sequence[UnreadableValue], ids: Sequence[str], listed: Collection[str]
) -> Iterator[tuple[str, Verdict, str]]:
    for id, value in unreadable_rows(dropped, ids, listed).items():
        yield id, Doubt.UNCLEAR, f"its state cannot be read: {value}"


@define
class ProgressReader:
    """Reads states, and confirms the end of preparations by their progress, which takes a call per instance.

    States cost a call per hundred instances, so they are read first. In the international edition they show
    whether the data is loaded, and only instances that do not get there are asked for their progress. In the
    China edition an instance may run while its data is still being restored.
    """

    _session: Sender
    _user: str
    _states: StateReader
    _confirms: bool
    """Whether a good state must be confirmed by the progress."""

    _queries: dict[tuple[str, Verdict], _ProgressQueries] = field(
        factory=dict[tuple[str, Verdict], "_ProgressQueries"], init=False
    )
    """By instance and verdict on its state."""

    async def read(self, ids: Sequence[str]) -> AsyncIterator[tuple[str, Verdict, str]]:
        """Yield id, verdict and description of each listed instance."""
        wanted = set(ids)
        rows = [row async for row in self._states(ids) if row[0] in wanted]
        now = asyncio.get_running_loop().time()
        due = [id for id, verdict, _ in rows if self._is_due(id, verdict, now)]
        progress = await query_progress(self._session, self._user, due)
        for id, verdict, description in rows:
            queries = self._queries.get((id, verdict))
            if queries is None:
                yield id, verdict, description
            elif id not in progress:
                yield id, None if verdict is True else verdict, description + queries.last
            else:
                confirmed = _confirm(verdict, progress[id])
                queries.last = f", its progress is {name_of(progress[id])}"
                if confirmed not in (True, False):
                    queries.next_at = now + queries.interval
                    queries.interval = min(2 * queries.interval, _MAX_PROGRESS_INTERVAL)
                yield id, confirmed, description + queries.last

    def _is_due(self, id: str, verdict: Verdict, now: float) -> bool:
        if verdict is False or (verdict is True and not self._confirms):
            for other in (True, None, *Doubt):
                self._queries.pop((id, other), None)
            return False
        if (queries := self._queries.get((id, verdict))) is None:
            is_good = verdict is True
            first, interval = (now, _CONFIRM_INTERVAL) if is_good else (now + SETTLE_SECONDS, _CHECK_INTERVAL)
            queries = self._queries[id, verdict] = _ProgressQueries(first, interval)
        return now >= queries.next_at


@define
class _ProgressQueries:
    """When the progress of an instance is queried."""

    next_at: float
    interval: float
    last: str = ""
    """Description of the progress at the last query."""


def _confirm(verdict: Verdict, progress: object) -> Verdict:
    """Return the verdict on a state and the progress together."""
    if progress is ProgressState.FAILED:
        return False
    if verdict is True:
        return True if progress is ProgressState.READY else None
    # While a machine is being waited for, the instance has none that could run.
    return None if progress is ProgressState.QUEUING else verdict


async def query_progress(
    session: Sender, user: str, ids: Iterable[str]
) -> Mapping[str, ProgressState | int | str]:
    """Return the progress of the preparation of each instance; the error as text where there is none."""
    progress: dict[str, ProgressState | int | str] = {}
    queue = iter(ids)

    async def work() -> None:
        for id in queue:
            try:
                progress[id] = (await session.send(PROGRESS, ProgressQuery(user, id))).state
            except KooPhoneError as error:
                progress[id] = f"unknown: {error}"

    async with anyio.create_task_group() as group:
        for _ in range(_CONCURRENT_QUERIES):
            group.start_soon(work)
    return progress
