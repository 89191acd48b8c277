"""A rollout whose journal is in PostgreSQL, while connections are cut and the server is restarted."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest

from koophone_async.emulator import Durations, Emulator
from koophone_async.rollouts import Plan, Rollout, Selection, Step
from koophone_async.rollouts.journal import Journal, JournalError, RolloutState
from koophone_async.rollouts.journal.lease import LENGTH
from koophone_async.rollouts.journal.postgresql import driver as postgresql
from koophone_async.virtual_time import VirtualTimeLoop
from tests.postgresql_server import PostgresServer
from tests.rollouts.journal.samples import cut_connections

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from koophone_async import Session

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=40, jobs=Durations(median=2))]

STEPS = (Step("run", "id"), Step("run", "getprop"))


@pytest.fixture
def server() -> Generator[PostgresServer]:
    """Return a server that only this test uses."""
    with PostgresServer.run() as server:
        yield server


def restart(server: PostgresServer) -> None:
    server.stop(signal.SIGQUIT)
    server.start()


async def open_journal(url: str) -> Journal:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return await Journal.open(url, now=loop.now, lease_clock=loop.time)


def plan(ids: list[str]) -> Plan:
    return Plan(name="shop", targets=Selection(ids=ids), steps=STEPS, waves=["10%", "50%"])


async def drive(rollout: Rollout, fail: Callable[[], None], *, after: int) -> None:
    """Drive a rollout to its end, and let something fail after some outcomes."""
    async for _ in rollout:
        after -= 1
        if not after:
            fail()


def executions(emulator: Emulator) -> dict[str, int]:
    return dict(emulator.ledger.executions("koophone.commands.run"))


@pytest.mark.parametrize("after", [1, 5, 30])
async def test_a_rollout_goes_on_when_its_connection_is_cut(
    emulator: Emulator, session: Session, ids: list[str], postgresql_url: str, after: int
) -> None:
    async with await open_journal(postgresql_url) as journal:
        rollout = Rollout(plan(ids), journal, session)
        await drive(rollout, lambda: cut_connections(postgresql_url), after=after)

        assert rollout.state is RolloutState.FINISHED
        assert executions(emulator) == dict.fromkeys(ids, len(STEPS))
        assert (await journal.find("shop")).counts == {"succeeded": len(ids)}


async def test_a_rollout_goes_on_when_its_server_is_restarted(
    emulator: Emulator, session: Session, ids: list[str], server: PostgresServer
) -> None:
    async with await open_journal(server.url()) as journal:
        rollout = Rollout(plan(ids), journal, session)
        await drive(rollout, lambda: restart(server), after=5)

        assert rollout.state is RolloutState.FINISHED
        assert executions(emulator) == dict.fromkeys(ids, len(STEPS))


async def test_a_rollout_stops_without_its_server_and_can_be_resumed(
    emulator: Emulator,
    session: Session,
    ids: list[str],
    server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with await open_journal(server.url()) as journal:
        rollout = Rollout(plan(ids), journal, session)
        with monkeypatch.context() as patch:
            patch.setattr(postgresql, "RECONNECT_TIMEOUT", 0.1)
            with pytest.raises(JournalError, match="the server cannot be reached"):
                await drive(rollout, server.stop, after=5)
            assert rollout.state is RolloutState.INTERRUPTED
        server.start()
        await asyncio.sleep(LENGTH)
        await Rollout.resume("shop", journal, session)

        unknown = (await journal.find("shop")).counts.get("unknown", 0)
    executed = executions(emulator)
    assert max(executed.values()) == len(STEPS)
    assert list(executed.values()).count(len(STEPS)) >= len(ids) - unknown
