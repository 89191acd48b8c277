"""Rollouts are written completely, and found again by any process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

import pytest
from attrs import asdict

from koophone_async.batches import State
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.journal import (
    Actor,
    Journal,
    Kind,
    NewRollout,
    RequestKind,
    RolloutState,
    Target,
)
from koophone_async.rollouts.journal.schema import OWNED_TABLES
from koophone_async.virtual_time import EPOCH
from tests.rollouts.journal.samples import IN_A_FILE, result, run_sql, targets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


NEW = NewRollout("shop", "koophone")


async def read_targets(
    journal: Journal, rollout: str, first: int = 0, end: int | None = None
) -> list[Target]:
    return [target async for block in journal.targets(rollout, first, end) for target in block]


async def test_a_rollout_is_read_as_it_was_created(journal: Journal, location: str) -> None:
    new = NewRollout(
        "shop-2.4",
        "cph",
        Kind.COMMAND,
        plan='{"name": "shop"}',
        account="a",
        edition="china",
        projects=("p", "q"),
        waves=(1, 5),
        forecast='{"minutes": 3}',
        keep_output=False,
    )
    created = await journal.create(new, targets(5))

    async with await Journal.open(location) as other:
        read = await other.find(created.id)
    assert read == created
    written = asdict(new)
    assert {name: value for name, value in asdict(read).items() if name in written} == written
    assert (read.targets, read.attempt, read.epoch, read.counts) == (5, 1, 0, {})
    assert read.created_by == Actor.current()
    assert not read.has_ended


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 12_345])
async def test_targets_are_read_in_order(journal: Journal, count: int) -> None:
    rollout = await journal.create(NEW, targets(count))

    assert rollout.targets == count
    assert await read_targets(journal, rollout.id) == list(targets(count))


@pytest.mark.parametrize(
    "first, end", [(0, 1), (1, 1), (999, 1_001), (1_500, None), (2_400, 9_999), (3_000, None)]
)
async def test_a_range_of_targets_is_read(journal: Journal, first: int, end: int | None) -> None:
    rollout = await journal.create(NEW, targets(2_500))

    assert await read_targets(journal, rollout.id, first, end) == list(targets(2_500))[first:end]


async def test_targets_may_differ_in_everything(journal: Journal) -> None:
    different = [
        Target(0, "a", "r", "s", 1),
        Target(1, "lone surrogate \udcff", None, "t", 2),
        Target(2, "c", "q", None, 2),
    ]
    rollout = await journal.create(NEW, different)

    assert await read_targets(journal, rollout.id) == different


async def test_a_rollout_whose_targets_fail_is_not_there(journal: Journal) -> None:
    def failing() -> Iterator[Target]:
        yield from targets(15_000)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await journal.create(NEW, failing())

    assert await journal.rollouts() == []
    with pytest.raises(InvalidRequest, match="the journal is empty"):
        await journal.find("shop")


async def test_a_name_means_its_newest_rollout(location: str) -> None:
    times = iter(EPOCH + timedelta(hours=hour) for hour in range(9))
    async with await Journal.open(location, now=lambda: next(times)) as journal:
        await journal.create(NEW, targets(1))
        newest = await journal.create(NEW, targets(2))
        last = await journal.create(NewRollout("other", "cph"), targets(3))

        assert await journal.find("shop") == newest
        assert await journal.find("last") == last
        assert await journal.find(newest.id) == newest
        assert await journal.find(newest.id[:9]) == newest


async def test_a_name_with_the_signs_of_a_pattern_is_found(journal: Journal) -> None:
    rollout = await journal.create(NewRollout("shop[1]*", "cph"), targets(1))

    assert await journal.rollouts(name="shop[1]*") == [rollout]


async def test_last_cannot_be_a_name(journal: Journal) -> None:
    with pytest.raises(InvalidRequest, match="'last' is reserved"):
        await journal.create(NewRollout("last", "cph"), targets(1))


async def test_an_unknown_name_is_answered_with_similar_ones(journal: Journal) -> None:
    await journal.create(NEW, targets(1))

    with pytest.raises(InvalidRequest, match="there is no rollout 'shpo'; similar: shop"):
        await journal.find("shpo")
    with pytest.raises(InvalidRequest, match=r"there is no rollout '~'$"):
        await journal.find("~")


async def test_an_ambiguous_beginning_of_an_id_lists_the_ids(journal: Journal) -> None:
    ids = {(await journal.create(NEW, ())).id for _ in range(17)}  # of 16 hexadecimal digits

    first = next(digit for digit in "0123456789abcdef" if sum(id.startswith(digit) for id in ids) > 1)
    with pytest.raises(InvalidRequest, match=rf"'{first}' is the beginning of \d+ ids: {first}"):
        await journal.find(first)


class Filters(TypedDict, total=False):
    state: RolloutState | list[RolloutState]
    name: str
    kind: Kind
    since: datetime
    limit: int


@pytest.fixture
async def history(location: str) -> Journal:
    """Return a journal of four rollouts, created one a day; the second and third have ended."""
    day = iter(EPOCH + timedelta(days=day) for day in range(99))
    journal = await Journal.open(location, now=lambda: next(day))
    for name, kind, state in (
        ("shop-1", Kind.PLAN, RolloutState.PAUSED),
        ("exec", Kind.COMMAND, RolloutState.FINISHED),
        ("shop-2", Kind.PLAN, RolloutState.STOPPED),
        ("shop-3", Kind.PLAN, RolloutState.RUNNING),
    ):
        rollout = await journal.create(NewRollout(name, "cph", kind), targets(1))
        driver = await journal.acquire(rollout.id)
        await driver.release(state=state)
    return journal


@pytest.mark.parametrize(
    "filters, names",
    [
        ({}, ["shop-3", "shop-2", "exec", "shop-1"]),
        ({"state": RolloutState.PAUSED}, ["shop-1"]),
        ({"state": RolloutState.RUNNING}, []),
        ({"state": [RolloutState.INTERRUPTED, RolloutState.STOPPED]}, ["shop-3", "shop-2"]),
        ({"name": "shop-*"}, ["shop-3", "shop-2", "shop-1"]),
        ({"name": "Exec"}, []),
        ({"kind": Kind.COMMAND}, ["exec"]),
        ({"since": EPOCH + timedelta(days=4)}, ["shop-3", "shop-2"]),
        ({"limit": 1}, ["shop-3"]),
        ({"limit": 0}, []),
        ({"name": "shop-*", "limit": 2}, ["shop-3", "shop-2"]),
    ],
)
async def test_the_history_is_filtered(
    history: Journal, filters: dict[str, object], names: list[str]
) -> None:
    async with history:
        assert [one.name for one in await history.rollouts(**filters)] == names  # type: ignore[arg-type]


async def test_old_rollouts_are_deleted_with_everything_of_them(history: Journal, location: str) -> None:
    async with history:
        deleted = await history.prune(before=EPOCH + timedelta(days=99))

        assert [one.name for one in deleted] == ["shop-2", "exec"]
        assert [one.name for one in await history.rollouts()] == ["shop-3", "shop-1"]
        kept = {one.id for one in await history.rollouts()}
    for table in OWNED_TABLES:
        owners = {id for (id,) in run_sql(location, f"SELECT DISTINCT rollout FROM {table}")}  # noqa: S608 - ours
        assert owners <= kept


@pytest.mark.parametrize(
    "before, kind, keep, names",
    [
        (None, None, None, []),
        (EPOCH, None, None, []),
        (EPOCH + timedelta(days=3), None, None, ["exec"]),
        (EPOCH + timedelta(days=99), Kind.COMMAND, None, ["exec"]),
        (EPOCH + timedelta(days=99), Kind.PLAN, None, ["shop-2"]),
        (None, None, 3, []),
        (None, None, 2, ["exec"]),
        (None, Kind.COMMAND, 0, ["exec"]),
        (None, None, 0, ["shop-2", "exec"]),
    ],
)
async def test_only_rollouts_beyond_the_limits_are_deleted(
    history: Journal, before: datetime | None, kind: Kind | None, keep: int | None, names: list[str]
) -> None:
    async with history:
        assert [one.name for one in await history.prune(before, kind=kind, keep=keep)] == names


@pytest.mark.parametrize("state", [State.UNKNOWN, State.UNFINISHED])
async def test_a_rollout_that_somebody_must_look_into_is_kept(journal: Journal, state: State) -> None:
    driver = await journal.acquire((await journal.create(NEW, targets(1))).id)
    driver.settle(None, [result(0, state)], {state: 1})
    await driver.release(state=RolloutState.FINISHED)

    assert await journal.prune(keep=0) == []


async def test_a_rollout_that_has_a_driver_is_kept(journal: Journal) -> None:
    driver = await journal.acquire((await journal.create(NEW, targets(1))).id)
    driver.update(state=RolloutState.STOPPED)
    await driver.flush()

    assert await journal.prune(keep=0) == []
    await driver.release()
    assert [one.name for one in await journal.prune(keep=0)] == ["shop"]


async def test_targets_of_a_creation_that_was_killed_are_deleted_after_a_day(location: str) -> None:
    days = iter((EPOCH, EPOCH + timedelta(hours=23), EPOCH + timedelta(hours=25)))
    async with await Journal.open(location, now=lambda: next(days)) as journal:

        def failing() -> Iterator[Target]:
            yield from targets(20_000)
            raise TimeoutError

        with pytest.raises(TimeoutError):
            await journal.create(NEW, failing())
        for expected in (20, 0):
            await journal.prune()
            assert run_sql(location, "SELECT count(*) FROM targets") == [(expected,)]


@IN_A_FILE
async def test_a_pruned_journal_is_smaller(journal: Journal, path: Path) -> None:
    driver = await journal.acquire((await journal.create(NEW, targets(250_000))).id)
    await driver.release(state=RolloutState.FINISHED)

    def pages() -> int:
        with closing(sqlite3.connect(path)) as db:
            return int(db.execute("PRAGMA page_count").fetchone()[0])

    before = pages()
    await journal.prune(keep=0)
    assert pages() < before / 2


async def test_requests_for_an_unknown_rollout_are_refused(journal: Journal) -> None:
    with pytest.raises(InvalidRequest, match="there is no rollout 'nothing'"):
        await journal.request("nothing", RequestKind.PAUSE)
    with pytest.raises(InvalidRequest, match="there is no rollout 'nothing'"):
        await journal.acquire("nothing")
