"""Ids of several regions: calls are for one region each, whether the input knows the regions or not."""

from __future__ import annotations

import asyncio
import math
import random
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async import KooPhone, State
from koophone_async.batches.regions import RegionLookup, RegionMap
from koophone_async.emulator import Delay, Durations, Emulator, Refuse
from koophone_async.koophone import Encoding, Network, Package, VideoRate, VideoRates, VideoSetting
from koophone_async.services.koophone import commands, instances
from koophone_async.virtual_time import VirtualTimeLoop
from tests.fake_server import FakeServer, Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator

    from koophone_async import Run
    from koophone_async.services.koophone.fleet import Fleet
    from tests.fake_server import ReceivedRequest

pytestmark = [
    pytest.mark.virtual_time,
    pytest.mark.emulator(phones=600, servers=3, regions=("cn-north-4", "cn-east-3", "cn-south-1")),
]

RATES = VideoRates(VideoRate(6000, 30), VideoRate(6000, 30), VideoRate(6000, 60))
VIDEO = [VideoSetting(network, encoding, (RATES,)) for network, encoding in product(Network, Encoding)]
SHOP = Package("com.example.shop", "shop.apk", "1.4.2", "35", "https://obs.example/shop.apk")

VERBS: dict[str, Callable[[Fleet], Run[Any, Any]]] = {
    "run": lambda fleet: fleet.run("id"),
    "run_sync": lambda fleet: fleet.run_sync("id"),
    "install": lambda fleet: fleet.install(SHOP),
    "status": lambda fleet: fleet.status(),
    "reset": lambda fleet: fleet.reset(),
    "reboot": lambda fleet: fleet.reboot(),
    "backup": lambda fleet: fleet.backup(),
    "assign": lambda fleet: fleet.assign("u1"),
    "unassign": lambda fleet: fleet.unassign("u1"),
    "set_video": lambda fleet: fleet.set_video(VIDEO),
    "prepare": lambda fleet: fleet.prepare("u1"),
    "unsubscribe": lambda fleet: fleet.unsubscribe(),
}
REGIONS = ("cn-north-4", "cn-east-3", "cn-south-1")


def by_region(emulator: Emulator) -> list[list[str]]:
    return [[phone.id for phone in emulator.phones if phone.region == region] for region in REGIONS]


def mixed(emulator: Emulator) -> list[str]:
    return [id for ids in zip(*by_region(emulator), strict=True) for id in ids]


def calls(emulator: Emulator, operation: str) -> int:
    return sum(1 for request in emulator.ledger.recent_requests if request.operation == operation)


@pytest.mark.parametrize("edition", ["china", "international"])
@pytest.mark.parametrize("verb", VERBS)
async def test_mixed_regions_cost_one_call_more(verb: str, edition: str) -> None:
    loop = VirtualTimeLoop.running()
    served = Emulator(
        phones=600, servers=3, regions=REGIONS, edition=edition, now=loop.now, jobs=Durations(fixed=2)
    )
    async with served as emulator, emulator.session() as session:
        koophone, ids = KooPhone(session), mixed(emulator)
        if verb in ("unassign", "prepare"):
            await koophone.fleet(ids).assign("u1")
        run = VERBS[verb](koophone.fleet(ids))
        before = calls(emulator, run.report.operation)

        report = await run

        assert report.ok, next(iter(report.failed().values()))
        assert set(emulator.ledger.executions(report.operation).values()) <= {1}
        assert calls(emulator, report.operation) - before <= 6 + 1


async def test_the_list_is_asked_once(emulator: Emulator, koophone: KooPhone) -> None:
    ids = mixed(emulator)

    first = await koophone.fleet(iter(ids)).run_sync("id")
    requests = emulator.ledger.requests
    second = await koophone.fleet(iter(ids)).run_sync("id")

    assert first.ok
    assert second.ok
    assert calls(emulator, instances.LIST.name) == 6
    assert requests == 6 + 6 + 1
    assert emulator.ledger.requests - requests == 6


