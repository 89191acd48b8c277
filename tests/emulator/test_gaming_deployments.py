"""Deployments: which jobs there are, when they end, what they do, and who refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from koophone_async import State
from koophone_async.catalogue import OPERATIONS
from koophone_async.cph import ServerState
from koophone_async.emulator import Fail, Lose, Stick
from koophone_async.emulator.fleet import Running
from koophone_async.errors import Refused
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually
from tests.emulator.gaming_calling import story, virtual

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.gaming_calling import Scene

DEPLOY = "gaming.deployments.deploy"


@story()
async def test_deploying_puts_a_version_on_servers_and_all_their_phones(scene: Scene) -> None:
    application, version = await scene.game()

    started = await scene.gaming.deployments.deploy(scene.servers, [version])
    report = await scene.end(started)

    assert Counter(job.kind for job in started.jobs) == {30: 2, 31: 2, 32: 6}
    assert report.counts == {State.SUCCEEDED: 2}
    on_servers = [(one.server, one.version) async for one in scene.gaming.applications.servers(application)]
    on_phones = [(one.phone, one.version) async for one in scene.gaming.applications.phones(application)]
    assert on_servers == [(server, version) for server in scene.servers]
    assert sorted(on_phones) == sorted((phone, version) for phone in scene.phones)
    assert "com.example.chess" in await scene.packages(scene.phones[0])
    assert scene.ledger("deploy") == dict.fromkeys(scene.servers, 1)


@story()
async def test_every_operation_of_gaming_is_served(scene: Scene) -> None:
    gaming, deployments = scene.gaming, scene.gaming.deployments
    (application, version), servers, (phone, *_) = await scene.deployed(), scene.servers, scene.phones
    lists = (gaming.applications.servers(application), gaming.applications.phones(application))
    lengths = [len([row async for row in rows]) for rows in lists]
    listed = [await scene.on_server(servers[0]), await scene.on_phone(phone)]
    shown = await gaming.applications.show(application)
    await gaming.versions.show(version)
    await scene.end(await deployments.push(servers, [version]))
    await scene.end(await deployments.update(phone, [version]))
    await scene.end(await deployments.undeploy(servers, [version]))
    await scene.end(await deployments.remove(servers, [version]))
    await gaming.versions.delete(version)
    await gaming.applications.delete(application)

    assert (lengths, listed, len(shown.versions)) == ([2, 6], [[version], [version]], 1)
    assert [one async for one in gaming.applications.list()] == []
    names = {visit.operation for visit in scene.emulator.ledger.visits}
    assert {name for name in OPERATIONS if name.startswith("gaming.")} <= names


@story()
async def test_packages_come_one_after_the_other_and_are_then_installed_at_once(scene: Scene) -> None:
    application, first = await scene.game()
    second = await scene.version(application, "2")
    began = asyncio.get_running_loop().time()

    started = await scene.gaming.deployments.deploy(scene.servers[:1], [first, second])
    await scene.end(started)

    works = scene.emulator.world.estate.works.by_id
    ends = [round((works[job.id or ""].ends or 0) - began) for job in started.jobs]
    assert ends == [15, 5, 10, 10, 10, 10, 15, 15, 15]
    assert await scene.on_server(scene.servers[0]) == [first, second]
    assert await scene.on_phone(scene.phones[0]) == [second]


@story()
async def test_a_pushed_version_is_on_no_phone_before_it_is_updated(scene: Scene) -> None:
    _, version = await scene.game()
    phone, deployments = scene.phones[0], scene.gaming.deployments

    early = await scene.end(await deployments.update(phone, [version]))
    pushed = await deployments.push(scene.servers[:1], [version])
    await scene.end(pushed)
    before = await scene.on_phone(phone)
    started = await deployments.update(phone, [version])
    report = await scene.end(started)

    assert early[phone].error_code == "CPS.0302"
    assert [job.kind for job in pushed.jobs] == [31]
    assert (before, await scene.on_phone(phone)) == ([], [version])
    assert [(job.kind, job.server, job.phone) for job in started.jobs] == [(32, None, phone)]
    assert report.ok
    assert scene.ledger("update") == {phone: 2}


@story()
async def test_undeploying_takes_a_version_off_servers_and_phones(scene: Scene) -> None:
    _, version = await scene.deployed()
    (server, _), phone = scene.servers, scene.phones[0]
    await scene.cph.commands.run_sync([scene.phones[1]], "pm uninstall com.example.chess")

    started = await scene.gaming.deployments.undeploy([server], [version])
    await scene.end(started)

    assert [job.kind for job in started.jobs] == [40, 41, 42, 42]
    assert await scene.on_server(server) == await scene.on_phone(phone) == []
    assert "com.example.chess" not in await scene.packages(phone)
    assert await scene.on_phone(scene.phones[5]) == [version]


@story()
async def test_what_two_calls_take_away_is_taken_away_once(scene: Scene) -> None:
    _, version = await scene.deployed()
    undeploy = scene.gaming.deployments.undeploy

    first, second = [await undeploy(scene.servers[:1], [version]) for _ in range(2)]

    assert (await scene.end(first)).ok
    (outcome,) = await scene.end(second)
    assert outcome.error_message
    assert outcome.error_message.endswith("(2 of 5 jobs failed)")


@story()
async def test_servers_that_refuse_are_told_in_failures(scene: Scene) -> None:
    _, version = await scene.game()
    first, second = scene.servers
    scene.emulator.world.estate.servers.by_id[second].state = ServerState.FROZEN

    started = await scene.gaming.deployments.deploy([first, second, "nobody"], [version])

    assert {job.server for job in started.jobs} == {first}
    assert [(no.server, no.error_code) for no in started.failures] == [
        (second, "CPS.1028"),
        ("nobody", "CPS.0159"),
    ]
    assert scene.ledger("deploy") == {first: 1}


@story()
async def test_a_call_that_every_server_refuses_is_refused_with_failures(scene: Scene) -> None:
    _, version = await scene.game()
    for server in scene.emulator.world.estate.servers:
        server.state = ServerState.STARTING

    with pytest.raises(Refused) as refused:
        await scene.gaming.deployments.push(scene.servers, [version])
    report = await scene.gaming.fleet(scene.servers).push([version])

    assert {failure.id: failure.code for failure in refused.value.failures} == dict.fromkeys(
        scene.servers, "CPS.0099"
    )
    assert report.counts == {State.REFUSED: 2}


@story()
async def test_nothing_is_deployed_of_an_unknown_version(scene: Scene) -> None:
    _, version = await scene.game()

    with pytest.raises(Refused) as refused:
        await scene.gaming.deployments.deploy(scene.servers, [version, "nothing"])

    assert refused.value.code == "CPS.0302"
    assert scene.ledger("deploy") == {}


@story()
async def test_a_job_of_a_phone_that_stands_still_fails(scene: Scene) -> None:
    _, version = await scene.game()
    still, gone = list(scene.emulator.phones)[:2]
    names = (still.cph_id, gone.cph_id)

    started = await scene.gaming.deployments.deploy(scene.servers[:1], [version])
    still.running = Running.STOPPED
    scene.emulator.phones.remove(gone.id)
    await asyncio.sleep(100)

    jobs = {job.target: job async for job in scene.cph.jobs.list([started.request or ""])}
    assert [jobs[name].error_code for name in names] == ["CPS.0141", "CPS.0005"]
    assert jobs[scene.servers[0]].succeeded
    (outcome,) = await scene.end(started)
    assert (outcome.state, outcome.error_code) == (State.FAILED, "CPS.0141")
    with pytest.raises(Refused, match=r"CPS\.0141"):
        await scene.gaming.deployments.update(still.cph_id, [version])


@story()
async def test_jobs_of_a_server_that_is_gone_fail(scene: Scene) -> None:
    _, version = await scene.game()
    servers = scene.emulator.world.estate.servers
    started = await scene.gaming.deployments.push(scene.servers[1:], [version])
    servers.remove(servers.by_id[scene.servers[1]])
    await asyncio.sleep(100)

    (job,) = [job async for job in scene.cph.jobs.list([started.request or ""])]

    assert job.error_code == "CPS.0159"


@story()
async def test_faults_befall_single_jobs(scene: Scene) -> None:
    _, version = await scene.game()
    lost, stuck, failing = scene.phones[:3]
    scene.emulator.fault(Lose(), DEPLOY, phone=lost)
    scene.emulator.fault(Stick(), DEPLOY, phone=stuck)
    scene.emulator.fault(Fail("CPS.0191"), DEPLOY, phone=failing)

    started = await scene.gaming.deployments.deploy(scene.servers[:1], [version])
    await asyncio.sleep(1000)
    jobs = {job.phone: job async for job in scene.cph.jobs.list([started.request or ""]) if job.phone}

    assert set(jobs) == {stuck, failing}
    assert (jobs[stuck].ended, jobs[failing].error_code) == (False, "CPS.0191")
    assert await scene.on_phone(failing) == []


@story()
async def test_what_waits_for_a_package_that_never_comes_never_ends(scene: Scene) -> None:
    _, version = await scene.game()
    scene.emulator.fault(Stick(), DEPLOY, phone=scene.servers[0])

    started = await scene.gaming.deployments.deploy(scene.servers[:1], [version])
    report = await scene.gaming.deployments.wait(started, timeout=600)

    assert report.counts == {State.UNFINISHED: 1}
    assert scene.emulator.games.library.on_phones == {}


@story()
async def test_what_a_person_installs_over_a_game_is_no_deployment(scene: Scene) -> None:
    application, _ = await scene.deployed()
    phone = scene.emulator.phones.by_cph_id(scene.phones[0])
    phone.android.apps["com.example.chess"] = "9.9"
    scene.emulator.phones.remove(list(scene.emulator.phones)[1].id)

    assert await scene.on_phone(phone.cph_id) == []
    assert len([one async for one in scene.gaming.applications.phones(application)]) == 4


@story(servers=3, regions=["cn-north-4", "cn-north-9"], phones=6)
async def test_servers_of_another_region_are_not_told_of(scene: Scene) -> None:
    application, version = await scene.game()
    scene.emulator.games.library.put(scene.servers[2], version)
    scene.emulator.games.library.put(scene.servers[2], version)
    other = await scene.version(await scene.application("go"))
    scene.emulator.games.library.put(scene.servers[0], other)

    assert [one async for one in scene.gaming.applications.servers(application)] == []


def test_games_and_their_jobs_outlive_the_emulator(tmp_path: Path) -> None:
    @story(state=tmp_path / "state")
    async def before(scene: Scene) -> None:
        await scene.deployed()
        (application,) = scene.emulator.games.library.applications
        await scene.gaming.deployments.push(scene.servers, [await scene.version(application, "2")])

    async def after() -> None:
        assert VirtualTimeLoop.running().time() == 0
        async with virtual(state=tmp_path / "state") as emulator:
            await asyncio.sleep(5)
            assert emulator.world.fleet
            library = emulator.games.library
            first, second = library.versions
            assert set(map(tuple, library.on_servers.values())) == {(first, second)}
            assert len(library.on_phones) == 6

    before()
    run_virtually(after())
