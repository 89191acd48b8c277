from __future__ import annotations

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import frozen

from koophone_async.credential_cache import CredentialCache
from koophone_async.errors import InvalidRequest, Unavailable


@frozen
class Key:
    """A key of an hour."""

    name: int
    expires_at: datetime | None


class World:
    """A clock to turn, and a source that counts how often it was asked and can be out of order."""

    def __init__(self, hours: float | None = 1) -> None:
        self.time = datetime(2025, 1, 2, tzinfo=UTC)
        self.lifetime = None if hours is None else timedelta(hours=hours)
        self.asked = 0
        self.broken = False
        self.began = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.key = CredentialCache[Key](self.issue, lambda: self.time)

    async def issue(self) -> Key:
        self.asked += 1
        self.began.set()
        await self.open.wait()
        if self.broken:
            raise Unavailable("test", 503, "", "out of order")
        return Key(self.asked, None if self.lifetime is None else self.time + self.lifetime)

    async def renewal_under_way(self) -> tuple[asyncio.Task[Key], asyncio.Task[Any]]:
        """Somebody who waits, and the renewal, which stands still until the world is open."""
        self.open.clear()
        waiting = asyncio.create_task(self.key.current())
        await self.began.wait()
        (renewal,) = asyncio.all_tasks() - {asyncio.current_task(), waiting}
        return waiting, renewal

    def later(self, **span: float) -> None:
        self.time += timedelta(**span)


async def test_a_value_is_cached_until_five_minutes_before_expiry() -> None:
    world = World()
    first = await world.key.current()
    world.later(minutes=54, seconds=59)
    assert await world.key.current() is first
    world.later(seconds=1)

    assert (await world.key.current()).name == 2


async def test_a_value_without_expiry_is_fetched_once() -> None:
    world = World(hours=None)
    first = await world.key.current()
    world.later(days=10_000)

    assert await world.key.current() is first


async def test_a_thousand_callers_share_one_renewal() -> None:
    world = World()
    keys = await asyncio.gather(*(world.key.current() for _ in range(1_000)))
    world.later(hours=2)
    next_keys = await asyncio.gather(*(world.key.current() for _ in range(1_000)))

    assert {key.name for key in keys} == {1}
    assert {key.name for key in next_keys} == {2}


async def test_a_renewal_survives_the_cancelled_caller() -> None:
    world = World()
    first, _ = await world.renewal_under_way()
    second = asyncio.create_task(world.key.current())
    first.cancel()
    world.open.set()

    assert (await second).name == world.asked == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_failed_renewal_without_callers_is_silent() -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    world = World()
    world.broken = True
    waiting, renewal = await world.renewal_under_way()
    waiting.cancel()
    world.open.set()
    await asyncio.wait([waiting, renewal])
    del renewal
    gc.collect()

    assert not complaints


async def test_a_cancelled_renewal_is_started_again() -> None:
    world = World()
    waiting, renewal = await world.renewal_under_way()
    renewal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    world.open.set()

    assert (await world.key.current()).name == 2


async def test_a_failed_renewal_keeps_the_value_and_is_retried() -> None:
    world = World()
    first = await world.key.current()
    world.broken = True
    world.later(minutes=56)
    assert [await world.key.current() for _ in range(3)] == [first] * 3
    assert world.asked == 2
    world.later(seconds=30)
    world.broken = False

    assert (await world.key.current()).name == 3


async def test_a_failed_renewal_is_an_error_after_expiry() -> None:
    world = World()
    await world.key.current()
    world.broken = True
    world.later(hours=1)

    for asked in (2, 3):
        with pytest.raises(Unavailable):
            await world.key.current()
        assert world.asked == asked


async def test_a_short_lived_value_is_not_fetched_by_every_call() -> None:
    world = World(hours=1 / 60)
    keys = [await world.key.current() for _ in range(3)]
    world.later(minutes=1)

    assert {key.name for key in keys} == {1}
    assert (await world.key.current()).name == 2


async def test_only_the_refused_value_is_invalidated() -> None:
    world = World()
    refused = await world.key.current()
    assert world.key.invalidate(refused)
    fresh = await world.key.current()

    assert world.key.invalidate(refused)
    assert await world.key.current() is fresh
    assert world.key.invalidate()
    assert (await world.key.current()).name == 3


async def test_invalidating_a_fixed_value_brings_no_other() -> None:
    world = World()
    fixed = CredentialCache(Key(0, world.time), lambda: world.time)

    assert not world.key.invalidate()
    assert not fixed.invalidate()
    assert (await fixed.current()).name == 0


async def test_a_source_without_a_value_is_named() -> None:
    async def empty_vault() -> Key | None:
        return None

    with pytest.raises(InvalidRequest, match=r"credentials: not found in .*empty_vault"):
        await CredentialCache(empty_vault, lambda: datetime.now(UTC)).current()
