"""Calls that one process has started and another awaits: each id ends as in a run that goes on."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from attrs import asdict

from koophone_async import CloudPhone, KooPhone, ResumeToken, State
from koophone_async.batches import StartedCall
from koophone_async.cli.commands import cph, koophone
from koophone_async.cph import Route
from koophone_async.emulator import Durations, Emulator, Fail, Refuse, Stick
from koophone_async.errors import InvalidRequest
from koophone_async.koophone import Package
from koophone_async.services.koophone import jobs
from koophone_async.virtual_time import EPOCH, VirtualTimeLoop, run_virtually
from tests.batches.cph_service import CloudPhoneService
from tests.batches.recording_log import RecordingLog
from tests.fake_server import FakeServer
from tests.gaming.gaming_service import GameService

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from koophone_async import Outcome, Report, Run
    from koophone_async.services.koophone.fleet import Fleet

    AnyRun = Run[Any, Any]
    Start = Callable[[CloudPhone, Sequence[str]], AnyRun]
    Outcomes = Mapping[str, Outcome]

SHOP = Package("com.example.shop", "shop.apk", "1.4.2", "35", "https://obs.example/shop.apk")


def now() -> float:
    return asyncio.get_running_loop().time()


async def interrupted(run: AnyRun, seconds: float) -> RecordingLog:
    """Cancel a run after some seconds, and return its log."""
    log = RecordingLog()
    work = asyncio.ensure_future(log_and_run(run, log))
    await asyncio.sleep(seconds)
    await run.cancel()
    await work
    log.check_complete()
    return log


async def log_and_run(run: AnyRun, log: RecordingLog) -> Report:
    return await run.log_calls_to(log)


async def resumed(run: AnyRun, before: RecordingLog) -> Outcomes:
    """Await in a run what is left of an earlier one, and return the outcomes of both."""
    log = RecordingLog()
    calls = log.resume(before.calls)
    assert calls
    report = await run.log_calls_to(log, calls)
    log.check_complete()
    assert log.may_send == 0
    assert log.outcomes == report.outcomes
    return before.outcomes | report.outcomes


def rows(outcomes: Outcomes, without: set[str]) -> dict[str, dict[str, object]]:
    return {
        id: asdict(outcome, filter=lambda a, _: a.name not in without) for id, outcome in outcomes.items()
    }


KOOPHONE_VERBS: dict[str, Callable[[Fleet], AnyRun]] = {
    "run": lambda fleet: fleet.run("id; getprop ro.serialno"),
    "install": lambda fleet: fleet.install(SHOP),
    "reset": lambda fleet: fleet.reset(),
    "reboot": lambda fleet: fleet.reboot(),
    "backup": lambda fleet: fleet.backup(),
    "unassign": lambda fleet: fleet.unassign("u1"),
    "prepare": lambda fleet: fleet.prepare("u1"),
}


@asynccontextmanager
async def phones(verb: str, edition: str, *, newer: bool) -> AsyncGenerator[Emulator]:
    """Run an emulator with phones that a verb has something to do for; on the third it fails."""
    clock = VirtualTimeLoop.running().now
    served = Emulator(phones=8, edition=edition, newer=newer, now=clock, jobs=Durations(fixed=20))
    async with served as emulator:
        async with emulator.session() as session:
            fleet = KooPhone(session).fleet(emulator.phones)
            if verb == "unassign":
                await fleet.assign("u1")
            if verb == "prepare":
                await fleet.backup()
        await asyncio.sleep(60)
        emulator.fault(Fail(), phone="phone0003")
        yield emulator


@pytest.mark.parametrize(
    "edition, newer, pause",
    [
        ("china", False, 0),
        ("china", False, 120),
        ("china", True, 120),
        ("international", False, 120),
        ("international", True, 0),
    ],
)
@pytest.mark.parametrize("verb", KOOPHONE_VERBS)
def test_a_koophone_verb_ends_as_if_it_had_gone_on(
    verb: str, edition: str, pause: float, *, newer: bool
) -> None:
    start = KOOPHONE_VERBS[verb]

    async def uninterrupted() -> Report:
        async with phones(verb, edition, newer=newer) as emulator, emulator.session() as session:
            return await start(KooPhone(session).fleet(emulator.phones))

    async def in_two_processes(operation: str) -> tuple[Outcomes, set[int]]:
        async with phones(verb, edition, newer=newer) as emulator:
            async with emulator.session() as session:
                before = await interrupted(start(KooPhone(session).fleet(emulator.phones)), 5)
            await asyncio.sleep(pause)
            async with emulator.session() as session:
                ended = await resumed(start(KooPhone(session).fleet(emulator.phones)), before)
            return ended, set(emulator.ledger.executions(operation).values())

    expected = run_virtually(uninterrupted())
    ended, executions = run_virtually(in_two_processes(expected.operation))

    # A preparation is described by the states of the list, once its answer is lost.
    without = {"seconds", "error_message"} if verb == "prepare" else {"seconds"}
    assert rows(ended, without) == rows(expected.outcomes, without)
    assert expected.counts[State.SUCCEEDED] == 7
    assert executions == {1}


@pytest.mark.virtual_time
@pytest.mark.parametrize("verb", ["reset", "backup", "unassign"])
async def test_a_task_that_is_not_shown_is_awaited_by_states(verb: str) -> None:
    start = KOOPHONE_VERBS[verb]
    async with phones(verb, "china", newer=True) as emulator:
        emulator.fault(Refuse(404, "KOOPHONE.API.1323"), jobs.LIST)
        async with emulator.session() as session:
            before = await interrupted(start(KooPhone(session).fleet(emulator.phones)), 5)
        await asyncio.sleep(60)
        async with emulator.session() as session:
            ended = await resumed(start(KooPhone(session).fleet(["phone0001", "phone0002"])), before)

    assert {ended[id].state for id in ("phone0001", "phone0002")} == {State.SUCCEEDED}


@pytest.mark.virtual_time
@pytest.mark.parametrize("verb", KOOPHONE_VERBS)
async def test_what_ended_meanwhile_is_known_at_once(verb: str) -> None:
    start = KOOPHONE_VERBS[verb]
    async with phones(verb, "china", newer=False) as emulator, emulator.session() as session:
        before = await interrupted(start(KooPhone(session).fleet(["phone0001"])), 5)
        await asyncio.sleep(3600)
        began = now()
        ended = await resumed(start(KooPhone(session).fleet(["phone0001"])), before)

    assert ended["phone0001"].state is State.SUCCEEDED
    assert now() - began < 1


@pytest.mark.virtual_time
async def test_a_resumed_call_ends_at_the_deadline_of_its_run() -> None:
    async with phones("run", "china", newer=False) as emulator, emulator.session() as session:
        emulator.fault(Stick(), phone="phone0001")
        before = await interrupted(KooPhone(session).fleet(["phone0001"]).run("id"), 5)
        await asyncio.sleep(3600)
        began = now()
        ended = await resumed(KooPhone(session).fleet(["phone0001"]).run("id"), before)

    outcome = ended["phone0001"]
    assert outcome.state is State.UNFINISHED
    assert now() - began == pytest.approx(1800, abs=5)
    assert outcome.seconds == pytest.approx(3600 + 5 + 1800, abs=5)
    started_at = ResumeToken.parse(outcome.resume_token or "").started_at
    assert started_at is not None
    assert abs((started_at - before.calls[0].started_at).total_seconds()) < 1


@pytest.mark.virtual_time
async def test_a_run_that_never_starts_settles_its_resumed_calls() -> None:
    async with phones("run", "china", newer=False) as emulator, emulator.session() as session:
        before = await interrupted(KooPhone(session).fleet(emulator.phones).run("id"), 5)
        log = RecordingLog()
        run = KooPhone(session).fleet(["phone0001", "phone0099"]).run("id")
        await run.log_calls_to(log, log.resume(before.calls)).cancel()

    log.check_complete()
    assert run.report.counts == {State.UNFINISHED: 8, State.NOT_SENT: 1}
    assert log.outcomes.keys() == before.outcomes.keys()


@pytest.mark.parametrize(
    "verb, calls, message",
    [
        ("assign", 1, "resumed: cannot be awaited"),
        ("run", 2, "resumed: has 2 calls for p1"),
    ],
)
@pytest.mark.virtual_time
async def test_calls_that_cannot_be_awaited_are_refused(
    koophone: KooPhone, verb: str, calls: int, message: str
) -> None:
    log, jobs = RecordingLog(), {"j1": "p1", "j2": "p1"}
    resumed_calls = [StartedCall(log.plan(["p1"]), "t1", jobs, has_jobs=True, started_at=EPOCH)] * calls
    fleet = koophone.fleet(["p1"])
    run: AnyRun = fleet.assign("u1") if verb == "assign" else fleet.run("id")

    with pytest.raises(InvalidRequest, match=message):
        _ = run.log_calls_to(log, resumed_calls)
    await run.cancel()


TARGETS = [f"s{n}-a" for n in range(6)]
SERVERS = ["s0", "s1", "s2"]

VALUES = {"ro.horizontal.screen": True}

CPH_VERBS: dict[str, Start] = {
    "PhoneFleet.run": lambda cph, ids: cph.fleet(ids).run("id"),
    "PhoneFleet.push": lambda cph, ids: cph.fleet(ids).push("obs://bucket/data.tar"),
    "PhoneFleet.install": lambda cph, ids: cph.fleet(ids).install("obs://bucket/a.apk"),
    "PhoneFleet.install_split": lambda cph, ids: cph.fleet(ids).install_split(["obs://bucket/a.apk"]),
    "PhoneFleet.uninstall": lambda cph, ids: cph.fleet(ids).uninstall("com.example.shop"),
    "PhoneFleet.restart": lambda cph, ids: cph.fleet(ids).restart(),
    "PhoneFleet.stop": lambda cph, ids: cph.fleet(ids).stop(),
    "PhoneFleet.reset": lambda cph, ids: cph.fleet(ids).reset(),
    "PhoneFleet.migrate": lambda cph, ids: cph.fleet(ids).migrate({id: f"{id}2" for id in ids}),
    "PhoneFleet.update_properties": lambda cph, ids: cph.fleet(ids).update_properties(VALUES),
    "PhoneFleet.export": lambda cph, ids: cph.fleet(ids).export(["/data/a"], "bucket", "{phone}.tar"),
    "PhoneFleet.restore": lambda cph, ids: cph.fleet(ids).restore("bucket", "a.tar"),
    "PhoneFleet.expand": lambda cph, ids: cph.fleet(ids).expand(20),
    "PhoneFleet.route_traffic": lambda cph, ids: cph.fleet(ids).route_traffic(Route.DIRECT),
    "ServerFleet.restart": lambda cph, ids: cph.server_fleet(ids).restart(),
    "ServerFleet.update_keypair": lambda cph, ids: cph.server_fleet(ids).update_keypair("key"),
    "ServerFleet.push_files": lambda cph, ids: cph.server_fleet(ids).push_files("bucket", "a.tar"),
    "ServerFleet.list_files": lambda cph, ids: cph.server_fleet(ids).list_files("/data"),
    "ServerFleet.delete_files": lambda cph, ids: cph.server_fleet(ids).delete_files(["/data/a"]),
    "ServerFleet.push_app": lambda cph, ids: cph.server_fleet(ids).push_app("com.a.b", "bucket", "a.tar"),
    "ServerFleet.delete_app": lambda cph, ids: cph.server_fleet(ids).delete_app("com.a.b"),
    "EncodingFleet.restart": lambda cph, ids: cph.encoding_fleet(ids).restart(),
}

GAMING_VERBS: dict[str, Start] = {
    "Fleet.deploy": lambda cph, ids: cph.gaming.fleet(ids).deploy(["v1"]),
    "Fleet.push": lambda cph, ids: cph.gaming.fleet(ids).push(["v1", "v2"]),
    "Fleet.remove": lambda cph, ids: cph.gaming.fleet(ids).remove(["v1", "v2"]),
    "Fleet.undeploy": lambda cph, ids: cph.gaming.fleet(ids).undeploy(["v1"]),
    "Fleet.update": lambda cph, ids: cph.gaming.fleet(ids).update(["v1", "v2"]),
}


def test_every_waiting_verb_is_resumed_here() -> None:
    waiting = [
        {verb.run.__qualname__ for verb in service.verbs.values() if verb.waits}
        for service in (koophone.SERVICE, cph.SERVICE, cph.GAMING)
    ]

    assert waiting == [{f"Fleet.{verb}" for verb in KOOPHONE_VERBS}, {*CPH_VERBS}, {*GAMING_VERBS}]


def cph_service() -> CloudPhoneService:
    return CloudPhoneService(seconds=lambda: 20.0, failing={"s1-a": "CPS.0005"}, refused={"s2-a": "CPS.0031"})


def game_service() -> GameService:
    return GameService(failing={"s1-a", "s1-b"}, refused={"s2"})


@asynccontextmanager
async def client(server: FakeServer) -> AsyncGenerator[CloudPhone]:
    async with server.session(now=VirtualTimeLoop.running().now) as session:
        yield CloudPhone(session, project_id="P", region="cn-north-4")


def both_ways(
    start: Start, ids: Sequence[str], service: Callable[[], CloudPhoneService | GameService]
) -> tuple[Outcomes, Outcomes]:
    """Return the outcomes of a run that goes on, and of one that is resumed in another process."""

    async def uninterrupted() -> Outcomes:
        async with FakeServer.handling(service().handle) as server, client(server) as cph:
            return (await start(cph, ids)).outcomes

    async def in_two_processes() -> Outcomes:
        async with FakeServer.handling(service().handle) as server:
            async with client(server) as cph:
                before = await interrupted(start(cph, ids), 3)
            async with client(server) as cph:
                return await resumed(start(cph, before.open_ids), before)

    return run_virtually(uninterrupted()), run_virtually(in_two_processes())


@pytest.mark.parametrize("verb", CPH_VERBS)
def test_a_cph_verb_ends_as_if_it_had_gone_on(verb: str) -> None:
    expected, ended = both_ways(CPH_VERBS[verb], TARGETS, cph_service)

    assert rows(ended, {"seconds"}) == rows(expected, {"seconds"})
    assert [outcome.state for outcome in expected.values()][:3] == ["succeeded", "failed", "refused"]


@pytest.mark.parametrize("verb", GAMING_VERBS)
def test_a_gaming_verb_ends_as_if_it_had_gone_on(verb: str) -> None:
    expected, ended = both_ways(
        GAMING_VERBS[verb], TARGETS if verb == "Fleet.update" else SERVERS, game_service
    )

    # Polls name servers and phones, and no versions. Calls of one phone arrive in any order.
    without = {"seconds", "value", "error_message", "job_id"}
    assert rows(ended, without) == rows(expected, without)
    failed = [outcome for outcome in ended.values() if outcome.state is State.FAILED]
    assert all("s1" in (outcome.error_message or "") for outcome in failed)
    assert len(expected) == len(ended)
