"""Phones that are read ahead of their calls."""

from __future__ import annotations

import asyncio

import pytest

from koophone_async.rollouts.execution.pipeline import _MAX_QUEUED, StepQueue  # pyright: ignore[reportPrivateUsage]
from tests.rollouts.journal.samples import targets

pytestmark = pytest.mark.virtual_time


async def test_no_more_phones_are_read_than_have_room() -> None:
    queue = StepQueue()
    queue.put(targets(_MAX_QUEUED))
    reading = asyncio.ensure_future(queue.wait_for_room())
    await asyncio.sleep(1)
    assert not reading.done()

    block = await anext(aiter(queue.blocks()))

    await reading
    assert len(block) == _MAX_QUEUED


async def test_a_queue_ends_once_it_is_closed_and_empty() -> None:
    queue = StepQueue()
    loop = asyncio.get_running_loop()
    loop.call_later(1, queue.put, list(targets(2)))
    loop.call_later(2, queue.close)

    assert [[target.position for target in block] async for block in queue.blocks()] == [[0, 1]]
