"""Selections become phones: each once, in the order in which they are reached."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.execution.targets import Targets, resolve, targets_of
from koophone_async.rollouts.plans.order import take_turns
from koophone_async.rollouts.plans.plan import Order, Plan, Selection, Step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from koophone_async.emulator import Emulator

pytestmark = pytest.mark.emulator(phones=12, servers=3)

ALL = Selection(all=True)


async def targets(
    emulator: Emulator,
    selections: Selection | Iterable[Selection],
    *,
    with_states: bool = False,
    **fields: Any,  # noqa: ANN401 - of the plan
) -> Targets:
    plan = Plan(targets=selections, steps=Step(fields.pop("verb", "reboot")), **fields)
    async with emulator.session() as session, Clients(plan, session) as clients:
        return await resolve(plan, clients, with_states=with_states)


def requests(emulator: Emulator) -> Counter[str]:
    return Counter(request.operation for request in emulator.ledger.recent_requests)


async def test_all_phones_are_those_of_the_list(emulator: Emulator, ids: list[str]) -> None:
    found = await targets(emulator, ALL)

    assert [target.id for target in found] == ids
    assert [target.position for target in found] == list(range(12))
    assert len(found) == 12
    assert found.count("region").total() == 12


async def test_stated_ids_keep_their_order_and_cost_no_request(emulator: Emulator) -> None:
    found = await targets(emulator, Selection(ids=["b", "0012", "a"]))

    assert found.ids == ["b", "0012", "a"]
    assert not requests(emulator)


async def test_a_phone_is_reached_once(emulator: Emulator, ids: list[str]) -> None:
    found = await targets(emulator, [Selection(ids=[ids[1], ids[0], ids[1]]), ALL])

    assert found.ids == [ids[1], ids[0], *ids[2:]]
    assert found.duplicates == 3
    assert [target.selection for target in found][:3] == [0, 0, 1]


async def test_the_same_id_in_another_project_is_another_phone(emulator: Emulator) -> None:
    selections = [Selection(ids=["a"], project_id=project) for project in ("p", "q")]

    assert (await targets(emulator, selections, service="cph", verb="stop")).ids == ["a", "a"]


async def test_phones_are_those_that_match(emulator: Emulator, ids: list[str]) -> None:
    found = await targets(emulator, Selection(where=f"id in ({ids[2]}, {ids[5]})"))

    assert found.ids == [ids[2], ids[5]]


async def test_ids_come_from_a_file(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("name,id\none,a\ntwo,b\n")

    assert (await targets(emulator, Selection(ids_file=str(tmp_path / "ids.csv")))).ids == ["a", "b"]


@pytest.mark.parametrize(
    "content, problem", [(None, "cannot be read: No such"), ("", "no ids"), ("a b", "line 1")]
)
async def test_a_wrong_file_is_named(
    emulator: Emulator, tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "ids"
    if content is not None:
        path.write_text(content)

    with pytest.raises(InvalidRequest, match=problem) as raised:
        await targets(emulator, Selection(ids_file=str(path)))
    assert raised.value.field == "targets[0].ids_file"


async def test_servers_are_found_by_their_tags(emulator: Emulator) -> None:
    servers = await targets(emulator, ALL, service="cph", verb="restart", resource="servers")
    tag = Selection(tag={"team": ["none", "shop"]})
    options: dict[str, Any] = {"service": "cph", "project_id": emulator.project_id}
    assert not len(await targets(emulator, tag, verb="restart", **options))
    plan = Plan(
        targets=Selection(ids=servers.ids[:2]), steps=Step("add_tags", {"tags": {"team": "shop"}}), **options
    )
    async with emulator.session() as session, Clients(plan, session) as clients:
        client: Any = await clients.get(0)
        await client.server_fleet(servers.ids[:2]).add_tags({"team": "shop"})

    assert (await targets(emulator, tag, verb="restart", **options)).ids == servers.ids[:2]


async def test_canaries_come_first(emulator: Emulator, ids: list[str]) -> None:
    found = await targets(emulator, ALL, order=Order(first=[ids[7], ids[3]], seed=1))

    assert found.ids[:2] == [ids[7], ids[3]]
    assert sorted(found.ids) == sorted(ids)


async def test_a_canary_that_is_not_selected_is_refused(emulator: Emulator) -> None:
    with pytest.raises(InvalidRequest, match=r"order\.first\[1\]: 'nobody' is not among the targets"):
        await targets(emulator, Selection(ids=["a"]), order=Order(first=["a", "nobody"]))


async def test_a_seed_shuffles_always_in_the_same_way(emulator: Emulator, ids: list[str]) -> None:
    orders = [(await targets(emulator, ALL, order=Order(seed=seed))).ids for seed in (7, 7, 8)]

    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != ids


async def test_phones_are_taken_from_servers_in_turn(emulator: Emulator) -> None:
    options: dict[str, Any] = {"service": "cph", "project_id": emulator.project_id, "verb": "stop"}
    listed = await targets(emulator, ALL, **options)
    spread = await targets(emulator, Selection(ids=listed.ids), order=Order(spread="server"), **options)

    assert len(listed.count("server")) == 3
    assert len({target.server for target in list(spread)[:3]}) == 3
    assert sorted(spread.ids) == sorted(listed.ids)


async def test_states_of_stated_ids_are_looked_up_if_wanted(emulator: Emulator, ids: list[str]) -> None:
    found = await targets(emulator, Selection(ids=[ids[0], "gone"]), with_states=True)

    assert found.count("state") == {"running": 1, None: 1}


async def test_a_region_is_that_of_the_phone_or_of_the_selection(emulator: Emulator) -> None:
    options: dict[str, Any] = {"service": "cph", "project_id": emulator.project_id, "verb": "stop"}
    found = await targets(emulator, Selection(all=True, region="cn-north-4"), **options)

    assert found.count("region") == {"cn-north-4": 12}


async def test_items_that_were_listed_are_targets_without_a_request(emulator: Emulator) -> None:
    plan = Plan(targets=ALL, steps=Step("stop"), service="cph", project_id=emulator.project_id)
    async with emulator.session() as session, Clients(plan, session) as clients:
        client: Any = await clients.get(0)
        items = [phone async for phone in client.phones.list()]
    found = targets_of([*items, "x", "x", items[0].id], Order(first=["x"]))

    assert found.ids == ["x", *[phone.id for phone in items]]
    assert found.duplicates == 2
    assert next(iter(found)).server is None
    assert [target.server for target in found][1:] == [phone.server for phone in items]


@given(st.lists(st.integers(0, 4), max_size=40))
def test_turns_differ_by_at_most_one_while_all_have_some(groups: list[int]) -> None:
    order = list(take_turns(range(len(groups)), groups.__getitem__))
    smallest = min(Counter(groups).values(), default=0)
    head = Counter(groups[position] for position in order[: smallest * len(set(groups))])

    assert sorted(order) == list(range(len(groups)))
    assert set(head.values()) <= {smallest}
