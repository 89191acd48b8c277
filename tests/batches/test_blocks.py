"""Inputs and outcomes in blocks: the same as one by one, with less work for each."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from koophone_async import KooPhone, State
from koophone_async.batches.chunks import BlockSource
from koophone_async.emulator import Durations
from tests.batches.recording_log import RecordingLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=300, jobs=Durations(fixed=2))]


@frozen
class Blocks(BlockSource):
    sizes: Sequence[int]

    async def blocks(self) -> AsyncIterator[Sequence[str]]:
        first = 1
        for size in self.sizes:
            yield [f"phone{number:04}" for number in range(first, first + size)]
            first += size


@frozen
class Listed:
    id: str


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("assume_unique", [False, True])
async def test_plain_ids_leave_in_the_same_calls_as_objects(
    koophone: KooPhone, seed: int, *, assume_unique: bool
) -> None:
    rng, singly, at_once = Random(seed), RecordingLog(), RecordingLog()
    ids = [f"phone{number:04}" for number in range(1, 301)]
    if not assume_unique:
        ids += rng.choices(ids, k=rng.randrange(300))
    ids += rng.sample(["", "tab\there", "long" * 10, "caf\u00e9", " outer ", "in ner"], k=rng.randrange(6))
    rng.shuffle(ids)

    reports = [
        await koophone.fleet(source, assume_unique=assume_unique).run("id").log_calls_to(log)
        for source, log in (([Listed(id) for id in ids], singly), (ids, at_once))
    ]

    assert [call.ids for call in at_once.calls] == [call.ids for call in singly.calls]
    states = [
        [(outcome.id, outcome.state, outcome.error_message) for outcome in report] for report in reports
    ]
    assert states[0] == states[1]


@pytest.mark.parametrize("linger", [None, 5])
async def test_blocks_leave_in_the_same_calls_as_single_ids(koophone: KooPhone, linger: float | None) -> None:
    blocks, singly = RecordingLog(), RecordingLog()
    source = Blocks([0, 30, 130, 0, 140])

    await koophone.fleet(source, linger=linger).run("id").log_calls_to(blocks)
    await koophone.fleet([id async for id in source]).run("id").log_calls_to(singly)

    assert [call.ids for call in blocks.calls] == [call.ids for call in singly.calls]
    assert [len(call.ids) for call in blocks.calls] == [100, 100, 100]


async def test_a_block_is_read_only_as_far_as_allowed(koophone: KooPhone) -> None:
    log = RecordingLog()

    await koophone.fleet(Blocks([300]), linger=5, in_flight=100).run("id").log_calls_to(log)

    planned = [round(call.planned_at, 1) for call in log.calls]
    assert planned[0] < planned[1] < planned[2]


async def test_outcomes_known_at_the_same_time_come_in_one_block(koophone: KooPhone) -> None:
    run = koophone.fleet(Blocks([300]), concurrency=1).run("id")

    blocks = [block async for block in run.blocks()]

    assert {outcome.state for block in blocks for outcome in block} == {State.SUCCEEDED}
    assert sum(map(len, blocks)) == run.report.total == 300
    assert len(blocks) <= 6
