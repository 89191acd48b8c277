"""The job engine: what a snapshot contains, and what waits for an order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import CloudPhone, KooPhone
from koophone_async.cph import Export, PhoneReset, PropertyUpdate
from koophone_async.emulator import Durations, Emulator, snapshot
from koophone_async.emulator.cph.object_storage import Tar
from koophone_async.emulator.jobs.engine import Effect
from koophone_async.errors import Refused
from koophone_async.virtual_time import VirtualTimeLoop
from koophone_async.wire import decode
from tests.emulator.scenes import AOSP10, VPC, order

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.emulator.scenes import Scene

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=6, servers=2, jobs=Durations(fixed=5))]


def subclasses(kind: type[Effect]) -> Iterator[type[Effect]]:
    for one in kind.__subclasses__():
        yield one
        yield from subclasses(one)


async def start_jobs(scene: Scene) -> None:
    """Start jobs of most kinds, some of which wait for others."""
    cph, phones, servers = scene.cph, scene.phones, scene.servers
    scene.emulator.world.cph.storage.put("bucket", "a.tar", Tar({"/data/a": "x"}, {"com.a.b": "1"}, 28))
    await cph.commands.run(phones, "sleep 1")
    await cph.commands.push(phones, "obs://bucket/a.tar")
    await cph.commands.install(phones, "obs://bucket/com.a.b-1.apk", "-r")
    await cph.commands.uninstall(phones, "com.a.b")
    await cph.phones.restart(phones[:2], AOSP10)
    await cph.phones.reset([PhoneReset(phones[2], {"com.cph.mainkeys": True}, clear_properties=True)])
    await cph.phones.stop(phones[3:])
    await cph.phones.update_properties(
        [PropertyUpdate(phones[0], {"com.cph.mainkeys": True}, {"my.own": "x"})]
    )
    await cph.storage.export([Export(phones[0], ["/data"], "bucket", "b.tar")])
    await cph.servers.restart(servers[:1])
    await cph.keypairs.update({servers[1]: "KeyPair-2"})
    await cph.shared_files.push(servers, "bucket", "a.tar")
    await cph.shared_files.list(servers, "/data")
    await cph.shared_files.delete(servers, ["/data/a"])
    await cph.shared_filesystems.attach("sfs-1", servers, "/games")
    await cph.servers.buy(order(vpc=VPC))
    koophone = KooPhone(scene.session)
    await koophone.commands.run(["phone0001"], "id")
    await koophone.instances.backup(["phone0002"])
    await koophone.instances.reboot(["phone0005"])


async def restored(written: bytes) -> bytes:
    """Restore a snapshot in a new emulator, and return the snapshot of that."""
    now = VirtualTimeLoop.running().now
    async with Emulator(6, servers=2, now=now, jobs=Durations(fixed=5)) as emulator:
        snapshot.restore(emulator.jobs, written)
        return snapshot.write(emulator.jobs)


def jobs_of(written: bytes) -> list[dict[str, Any]]:
    """Return the jobs of a snapshot with the kinds of their effects."""
    return [job | {"effect": job["effect"]["effect"]} for job in decode(written)["jobs"]]


async def test_a_snapshot_survives_a_restore(scene: Scene) -> None:
    await start_jobs(scene)
    written = snapshot.write(scene.emulator.jobs)

    again = await restored(written)

    assert jobs_of(again) == jobs_of(written)
    assert len(jobs_of(again)) > 40


def test_effects_are_told_apart_in_a_snapshot() -> None:
    effects = set(subclasses(Effect))

    assert len(effects) == len({f"{one.__module__}.{one.__name__}" for one in effects}) > 40


@pytest.mark.parametrize("content", [b"[]", b"{}", b'{"edition": "china"}', b"null", b"7", b"text"])
async def test_a_file_without_a_snapshot_is_refused(scene: Scene, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|JSON"):
        snapshot.restore(scene.emulator.jobs, content)


async def test_an_unpaid_order_of_a_snapshot_can_be_paid(scene: Scene) -> None:
    term = order().term
    bought = await scene.cph.servers.buy(order(term=type(term)(term.period, term.count, pay=0)))
    written = snapshot.write(scene.emulator.jobs)

    async with Emulator(6, servers=2, now=VirtualTimeLoop.running().now, jobs=Durations(fixed=0)) as other:
        snapshot.restore(other.jobs, written)
        other.pay(bought.id or "")
        await asyncio.sleep(5)

        async with other.session() as session:
            client = CloudPhone(session, project_id=other.project_id)
            assert (await client.servers.show(bought.servers[0])).id == bought.servers[0]
            assert len(other.phones) == 6 + 15


async def test_a_service_does_not_show_the_jobs_of_another(scene: Scene) -> None:
    task = await KooPhone(scene.session).commands.run(["phone0001"], "id")
    started = await scene.cph.commands.run(scene.phones[:1], "id")

    with pytest.raises(Refused, match=r"CPS\.0011"):
        await scene.cph.jobs.show(task.jobs[0].id)
    with pytest.raises(Refused, match="1323"):
        await KooPhone(scene.session).jobs.list(started.request or "")
