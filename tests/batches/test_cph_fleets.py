"""Fleet operations of CPH against the emulator."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from koophone_async import CloudPhone, Session, State
from koophone_async.cph import Access, ClientType, Listing, Route
from koophone_async.emulator import Durations, Emulator
from koophone_async.errors import InvalidRequest
from koophone_async.services.cph import commands, jobs

if TYPE_CHECKING:
    from koophone_async import Report
    from koophone_async.cph import Phone

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=60, servers=3)]

BUCKET = "backups"


@pytest.fixture
def cph(session: Session, emulator: Emulator) -> CloudPhone:
    return CloudPhone(session, project_id=emulator.project_id)


async def listed(cph: CloudPhone) -> list[Phone]:
    return [phone async for phone in cph.phones.list()]


async def servers(cph: CloudPhone) -> list[str]:
    return [server.id async for server in cph.servers.list()]


def states(report: Report) -> dict[str, int]:
    return {state.value: count for state, count in report.counts.items() if count}


async def test_every_phone_of_a_list_runs_the_command_once(cph: CloudPhone, emulator: Emulator) -> None:
    report = await cph.fleet(cph.phones.list()).run("getprop ro.serialno")

    assert states(report) == {"succeeded": 60}
    assert len({outcome.output for outcome in report}) == 60
    assert set(emulator.ledger.executions(commands.RUN.name).values()) == {1}


@pytest.mark.parametrize(
    "phones",
    [
        pytest.param(200, marks=pytest.mark.emulator(phones=200, servers=4, jobs=Durations(2.0))),
        pytest.param(
            5000,
            marks=[pytest.mark.emulator(phones=5000, servers=50, jobs=Durations(2.0)), pytest.mark.nightly],
        ),
    ],
)
@pytest.mark.parametrize("knows_servers", [True, False])
async def test_a_run_takes_no_longer_than_its_slowest_server(
    cph: CloudPhone, emulator: Emulator, phones: int, *, knows_servers: bool
) -> None:
    targets = cph.phones.list() if knows_servers else [phone.id for phone in await listed(cph)]
    began = asyncio.get_running_loop().time()

    report = await cph.fleet(targets).run("getprop ro.serialno")

    duration = asyncio.get_running_loop().time() - began
    assert states(report) == {"succeeded": phones}
    assert duration <= 1.15 * slowest(emulator)
    assert most_looks_a_minute(emulator) <= 60
    done = emulator.ledger.executions(commands.RUN.name)
    assert (len(done), set(done.values())) == (phones, {1})


def slowest(emulator: Emulator) -> float:
    """Return the seconds of work of the busiest server."""
    seconds = defaultdict[str, float](float)
    for work in emulator.jobs.by_id.values():
        assert work.began is not None
        assert work.ends is not None
        seconds[work.server or ""] += work.ends - work.began
    return max(seconds.values())


def most_looks_a_minute(emulator: Emulator) -> int:
    polls = [
        datetime.fromisoformat(v.at) for v in emulator.ledger.recent_requests if v.operation == jobs.LIST.name
    ]
    return max(sum(0 <= (other - poll).total_seconds() < 60 for other in polls) for poll in polls)


async def test_an_app_is_pushed_installed_and_removed(cph: CloudPhone) -> None:
    fleet = cph.fleet(await listed(cph))

    for run in (
        fleet.push("obs://bucket/data.tar"),
        fleet.install("obs://bucket/com.example.shop.apk", "-r"),
        fleet.install_split(["obs://bucket/com.example.game.apk", "obs://bucket/more.apk"]),
        fleet.uninstall("com.example.shop"),
    ):
        assert states(await run) == {"succeeded": 60}


async def test_phones_are_stopped_restarted_and_reset(cph: CloudPhone) -> None:
    fleet = cph.fleet([phone.id for phone in await listed(cph)])

    assert states(await fleet.stop()) == {"succeeded": 60}
    assert states(await fleet.run("id")) == states(await fleet.run_sync("id")) == {"refused": 60}
    assert states(await fleet.restart(properties={"ro.install.auto": 1})) == {"succeeded": 60}
    assert states(await fleet.reset(properties={"ro.install.auto": 0})) == {"succeeded": 60}


async def test_properties_are_updated(cph: CloudPhone) -> None:
    phone, *_ = await listed(cph)

    report = await cph.fleet([phone]).update_properties({"ro.horizontal.screen": True})

    assert report[phone.id].ok
    assert (await cph.phones.show(phone.id)).properties["ro.horizontal.screen"] == "1"


async def test_data_is_exported_and_restored_on_another_phone(cph: CloudPhone) -> None:
    one, other, *_ = [phone.id for phone in await listed(cph)]
    await cph.fleet([one]).run("echo hello > /sdcard/note")

    exported = await cph.fleet([one]).export(["/data/media"], BUCKET, "kept/{phone}.tar")
    restored = await cph.fleet([other]).restore(BUCKET, {other: f"kept/{one}.tar"})
    read = await cph.fleet([other]).run("cat /sdcard/note")

    assert (exported.ok, restored.ok) == (True, True)
    assert read[other].output == "hello\n"


async def test_a_migration_overwrites_its_target(cph: CloudPhone, emulator: Emulator) -> None:
    source, target, *_ = [phone.id for phone in await listed(cph)]
    await cph.fleet([source]).run("echo new > /data/local/tmp/note")
    await cph.fleet([target]).run("echo old > /data/local/tmp/mine")
    await cph.fleet([source]).update_properties({"com.cph.mainkeys": True})

    report = await cph.fleet([target, "0" * 32]).migrate(
        {target: source, "0" * 32: source}, with_properties=True
    )

    assert {outcome.id: outcome.state for outcome in report} == {
        target: State.SUCCEEDED,
        "0" * 32: State.REFUSED,
    }
    (files,) = await cph.fleet([target]).run("cat /data/local/tmp/note; ls /data/local/tmp")
    assert (files.output or "").split() == ["new", "note"]
    assert (await cph.phones.show(target)).properties == {"com.cph.mainkeys": "1"}
    assert emulator.ledger.executions("cph.phones.migrate") == {target: 1}


@pytest.mark.emulator(phones=600, servers=6)
async def test_a_migration_to_an_older_android_fails(cph: CloudPhone) -> None:
    by_version = {int((phone.image_version or "")[5:-2]): phone.id for phone in await listed(cph)}
    oldest, newest = by_version[min(by_version)], by_version[max(by_version)]

    (outcome,) = await cph.fleet([oldest]).migrate({oldest: newest})

    assert (outcome.state, outcome.error_code) == (State.FAILED, "CPS.0254")


async def test_disks_expand_routes_change_and_clients_connect(cph: CloudPhone) -> None:
    phone, *_ = await listed(cph)
    fleet = cph.fleet([phone])

    assert states(await fleet.expand({phone.id: 100})) in ({"succeeded": 1}, {"refused": 1})
    assert states(await fleet.route_traffic(Route.DIRECT)) == {"succeeded": 1}
    value = (await fleet.connections(ClientType.ANDROID))[phone.id].value
    assert isinstance(value, Access)
    assert value.ticket
    assert value.ticket not in repr(value)


async def test_a_synchronous_run_estimates_its_duration(cph: CloudPhone) -> None:
    run = cph.fleet([phone.id for phone in await listed(cph)] * 4).run_sync("id")
    unpartitioned = cph.fleet([phone.id for phone in await listed(cph)]).run_sync("id")

    assert (run.estimate().calls, unpartitioned.estimate().calls) == (16, 4)
    assert run.estimate().min_seconds >= 120
    assert unpartitioned.estimate().min_seconds == 0
    assert states(await unpartitioned) == {"succeeded": 60}


@pytest.mark.emulator(phones=60, servers=3, jobs=Durations(fixed=4))
async def test_a_serial_run_is_estimated_by_what_jobs_took_without_their_queue(cph: CloudPhone) -> None:
    loop, fleet = asyncio.get_running_loop(), cph.fleet(await listed(cph))
    guess = fleet.run("id").estimate()
    begin = loop.time()
    await fleet.run("id")
    took = loop.time() - begin

    learned = fleet.run("id").estimate()

    assert learned.calls == guess.calls
    assert learned.seconds != guess.seconds
    assert learned.seconds == pytest.approx(took, rel=0.5)


async def test_servers_restart_and_get_new_key_pairs_and_tags(cph: CloudPhone) -> None:
    fleet = cph.server_fleet(cph.servers.list())
    tagged = cph.server_fleet(await servers(cph))

    assert states(await fleet.restart()) == {"succeeded": 3}
    assert states(await tagged.update_keypair("KeyPair-1")) == {"succeeded": 3}
    assert states(await tagged.add_tags({"team": "shop"})) == {"accepted": 3}
    assert len([one async for one in cph.tags.find({"team": ["shop"]})]) == 3
    assert states(await cph.server_fleet(cph.tags.find()).remove_tags({"team": "shop"})) == {"accepted": 3}


async def test_encoding_servers_restart(cph: CloudPhone) -> None:
    servers = [one async for one in cph.encoding_servers.list()]

    report = await cph.encoding_fleet(servers).restart()

    assert states(report) == ({"succeeded": len(servers)} if servers else {})


async def test_shared_files_and_apps_are_pushed_listed_and_deleted(cph: CloudPhone) -> None:
    fleet = cph.server_fleet(await servers(cph))

    assert states(await fleet.push_files(BUCKET, "level.tar")) == {"succeeded": 3}
    for outcome in await fleet.list_files("/data"):
        assert isinstance(outcome.value, Listing)
        assert [file.name for file in outcome.value.files] == ["level"]
    assert states(await fleet.delete_files(["/data/level"])) == {"succeeded": 3}
    assert states(await fleet.push_app("com.example.game", BUCKET, "game.tar")) == {"succeeded": 3}
    assert states(await fleet.delete_app("com.example.game")) == {"succeeded": 3}


async def test_a_call_is_awaited_with_its_refused_phones(cph: CloudPhone) -> None:
    phone, *_ = await listed(cph)
    missing = "f" * 32

    started = await cph.commands.run([phone.id, missing], "id")
    report = await cph.jobs.wait(started)

    assert states(report) == {"succeeded": 1, "refused": 1}
    assert report[missing].error_code == "CPS.0005"


@pytest.mark.emulator(jobs=Durations(fixed=50))
async def test_a_resume_token_continues_an_unfinished_wait(cph: CloudPhone, emulator: Emulator) -> None:
    phone, *_ = await listed(cph)
    started = await cph.commands.run([phone.id], "id")

    late = (await cph.jobs.wait(started, timeout=5))[phone.id]
    run = await cph.fleet([phone], deadline=5).run("id")
    ends = [
        await cph.jobs.wait(resume_token)
        for resume_token in (late.resume_token, run[phone.id].resume_token)
        if resume_token
    ]

    assert late.state is run[phone.id].state is State.UNFINISHED
    assert [states(end) for end in ends] == [{"succeeded": 1}] * 2
    assert emulator.ledger.executions(commands.RUN.name)[phone.id] == 2


def test_an_export_of_all_phones_to_one_path_is_refused(cph: CloudPhone) -> None:
    with pytest.raises(InvalidRequest, match=r"does not contain {phone}"):
        _ = cph.fleet([]).export(["/data"], BUCKET, "all.tar")


async def test_a_phone_missing_from_a_mapping_is_not_sent(cph: CloudPhone) -> None:
    one, other, *_ = [phone.id for phone in await listed(cph)]

    report = await cph.fleet([one, other]).restore(BUCKET, {one: "nothing.tar"})

    assert (report[one].error_code, report[other].state) == ("CPS.0172", State.NOT_SENT)
