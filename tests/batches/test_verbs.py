"""Fleet operations of KooPhone, one by one, and under random faults."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from koophone_async import KooPhone, State
from koophone_async.batches.chunks import Chunker
from koophone_async.emulator import Durations, Emulator, Fault, Refuse, Reset, Throttle, Truncate
from koophone_async.errors import InvalidRequest
from koophone_async.koophone import AppType, Encoding, Network, Package, VideoRate, VideoRates, VideoSetting
from koophone_async.services.koophone import commands, orders
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually

if TYPE_CHECKING:
    from koophone_async import Report
    from koophone_async.emulator.server.faults import Action
    from koophone_async.koophone import App

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=120)]

SHOP = Package("com.example.shop", "shop.apk", "1.4.2", "35", "https://obs.example/shop.apk?Signature=s3cret")


def ids(emulator: Emulator) -> list[str]:
    return [phone.id for phone in emulator.phones]


def six(rate: int = 6000) -> list[VideoSetting]:
    all_three = VideoRates(VideoRate(rate, 30), VideoRate(rate, 30), VideoRate(rate, 60))
    return [VideoSetting(network, encoding, (all_three,)) for network, encoding in product(Network, Encoding)]


async def test_an_app_is_installed_on_every_phone(emulator: Emulator, koophone: KooPhone) -> None:
    report = await koophone.fleet(ids(emulator)).install(SHOP)

    assert report.counts == {State.SUCCEEDED: 120}
    assert all("com.example.shop" in phone.android.apps for phone in emulator.phones)
    assert "s3cret" not in repr(report) + repr(SHOP)


async def test_apps_are_listed_from_all_pages(koophone: KooPhone) -> None:
    await koophone.fleet(["phone0001"]).install(SHOP)

    report = await koophone.fleet(["phone0001"]).apps(AppType.THIRD_PARTY)

    listed = cast("tuple[App, ...]", report["phone0001"].value)
    assert "com.example.shop" in {app.package for app in listed}
    assert tuple([app async for app in koophone.apps.list("phone0001", AppType.THIRD_PARTY)]) == listed


async def test_a_synchronous_command_returns_its_output(koophone: KooPhone) -> None:
    report = await koophone.fleet(["phone0001", "phone0002"]).run_sync("cat /nope; exit 3")

    assert report.counts == {State.FAILED: 2}
    assert "No such file" in (report["phone0001"].output or "")
    assert report["phone0001"].error_code == "CPS.0191"


async def test_jobs_are_awaited_by_token_and_by_string(koophone: KooPhone) -> None:
    started = await koophone.commands.run(["phone0001", "phone0002"], "getprop ro.serialno")

    here = await koophone.jobs.wait(started.task)
    there = await koophone.jobs.wait(str(started.task))

    assert list(here.outcomes) == list(there.outcomes)
    assert here["phone0002"].output == there["phone0002"].output
    assert [job.output for job in (await koophone.jobs.list(started.id or "")).jobs]


@pytest.mark.emulator(jobs=Durations(fixed=100))
async def test_a_timed_out_wait_has_a_resume_token_per_phone(koophone: KooPhone) -> None:
    started = await koophone.commands.run(["phone0001", "phone0002"], "id")

    report = await koophone.jobs.wait(started.task, timeout=10)

    assert report.counts == {State.UNFINISHED: 2}
    assert (await koophone.jobs.wait(report["phone0002"].resume_token)).counts == {State.SUCCEEDED: 1}


async def test_waiting_for_no_task_is_refused(koophone: KooPhone) -> None:
    started = await koophone.instances.reset(["phone0001"])

    with pytest.raises(InvalidRequest, match="the call started no task"):
        await koophone.jobs.wait(started.task)


async def test_writes_are_accepted_and_reads_succeed(emulator: Emulator, koophone: KooPhone) -> None:
    fleet = koophone.fleet(requested := ids(emulator))

    assert (await fleet.set_video(six())).counts == {State.ACCEPTED: 120}
    assert (await fleet.status()).counts == {State.SUCCEEDED: 120}
    assert (await fleet.unsubscribe()).counts == {State.ACCEPTED: 120}
    assert emulator.ledger.executions(orders.UNSUBSCRIBE.name) == dict.fromkeys(requested, 1)
    assert len(emulator.phones) == 0


@pytest.mark.emulator(edition="international")
async def test_an_unknown_task_is_awaited_by_state(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Refuse(200, "KOOPHONE.API.1323"), "koophone.jobs.list")

    report = await koophone.fleet(ids(emulator)).reset()

    assert report.counts == {State.SUCCEEDED: 120}


FAULTS = st.sampled_from(
    [Reset(), Reset(executed=True), Truncate(), Throttle(), Refuse(503, retry_after=1), Refuse()]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requested=st.lists(st.integers(0, 250).map("phone{:04}".format), max_size=260),
    faults=st.lists(st.tuples(FAULTS, st.integers(1, 4)), max_size=4),
    cancel_after=st.none() | st.floats(0, 20),
    seed=st.integers(0, 10),
)
def test_every_id_has_one_outcome_and_no_phone_runs_twice(
    requested: list[str], faults: list[tuple[Action, int]], cancel_after: float | None, seed: int
) -> None:
    async def scenario() -> tuple[Report, dict[str, int]]:
        now = VirtualTimeLoop.running().now
        plan = [Fault(action, commands.RUN.name, every=every) for action, every in faults]
        emulator = Emulator(phones=200, seed=seed, now=now, faults=plan)
        async with emulator, emulator.session() as session:
            run = KooPhone(session).fleet(requested, concurrency=3).run("id")
            try:
                async with asyncio.timeout(cancel_after):
                    await run
            except TimeoutError:
                assert cancel_after is not None
            return run.report, emulator.ledger.executions(commands.RUN.name)

    report, executions = run_virtually(scenario())

    assert list(report.outcomes) == list(dict.fromkeys(requested))
    assert report.total == len(report)
    assert all(count == 1 for count in executions.values())
    ran = {State.SUCCEEDED, State.FAILED, State.UNFINISHED}
    assert {o.id for o in report if o.state in ran} <= set(executions)
    assert not {o.id for o in report if o.state in {State.NOT_SENT, State.REFUSED}} & set(executions)


@given(
    items=st.lists(st.tuples(st.uuids().map(str), st.sampled_from([None, "a", "b"]))),
    size=st.integers(1, 7),
    by_region=st.booleans(),
)
def test_chunks_hold_every_id_once_in_order_and_one_region_each(
    items: list[tuple[str, str | None]], size: int, *, by_region: bool
) -> None:
    chunker, region_of = Chunker(size, by_region), dict(items)
    chunks = [chunk for id, region in items if (chunk := chunker.add((id,), region))]
    while rest := chunker.flush():
        chunks.append(rest)

    assert sorted(id for chunk in chunks for id in chunk) == sorted(id for id, _ in items)
    assert all(0 < len(chunk) <= size for chunk in chunks)
    assert not by_region or all(len({region_of[id] for id in chunk}) == 1 for chunk in chunks)
    assert chunker.waiting == 0
