"""One session in several event loops: one after the other it works, two at a time are refused."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import pytest

from koophone_async import KooPhone, Quota, Session, State
from koophone_async.emulator import Emulator
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

Use: TypeAlias = "Callable[[Session, str], Coroutine[Any, Any, None]]"

RUN: Final = "koophone.commands.run"

pytestmark = pytest.mark.filterwarnings("ignore:unclosed (transport|<socket):ResourceWarning")
"""Nobody can close the sockets of a closed loop; the garbage collector warns of them whenever it runs."""


@pytest.fixture
def emulator() -> Generator[Emulator]:
    """Run an emulator in a thread and an event loop of its own."""
    emulator = Emulator(phones=5)
    started, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with emulator:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert started.wait(30)
        yield emulator
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join()
        gc.collect()  # what the test left is collected here, where the warning is expected


async def start(session: Session, phone: str) -> None:
    """Start a command on a phone."""
    await KooPhone(session).commands.run([phone], "id")


async def start_and_close(session: Session, phone: str) -> None:
    async with session:
        await start(session, phone)


async def finish(session: Session, phone: str) -> None:
    """Run a command on a phone to its end, which takes the scheduler."""
    outcome = (await KooPhone(session).fleet([phone]).run("id")).one()
    assert outcome.state is State.SUCCEEDED


@pytest.mark.parametrize("first, second", [(finish, finish), (start, start_and_close)])
def test_a_session_works_in_one_loop_after_the_other(first: Use, second: Use, emulator: Emulator) -> None:
    session = emulator.session()
    asyncio.run(first(session, "phone0001"))
    asyncio.run(second(session, "phone0002"))
    asyncio.run(session.close())

    assert emulator.ledger.executions(RUN) == {"phone0001": 1, "phone0002": 1}


def test_a_closed_session_stays_closed_in_the_next_loop(emulator: Emulator) -> None:
    session = emulator.session()
    asyncio.run(start_and_close(session, "phone0001"))
    with pytest.raises(InvalidRequest, match="session: is closed; open it again with"):
        asyncio.run(start(session, "phone0002"))
    asyncio.run(start_and_close(session, "phone0003"))

    assert emulator.ledger.executions(RUN) == {"phone0001": 1, "phone0003": 1}


def test_what_a_cancelled_run_left_does_not_stop_the_next(emulator: Emulator) -> None:
    async def give_up(session: Session) -> None:
        commands = [KooPhone(session).commands.run([f"phone000{n}"], "id") for n in range(1, 5)]
        await asyncio.wait(map(asyncio.ensure_future, commands), return_when=asyncio.FIRST_COMPLETED)

    session = emulator.session(quotas={RUN: (Quota(1, 0.2),)})
    asyncio.run(give_up(session))
    asyncio.run(start_and_close(session, "phone0005"))

    assert emulator.ledger.executions(RUN)["phone0005"] == 1


def test_a_loop_closed_without_cleaning_up_does_not_stop_the_next(emulator: Emulator) -> None:
    session = emulator.session(quotas={RUN: (Quota(1, 0.2),)})
    loop = asyncio.new_event_loop()
    waiting = [loop.create_task(start(session, f"phone000{n}")) for n in (1, 2, 3)]
    loop.run_until_complete(asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED))
    loop.close()
    asyncio.run(start_and_close(session, "phone0005"))

    assert emulator.ledger.executions(RUN)["phone0005"] == 1


def test_the_project_outlives_the_loop_that_looked_it_up(emulator: Emulator) -> None:
    async def look_up(session: Session) -> set[str]:
        return set(await asyncio.gather(*(session.project_id() for _ in range(10))))

    session = emulator.session()
    first, second = asyncio.run(look_up(session)), asyncio.run(look_up(session))
    asyncio.run(session.close())

    assert first == second
    assert len(first) == 1


def test_two_loops_at_a_time_are_refused_before_anything_is_sent(emulator: Emulator) -> None:
    async def hold(session: Session) -> None:
        await start(session, "phone0001")
        for use in (start, start_and_close):
            with pytest.raises(InvalidRequest, match="session: is in use by another event loop"):
                await asyncio.to_thread(lambda: asyncio.run(use(session, "phone0002")))  # noqa: B023 - ends at once
        await start(session, "phone0003")
        await session.close()

    asyncio.run(hold(emulator.session()))

    assert emulator.ledger.executions(RUN) == {"phone0001": 1, "phone0003": 1}


def test_an_aiohttp_session_of_another_loop_is_refused(emulator: Emulator) -> None:
    async def make() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    http = asyncio.run(make())
    session = emulator.session(http=http)
    with pytest.raises(InvalidRequest, match="http: belongs to another event loop"):
        asyncio.run(start(session, "phone0001"))
    asyncio.run(http.close())

    assert emulator.ledger.executions(RUN) == {}