@pytest.mark.parametrize("regions", [2, 3])
@pytest.mark.parametrize("count", [200, 2_000])
async def test_any_order_costs_one_call_more_than_sorted_ids(count: int, regions: int) -> None:
    loop, names = VirtualTimeLoop.running(), REGIONS[:regions]
    served = Emulator(
        phones=12_000, servers=regions, regions=names, now=loop.now, jobs=Durations(fixed=2), seed=1
    )
    async with served as emulator, emulator.session() as session:
        parts = [[phone.id for phone in emulator.phones if phone.region == name] for name in names]
        alternating = [id for row in zip(*parts, strict=True) for id in row][:count]
        shuffled = random.Random(1).sample(alternating, count)
        requests: list[int] = []
        for ids in (sorted(alternating), alternating, shuffled):
            before = emulator.ledger.requests
            assert (await KooPhone(session).fleet(ids).run_sync("id")).ok
            requests.append(emulator.ledger.requests - before)

    in_order, *others = requests
    assert max(others) <= in_order + 2
    assert in_order <= sum(math.ceil(len({*part} & {*alternating}) / 100) for part in parts) + 13 * (
        regions - 1
    )
    assert set(emulator.ledger.executions(commands.RUN_SYNC.name).values()) == {3}


async def test_a_short_list_is_read_before_halving(emulator: Emulator, koophone: KooPhone) -> None:
    first, second, _ = by_region(emulator)
    ids = [*first[:130], *second[:170]]

    requests = [emulator.ledger.requests]
    for _ in range(2):
        assert (await koophone.fleet(ids).run_sync("id")).ok
        requests.append(emulator.ledger.requests)

    assert requests[1] - requests[0] <= 4 + 1 + 6
    assert requests[2] - requests[1] == 4


async def test_ids_in_order_are_sorted_first_in_later_runs(emulator: Emulator, koophone: KooPhone) -> None:
    ids = mixed(emulator)

    requests = [emulator.ledger.requests]
    for _ in range(2):
        assert (await koophone.fleet(ids, in_flight=100).run_sync("id")).ok
        requests.append(emulator.ledger.requests)

    assert requests == [0, 7, 13]


class _BrokenList(list[str]):
    """A list that cannot be read to its end."""

    def __iter__(self) -> Iterator[str]:
        yield from self[:300]
        raise OSError("the file has gone")


async def test_an_input_that_fails_while_it_is_sorted_ends_with_its_error(
    emulator: Emulator, koophone: KooPhone
) -> None:
    ids = mixed(emulator)
    run = koophone.fleet(_BrokenList(ids)).run_sync("id")

    with pytest.raises(OSError, match="the file has gone"):
        await run

    assert run.report.counts == {State.SUCCEEDED: 300}
    assert emulator.ledger.executions(commands.RUN_SYNC.name) == dict.fromkeys(ids[:300], 1)


async def test_a_slow_list_holds_up_the_other_calls() -> None:
    loop = VirtualTimeLoop.running()
    served = Emulator(phones=12_000, servers=3, regions=REGIONS, now=loop.now, jobs=Durations(fixed=2))
    async with served as emulator, emulator.session() as session:
        emulator.fault(Delay(seconds=1), instances.LIST)

        report = await KooPhone(session).fleet(iter(mixed(emulator)[:3_000])).run_sync("id")

        assert report.ok
        assert calls(emulator, commands.RUN_SYNC.name) <= 30 + 1


