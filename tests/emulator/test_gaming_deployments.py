"""Deployments: which jobs there are, when they end, what they do, and who refuses."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import CloudPhone, State
from koophone_async.catalogue import OPERATIONS
from koophone_async.cph import ServerState
from koophone_async.emulator import Durations, Fail, Lose, Stick
from koophone_async.emulator.fleet import RunningState
from koophone_async.errors import Refused
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually
from tests.emulator.scenes import GamingScene
from tests.emulator.signed_client import virtual_emulator

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]

DEPLOY = "gaming.deployments.deploy"


async def test_a_deployment_reaches_servers_and_all_their_phones(gaming_scene: GamingScene) -> None:
    application, version = await gaming_scene.game()

    started = await gaming_scene.gaming.deployments.deploy(gaming_scene.servers, [version])
    report = await gaming_scene.end(started)

    assert Counter(job.kind for job in started.jobs) == {30: 2, 31: 2, 32: 6}
    assert report.counts == {State.SUCCEEDED: 2}
    on_servers = [
        (one.server, one.version) async for one in gaming_scene.gaming.applications.servers(application)
    ]
    on_phones = [
        (one.phone, one.version) async for one in gaming_scene.gaming.applications.phones(application)
    ]
    assert on_servers == [(server, version) for server in gaming_scene.servers]
    assert sorted(on_phones) == sorted((phone, version) for phone in gaming_scene.phones)
    assert "com.example.chess" in await gaming_scene.packages(gaming_scene.phones[0])
    assert gaming_scene.ledger("deploy") == dict.fromkeys(gaming_scene.servers, 1)


async def test_every_gaming_operation_is_served(gaming_scene: GamingScene) -> None:
    gaming, deployments = gaming_scene.gaming, gaming_scene.gaming.deployments
    (application, version), servers, (phone, *_) = (
        await gaming_scene.deployed(),
        gaming_scene.servers,
        gaming_scene.phones,
    )
    lists = (gaming.applications.servers(application), gaming.applications.phones(application))
    lengths = [len([row async for row in rows]) for rows in lists]
    listed = [await gaming_scene.on_server(servers[0]), await gaming_scene.on_phone(phone)]
    shown = await gaming.applications.show(application)
    await gaming.versions.show(version)
    await gaming_scene.end(await deployments.push(servers, [version]))
    await gaming_scene.end(await deployments.update(phone, [version]))
    await gaming_scene.end(await deployments.undeploy(servers, [version]))
    await gaming_scene.end(await deployments.remove(servers, [version]))
    await gaming.versions.delete(version)
    await gaming.applications.delete(application)

    assert (lengths, listed, len(shown.versions)) == ([2, 6], [[version], [version]], 1)
    assert [one async for one in gaming.applications.list()] == []
    names = {visit.operation for visit in gaming_scene.emulator.ledger.recent_requests}
    assert {name for name in OPERATIONS if name.startswith("gaming.")} <= names


async def test_packages_are_pushed_in_turn_and_installed_in_parallel(
    gaming_scene: GamingScene,
) -> None:
    application, first = await gaming_scene.game()
    second = await gaming_scene.version(application, "2")
    began = asyncio.get_running_loop().time()

    started = await gaming_scene.gaming.deployments.deploy(gaming_scene.servers[:1], [first, second])
    await gaming_scene.end(started)

    works = gaming_scene.emulator.jobs.by_id
    ends = [round((works[job.id or ""].ends or 0) - began) for job in started.jobs]
    assert ends == [15, 5, 10, 10, 10, 10, 15, 15, 15]
    assert await gaming_scene.on_server(gaming_scene.servers[0]) == [first, second]
    assert await gaming_scene.on_phone(gaming_scene.phones[0]) == [second]


async def test_a_pushed_version_is_installed_by_an_update(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    phone, deployments = gaming_scene.phones[0], gaming_scene.gaming.deployments

    early = await gaming_scene.end(await deployments.update(phone, [version]))
    pushed = await deployments.push(gaming_scene.servers[:1], [version])
    await gaming_scene.end(pushed)
    before = await gaming_scene.on_phone(phone)
    started = await deployments.update(phone, [version])
    report = await gaming_scene.end(started)

    assert early[phone].error_code == "CPS.0302"
    assert [job.kind for job in pushed.jobs] == [31]
    assert (before, await gaming_scene.on_phone(phone)) == ([], [version])
    assert [(job.kind, job.server, job.phone) for job in started.jobs] == [(32, None, phone)]
    assert report.ok
    assert gaming_scene.ledger("update") == {phone: 2}


async def test_an_undeployment_removes_a_version_everywhere(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.deployed()
    (server, _), phone = gaming_scene.servers, gaming_scene.phones[0]
    await gaming_scene.cph.commands.run_sync([gaming_scene.phones[1]], "pm uninstall com.example.chess")

    started = await gaming_scene.gaming.deployments.undeploy([server], [version])
    await gaming_scene.end(started)

    assert [job.kind for job in started.jobs] == [40, 41, 42, 42]
    assert await gaming_scene.on_server(server) == await gaming_scene.on_phone(phone) == []
    assert "com.example.chess" not in await gaming_scene.packages(phone)
    assert await gaming_scene.on_phone(gaming_scene.phones[5]) == [version]


async def test_a_version_is_removed_once(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.deployed()
    undeploy = gaming_scene.gaming.deployments.undeploy

    first, second = [await undeploy(gaming_scene.servers[:1], [version]) for _ in range(2)]

    assert (await gaming_scene.end(first)).ok
    (outcome,) = await gaming_scene.end(second)
    assert outcome.error_message
    assert outcome.error_message.endswith("(2 of 5 jobs failed)")


async def test_refused_servers_are_listed_as_failures(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    first, second = gaming_scene.servers
    gaming_scene.emulator.world.cph.servers.by_id[second].state = ServerState.FROZEN

    started = await gaming_scene.gaming.deployments.deploy([first, second, "nobody"], [version])

    assert {job.server for job in started.jobs} == {first}
    assert [(no.server, no.error_code) for no in started.failures] == [
        (second, "CPS.1028"),
        ("nobody", "CPS.0159"),
    ]
    assert gaming_scene.ledger("deploy") == {first: 1}


async def test_a_call_that_every_server_refuses_is_refused(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    for server in gaming_scene.emulator.world.cph.servers:
        server.state = ServerState.STARTING

    with pytest.raises(Refused) as refused:
        await gaming_scene.gaming.deployments.push(gaming_scene.servers, [version])
    report = await gaming_scene.gaming.fleet(gaming_scene.servers).push([version])

    assert {failure.id: failure.code for failure in refused.value.failures} == dict.fromkeys(
        gaming_scene.servers, "CPS.0099"
    )
    assert report.counts == {State.REFUSED: 2}


async def test_an_unknown_version_is_not_deployed(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()

    with pytest.raises(Refused) as refused:
        await gaming_scene.gaming.deployments.deploy(gaming_scene.servers, [version, "nothing"])

    assert refused.value.code == "CPS.0302"
    assert gaming_scene.ledger("deploy") == {}


async def test_a_job_of_a_stopped_phone_fails(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    still, gone = list(gaming_scene.emulator.phones)[:2]
    names = (still.cph_id, gone.cph_id)

    started = await gaming_scene.gaming.deployments.deploy(gaming_scene.servers[:1], [version])
    still.running = RunningState.STOPPED
    gaming_scene.emulator.phones.remove(gone.id)
    await asyncio.sleep(100)

    jobs = {job.target: job async for job in gaming_scene.cph.jobs.list([started.request or ""])}
    assert [jobs[name].error_code for name in names] == ["CPS.0141", "CPS.0005"]
    assert jobs[gaming_scene.servers[0]].succeeded
    (outcome,) = await gaming_scene.end(started)
    assert (outcome.state, outcome.error_code) == (State.FAILED, "CPS.0141")
    with pytest.raises(Refused, match=r"CPS\.0141"):
        await gaming_scene.gaming.deployments.update(still.cph_id, [version])


async def test_jobs_of_a_deleted_server_fail(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    servers = gaming_scene.emulator.world.cph.servers
    started = await gaming_scene.gaming.deployments.push(gaming_scene.servers[1:], [version])
    servers.remove(servers.by_id[gaming_scene.servers[1]])
    await asyncio.sleep(100)

    (job,) = [job async for job in gaming_scene.cph.jobs.list([started.request or ""])]

    assert job.error_code == "CPS.0159"


async def test_faults_apply_to_single_jobs(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    lost, stuck, failing = gaming_scene.phones[:3]
    gaming_scene.emulator.fault(Lose(), DEPLOY, phone=lost)
    gaming_scene.emulator.fault(Stick(), DEPLOY, phone=stuck)
    gaming_scene.emulator.fault(Fail("CPS.0191"), DEPLOY, phone=failing)

    started = await gaming_scene.gaming.deployments.deploy(gaming_scene.servers[:1], [version])
    await asyncio.sleep(1000)
    jobs = {job.phone: job async for job in gaming_scene.cph.jobs.list([started.request or ""]) if job.phone}

    assert set(jobs) == {stuck, failing}
    assert (jobs[stuck].ended, jobs[failing].error_code) == (False, "CPS.0191")
    assert await gaming_scene.on_phone(failing) == []


async def test_jobs_behind_a_stuck_package_never_end(gaming_scene: GamingScene) -> None:
    _, version = await gaming_scene.game()
    gaming_scene.emulator.fault(Stick(), DEPLOY, phone=gaming_scene.servers[0])

    started = await gaming_scene.gaming.deployments.deploy(gaming_scene.servers[:1], [version])
    report = await gaming_scene.gaming.deployments.wait(started, timeout=600)

    assert report.counts == {State.UNFINISHED: 1}
    assert gaming_scene.emulator.games.library.on_phones == {}


async def test_an_app_installed_over_a_game_is_no_deployment(gaming_scene: GamingScene) -> None:
    application, _ = await gaming_scene.deployed()
    phone = gaming_scene.emulator.phones.by_cph_id(gaming_scene.phones[0])
    phone.android.apps["com.example.chess"] = "9.9"
    gaming_scene.emulator.phones.remove(list(gaming_scene.emulator.phones)[1].id)

    assert await gaming_scene.on_phone(phone.cph_id) == []
    assert len([one async for one in gaming_scene.gaming.applications.phones(application)]) == 4


@pytest.mark.emulator(servers=3, regions=["cn-north-4", "cn-north-9"], phones=6)
async def test_servers_of_another_region_are_not_listed(gaming_scene: GamingScene) -> None:
    application, version = await gaming_scene.game()
    gaming_scene.emulator.games.library.put(gaming_scene.servers[2], version)
    gaming_scene.emulator.games.library.put(gaming_scene.servers[2], version)
    other = await gaming_scene.version(await gaming_scene.application("go"))
    gaming_scene.emulator.games.library.put(gaming_scene.servers[0], other)

    assert [one async for one in gaming_scene.gaming.applications.servers(application)] == []


def test_a_snapshot_contains_games_and_their_jobs(tmp_path: Path) -> None:
    options: dict[str, Any] = {"phones": 6, "servers": 2, "state": tmp_path / "state"}

    async def before() -> None:
        async with virtual_emulator(**options) as emulator, emulator.session() as session:
            gaming_scene = GamingScene(emulator, session, CloudPhone(session, project_id=emulator.project_id))
            await gaming_scene.deployed()
            (application,) = emulator.games.library.applications
            await gaming_scene.gaming.deployments.push(
                gaming_scene.servers, [await gaming_scene.version(application, "2")]
            )

    async def after() -> None:
        assert VirtualTimeLoop.running().time() == 0
        async with virtual_emulator(**options) as emulator:
            await asyncio.sleep(5)
            assert emulator.world.fleet
            library = emulator.games.library
            first, second = library.versions
            assert set(map(tuple, library.on_servers.values())) == {(first, second)}
            assert len(library.on_phones) == 6

    run_virtually(before())
    run_virtually(after())
