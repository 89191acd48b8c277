"""CPH in the emulator as a whole: everything is served, kept in snapshots, and quick."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from koophone_async import CloudPhone
from koophone_async.catalogue import OPERATIONS
from koophone_async.cph import Export, JobState, Restore
from koophone_async.emulator import Distort, Durations, Emulator, Fail, Omit
from koophone_async.emulator import cph as served
from koophone_async.emulator.cph.object_storage import Tar
from koophone_async.emulator.server.routing import Handler
from koophone_async.errors import Refused
from koophone_async.services.cph.commands import RUN
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually
from tests.emulator.scenes import order

if TYPE_CHECKING:
    from pathlib import Path

    from tests.emulator.scenes import Scene

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5)),
]


def name_of(served_by: Any) -> str:  # noqa: ANN401 - whichever operation's
    return str(served_by.operation.name)


def test_every_cph_operation_is_served_once() -> None:
    modules = [import_module(f"{served.__name__}.{one.name}") for one in iter_modules(served.__path__)]
    handlers = [
        name_of(attribute)
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
        for attribute in vars(value).values()
        if isinstance(attribute, Handler)
    ]

    assert sorted(handlers) == [operation.name for operation in OPERATIONS.of("cph")]


def test_a_snapshot_contains_servers_jobs_exports_and_orders(tmp_path: Path) -> None:
    state = tmp_path / "state.json"

    async def before() -> tuple[str, list[str]]:
        async with (
            Emulator(
                6, servers=2, now=VirtualTimeLoop.running().now, jobs=Durations(fixed=5), state=state
            ) as e,
            e.session() as session,
        ):
            client = CloudPhone(session, project_id=e.project_id)
            phones = [phone.cph_id for phone in e.phones]
            await client.storage.export([Export(phones[0], ["/data"], "bucket", "a.tar")])
            await asyncio.sleep(5)
            bought = await client.servers.buy(order())
            started = await client.commands.run(phones[:2], "sleep 1")
            await client.jobs.show(started.jobs[0].id or "")
            return started.request or "", [*bought.servers, phones[0]]

    async def after(request: str, server: str, phone: str) -> None:
        async with (
            Emulator(
                6, servers=2, now=VirtualTimeLoop.running().now, jobs=Durations(fixed=5), state=state
            ) as e,
            e.session() as session,
        ):
            client = CloudPhone(session, project_id=e.project_id)
            await asyncio.sleep(6)
            assert [job.state async for job in client.jobs.list([request])] == [JobState.SUCCEEDED, 1]
            restored = await client.storage.restore([Restore(phone, "bucket", "a.tar")])
            await asyncio.sleep(15)
            assert (await client.jobs.show(restored.jobs[0].id or "")).succeeded
            assert [job.state async for job in client.jobs.list([request])] == [JobState.SUCCEEDED] * 2
            assert len(e.phones.on_server(e.world.cph.servers.by_id[server].index)) == 15
            assert set(e.ledger.executions(RUN.name).values()) == {1}
            assert (len(e.world.orders), len(e.world.cph.images)) == (1, 3)

    request, (server, phone) = run_virtually(before())
    run_virtually(after(request, server, phone))


@pytest.mark.emulator(phones=1000, servers=10, jobs=Durations(fixed=2))
async def test_a_thousand_phones_run_a_command_once_each(scene: Scene) -> None:
    began = VirtualTimeLoop.running().time()

    phones = [phone.id async for phone in scene.cph.phones.list()]
    calls = [
        (await scene.cph.commands.run(phones[n : n + 100], "id")).request or "" for n in range(0, 1000, 100)
    ]
    await asyncio.sleep(200)
    looks = (scene.cph.jobs.list(calls[n : n + 5]) for n in range(0, 10, 5))
    jobs = [job for look in looks for job in [job async for job in look]]

    assert all(job.succeeded for job in jobs)
    assert set(scene.ledger(RUN.name).values()) == {1}
    assert len(scene.ledger(RUN.name)) == 1000
    assert VirtualTimeLoop.running().time() - began == pytest.approx(200, abs=1)


async def test_faults_change_the_rows_of_one_phone(scene: Scene) -> None:
    scene.emulator.fault(Omit(), RUN, phone=scene.phones[1], first=1)
    started = await scene.cph.commands.run(scene.phones[:3], "id")
    scene.emulator.fault(Distort(77), "cph.jobs.list")

    jobs = await scene.end(started, 20)

    assert [entry.phone for entry in started.jobs] == [scene.phones[0], scene.phones[2]]
    assert {job.state for job in jobs.values()} == {77}


async def test_a_stored_tar_file_is_unpacked_on_phones(scene: Scene) -> None:
    tar = Tar({"/data/media/0/Download/a/": "", "/data/media/0/Download/a/b.txt": "here"})
    scene.emulator.world.cph.storage.put("bucket", "files.tar", tar)

    await scene.end(await scene.cph.commands.push(scene.phones[:1], "obs://bucket/files.tar"))

    assert await scene.show(scene.phones[0], "cat /sdcard/Download/a/b.txt") == "here"


@pytest.mark.emulator(strict=False)
async def test_a_lenient_emulator_tries_what_the_documents_forbid(scene: Scene) -> None:
    with pytest.raises(Refused) as refused:
        await scene.cph.servers.show("0" * 32)

    assert refused.value.code == "CPS.0015"


async def test_the_state_counts_servers_and_jobs(scene: Scene) -> None:
    scene.emulator.fault(Fail(), RUN, phone=scene.phones[0])
    await scene.cph.commands.run(scene.phones[:4], "id")
    await asyncio.sleep(6)

    async with aiohttp.request("GET", f"{scene.emulator.endpoint}/_emulator/state") as answer:
        state = await answer.json()

    assert state["servers"] == {"normal": 2}
    assert state["cph_jobs"] == {"failed": 1, "succeeded": 1, "running": 1, "waiting": 1}