@pytest.mark.parametrize("count", [2, 3, 20, 100])
async def test_a_few_ids_of_many_do_not_read_the_list(count: int) -> None:
    loop, phones = VirtualTimeLoop.running(), 10_000
    served = Emulator(phones=phones, servers=2, regions=REGIONS[:2], now=loop.now, jobs=Durations(fixed=2))
    async with served as emulator, emulator.session() as session:
        halves = [[phone.id for phone in emulator.phones if phone.region == region] for region in REGIONS[:2]]
        ids = [id for pair in zip(*halves, strict=True) for id in pair][:count]
        koophone = KooPhone(session)

        first = await koophone.fleet(ids).status()
        requests = emulator.ledger.requests
        second = await koophone.fleet(ids).status()

    assert first.ok
    assert second.ok
    look_up = min(phones // 100, 1 + count) if count > 2 else 0
    assert requests <= 2 + 1 + look_up
    assert emulator.ledger.requests - requests <= 2 + (count == 2)


@pytest.mark.parametrize("page, surplus", [(100, 1.06), (1_000, 0.12), (10_000, 0.03)])
async def test_pages_of_the_list_bound_the_surplus(page: int, surplus: float) -> None:
    """One refused call, and the pages: as a refusal is one bit, nothing separates random ids for less."""
    region_of = {f"p{number:05}": REGIONS[number % 2] for number in range(10_000)}

    def handle(request: ReceivedRequest) -> Reply:
        content: dict[str, list[str]] | None = request.json
        if content is None:
            first = (int(request.query["page_no"]) - 1) * page
            rows = [{"instance_id": id, "region": region_of[id]} for id in [*region_of][first : first + page]]
            return Reply({"error_code": "0", "data": {"result": rows, "total_count": len(region_of)}})
        if len({region_of[id] for id in content["instance_ids"]}) > 1:
            return Reply(
                {"error_code": "KOOPHONE.API.1002", "error_msg": "not in the same region"}, status=400
            )
        states = [{"instance_id": id, "status": 2} for id in content["instance_ids"]]
        return Reply({"error_code": "0", "data": {"status_results": states}})

    async with FakeServer.handling(handle) as server, server.session() as session:
        report = await KooPhone(session).fleet([*region_of]).status()

    assert report.ok
    assert len(server.received) <= 100 * (1 + surplus)


async def test_a_region_of_the_input_is_not_looked_up(emulator: Emulator, koophone: KooPhone) -> None:
    listed = {instance.id: instance async for instance in koophone.instances.list()}
    before = emulator.ledger.requests

    report = await koophone.fleet(listed[id] for id in mixed(emulator)).run_sync("id")

    assert report.ok
    assert emulator.ledger.requests - before == 6


async def test_a_stale_region_is_looked_up_again() -> None:
    regions = {"a": "r1", "b": "r1", "c": "r1"}

    async def listed(wanted: Collection[str] | None, _: int | None) -> AsyncIterator[tuple[str, str]]:
        assert wanted is None
        for item in regions.items():
            yield item

    known = RegionMap(listed)
    assert not await RegionLookup(known, lambda: None).separates(["a", "b", "c"])
    assert known.get("b") == "r1"
    regions["b"] = "r2"
    assert await RegionLookup(known, lambda: None).separates(["a", "b", "c"])
    assert known.get("b") == "r2"


async def test_ids_that_the_list_lacks_are_isolated(emulator: Emulator, koophone: KooPhone) -> None:
    ids = [*mixed(emulator), "missing1"]
    ids.insert(50, "missing2")

    report = await koophone.fleet(ids).run_sync("id")

    assert report.counts == {State.SUCCEEDED: 600, State.REFUSED: 2}
    # Each half that is free of wrong ids may be refused once more, because of its regions.
    assert calls(emulator, commands.RUN_SYNC.name) <= 6 + 2 * 2 * 7 + 2 * 7


async def test_ids_are_halved_where_the_list_is_refused(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Refuse(403, "KOOPHONE.API.1004"), instances.LIST)

    report = await koophone.fleet(mixed(emulator)[:20]).run_sync("id")

    assert report.ok
    assert calls(emulator, instances.LIST.name) == 1


async def test_a_slow_first_answer_holds_up_no_one_for_long(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=60), commands.RUN_SYNC, first=1)
    first, *_ = by_region(emulator)
    started = asyncio.get_running_loop().time()

    async for _ in koophone.fleet(first).run_sync("id"):
        break

    assert asyncio.get_running_loop().time() - started < 5


async def test_ids_put_back_wake_a_worker_that_waits_for_room(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=5), commands.RUN_SYNC, first=1)

    async with asyncio.timeout(600):
        report = await koophone.fleet(mixed(emulator), in_flight=100, concurrency=2).run_sync("id")

    assert report.ok
    assert set(emulator.ledger.executions(commands.RUN_SYNC.name).values()) == {1}


async def test_a_cancel_during_the_look_up_leaves_no_id_out(emulator: Emulator, koophone: KooPhone) -> None:
    emulator.fault(Delay(seconds=60), instances.LIST)
    run = koophone.fleet(mixed(emulator)[:90]).run_sync("id")

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await run

    assert run.report.counts == {State.NOT_SENT: 90}


async def test_an_async_input_is_grouped_too(emulator: Emulator, koophone: KooPhone) -> None:
    async def slow() -> AsyncIterator[str]:
        for id in mixed(emulator):
            await asyncio.sleep(0.01)
            yield id

    report = await koophone.fleet(slow(), in_flight=250).run_sync("id")

    assert report.ok
    assert set(emulator.ledger.executions(commands.RUN_SYNC.name).values()) == {1}
    assert calls(emulator, commands.RUN_SYNC.name) <= 12
