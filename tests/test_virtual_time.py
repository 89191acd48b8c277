from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

from koophone_async.virtual_time import EPOCH, VirtualTimeLoop, run_virtually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable


@asynccontextmanager
async def _served(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncGenerator[str]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


def test_an_hour_of_sleep_passes_at_once() -> None:
    async def hour() -> float:
        for _ in range(3600):
            await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    assert run_virtually(hour()) == 3600  # in a moment of real time


def test_the_wall_clock_follows_the_loop() -> None:
    async def clocks() -> tuple[datetime, datetime]:
        now = VirtualTimeLoop.running().now
        before = now()
        await asyncio.sleep(90)
        return before, now()

    assert run_virtually(clocks()) == (EPOCH, EPOCH + timedelta(seconds=90))


def test_the_wall_clock_starts_at_the_given_time() -> None:
    noon = datetime(2030, 6, 1, 12, tzinfo=UTC)
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(noon)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualTimeLoop)
        assert loop.now() == noon


def test_timers_fire_in_order_at_exactly_their_time() -> None:
    async def run() -> list[float]:
        loop, seen = asyncio.get_running_loop(), list[float]()
        for delay in (2.3, 0.1, 86_400 * 3, 0.30000000000000004):
            loop.call_later(delay, lambda: seen.append(loop.time()))
        await asyncio.sleep(86_400 * 4)
        return seen

    assert run_virtually(run()) == [0.1, 0.30000000000000004, 2.3, 259_200]


def test_a_server_and_its_client_share_the_loop() -> None:
    async def slow(request: web.Request) -> web.Response:
        await asyncio.sleep(float(request.query["seconds"]))
        return web.Response(text="x" * 1_000_000)

    async def run() -> float:
        async with _served(slow) as url, ClientSession(timeout=ClientTimeout(total=700)) as client:
            for seconds in (0, 1, 600):
                async with client.get(url, params={"seconds": seconds}) as answer:
                    assert len(await answer.read()) == 1_000_000
            return asyncio.get_running_loop().time()

    assert run_virtually(run()) == 601


def test_five_hundred_requests_in_flight_keep_their_time() -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(50)
        return web.Response()

    async def run() -> float:
        many, limit = TCPConnector(limit=0), ClientTimeout(total=51)
        async with _served(slow) as url, ClientSession(connector=many, timeout=limit) as client:
            answers = await asyncio.gather(*(client.get(url) for _ in range(500)))
            assert {answer.status for answer in answers} == {200}
            return asyncio.get_running_loop().time()

    assert run_virtually(run()) == 50


def test_a_timeout_fires_if_the_server_stalls() -> None:
    async def stall(_: web.Request) -> web.Response:
        return await asyncio.Future[web.Response]()

    async def run() -> float:
        async with _served(stall) as url, ClientSession(timeout=ClientTimeout(total=30)) as client:
            with pytest.raises(TimeoutError):
                await client.get(url)
            return asyncio.get_running_loop().time()

    assert run_virtually(run()) == 30


def test_the_clock_stops_while_a_thread_works() -> None:
    async def run() -> float:
        loop, release = asyncio.get_running_loop(), threading.Event()
        ticks = list[float]()
        loop.call_later(1, lambda: ticks.append(loop.time()))
        work = loop.run_in_executor(None, release.wait, 10)
        for _ in range(5):
            await asyncio.sleep(0)
        threading.Timer(0.02, release.set).start()
        assert await work
        assert ticks == []
        return loop.time()

    assert run_virtually(run()) == 0


def test_name_look_ups_take_no_virtual_time() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(0.001):
            await loop.getaddrinfo("localhost", 80)
        return loop.time()

    assert run_virtually(run()) == 0


def test_an_abandoned_thread_does_not_stop_the_clock() -> None:
    async def run() -> float:
        loop, release = asyncio.get_running_loop(), threading.Event()
        work = loop.run_in_executor(None, release.wait, 10)
        work.cancel()
        await asyncio.sleep(5)
        release.set()
        return loop.time()

    assert run_virtually(run()) == 5


def test_invisible_work_can_pause_the_clock() -> None:
    async def run() -> float:
        loop = VirtualTimeLoop.running()
        here, there = os.pipe()
        arrived = asyncio.Event()
        loop.add_reader(here, arrived.set)
        threading.Timer(0.02, os.write, (there, b"x")).start()
        with loop.paused():
            async with asyncio.timeout(1):
                await arrived.wait()
        loop.remove_reader(here)
        os.close(here)
        os.close(there)
        return loop.time()

    assert run_virtually(run()) == 0


def test_without_timers_the_loop_waits_for_real_bytes() -> None:
    async def run() -> bytes:
        loop = asyncio.get_running_loop()
        here, there = socket.socketpair()
        with here, there:
            here.settimeout(0)
            threading.Timer(0.02, there.sendall, (b"hello",)).start()
            return await loop.sock_recv(here, 5)

    assert run_virtually(run()) == b"hello"


def test_a_timer_never_fires_before_its_time() -> None:
    async def run() -> int:
        loop, early = asyncio.get_running_loop(), 0
        for step in range(1000):
            when = loop.time() + 1 / (3 + step)
            await asyncio.sleep(when - loop.time())
            early += loop.time() < when
        return early

    assert run_virtually(run()) == 0


async def test_a_loop_of_real_time_is_refused() -> None:
    with pytest.raises(RuntimeError, match="whose time is real"):
        VirtualTimeLoop.running()


def test_two_runs_see_the_same_times() -> None:
    async def brief(_: web.Request) -> web.Response:
        return await asyncio.sleep(0.25, web.Response())

    async def run() -> list[float]:
        times = list[float]()
        async with _served(brief) as url, ClientSession() as client:
            for pause in (0.1, 2, 40):
                await asyncio.sleep(pause)
                async with client.get(url):
                    times.append(asyncio.get_running_loop().time())
        return times

    assert run_virtually(run()) == run_virtually(run()) == pytest.approx([0.35, 2.6, 42.85])
