"""Selections of items: matching, validation against a model, and pushdown into queries."""

from __future__ import annotations

import operator
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.cph import (
    EncodingServer,
    EncodingServerQuery,
    EventQuery,
    Image,
    ImageQuery,
    Phone,
    PhoneQuery,
    PhoneState,
    PhoneType,
    ScheduledEvent,
    Server,
    ServerQuery,
)
from koophone_async.errors import InvalidRequest
from koophone_async.koophone import Instance, InstanceQuery, InstanceStatus, RunningState
from koophone_async.selection import Where, parse
from koophone_async.wire import wire

if TYPE_CHECKING:
    from koophone_async import KooPhone
    from koophone_async.emulator import Emulator


class Level(IntEnum):
    NONE = 0
    SOME_MORE = 1
    LOST = -2


class Colour(StrEnum):
    RED = "red"
    SKY = "light-blue"


@frozen
class Thing:
    name: str | None = field(default=None, metadata=wire("thing_name", "thing_title"))
    size: int | None = None
    share: float = 0.5
    is_on: bool | None = None
    made_at: datetime | None = None
    level: Level | int | None = None
    colour: Colour | str | None = None
    parts: tuple[str, ...] = ()


NOON = datetime(2025, 2, 8, 12, tzinfo=UTC)
WHOLE = Thing("Shop-7", 7, 0.5, True, NOON, Level.SOME_MORE, Colour.SKY)  # noqa: FBT003 - a row


@pytest.mark.parametrize(
    "text",
    [
        "name == Shop-7",
        "thing_name == Shop-7",
        "thing_title == Shop-7",
        "name != shop-7",
        "name ~ Shop-*",
        "name ~ 'S[a-h]?p-7'",
        "name !~ shop-*",
        "name > Shop-6",
        "name in (x, Shop-7)",
        "name not in (x, y)",
        "size == 7",
        "size == 7.0",
        "size >= 7 and size <= 7",
        "size < 7.5 and size > -1",
        "share == 0.5",
        "is_on == true",
        "is_on != False",
        "made_at == 2025-02-08T12:00:00Z",
        "made_at == 2025-02-08T13:00:00+01:00",
        "made_at > 2025-02-08",
        "made_at < '2025-02-08 12:01'",
        "level == some_more",
        "level == SOME-MORE",
        "level == 1",
        "level in (none, some_more)",
        "level > lost",
        "level ~ some*",
        "level != 99",
        "colour == sky",
        "colour == Light-Blue",
        "colour ~ *BLUE",
        "size != null",
    ],
)
def test_an_item_matches(text: str) -> None:
    assert parse(text)(WHOLE)
    assert not parse(f"not ({text})")(WHOLE)


@pytest.mark.parametrize(
    "text", ["name == null", "size in (1, null)", "is_on != true", "name !~ *", "not made_at < 2100-01-01"]
)
def test_a_missing_value_equals_null(text: str) -> None:
    assert parse(text)(Thing())


@pytest.mark.parametrize("comparison", ["<", "<=", ">", ">=", "==", "~"])
def test_a_missing_value_matches_nothing_else(comparison: str) -> None:
    assert not parse(f"name {comparison} x")(Thing())


@pytest.mark.parametrize(
    "item, text",
    [
        (Thing(level=99), "level == 99"),
        (Thing(level=99), "level > some-more"),
        (Thing(level=99), "level ~ 9*"),
        (Thing(colour="pink"), "colour !~ red and colour ~ PI*"),
        (Thing(level=Level.NONE), "level == none and level == 0"),
        (Thing(level=Level.LOST), "level == -2 and level < 0"),
    ],
)
def test_unknown_states_match_by_number(item: Thing, text: str) -> None:
    assert parse(text)(item)


def test_an_error_lists_the_fields_that_can_be_compared() -> None:
    with pytest.raises(
        InvalidRequest, match=r"the fields are name, size, share, is_on, made_at, level, colour$"
    ):
        parse("zzzz == 1").predicate(Thing)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("nme == 1", "column 1: nme is not a field of Thing; did you mean name? the fields are name"),
        ("size == 1 or zzzz == 1", "column 14: zzzz is not a field of Thing; the fields are name"),
        ("parts == 1", "column 1: parts is not a single value that can be compared"),
        ("size == x", "column 9: expected a number, not 'x'"),
        ("is_on == 1", "column 10: expected true or false, not '1'"),
        ("made_at > soon", "column 11: expected a time such as 2025-02-08T12:00:00Z, not 'soon'"),
        ("level == much", "expected one of none, some_more, lost or a number, not 'much'"),
        ("colour == pink", "column 11: expected one of red, sky, not 'pink'"),
        ("colour < red", "column 1: colour has no order; expected ==, != or in"),
        ("is_on < true", "column 1: is_on has no order"),
        ("size > null", "column 1: null has no order"),
        ("size ~ 1*", "column 1: ~ is for text, not for a number"),
        ("name ~ null", "column 1: ~ is for text, not for null"),
    ],
)
def test_a_predicate_is_validated_against_its_model(text: str, problem: str) -> None:
    where = parse(text)

    with pytest.raises(InvalidRequest) as caught:
        where.predicate(Thing)

    assert caught.value.problem.startswith(problem) or problem in caught.value.problem


def test_a_field_of_two_enums_cannot_be_compared() -> None:
    with pytest.raises(InvalidRequest, match="status is not a single value"):
        parse("status == running").predicate(InstanceStatus)


def test_fields_lists_each_name_once_as_written() -> None:
    assert parse("b == 1 and not (thing_name ~ x or b == 2)").fields == ("b", "thing_name")


@given(
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.none() | st.integers(-5, 5),
    st.integers(-5, 5),
)
def test_numbers_compare_as_numbers(operator_: str, size: int | None, bound: int) -> None:
    compare = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le}
    compare |= {">": operator.gt, ">=": operator.ge}
    expected = operator_ == "!=" if size is None else compare[operator_](size, bound)

    assert parse(f"size {operator_} {bound}")(Thing(size=size)) is expected


@pytest.mark.parametrize(
    "text, model, query, pushed",
    [
        (
            "status == running and server_id == s1 and name == x and type == 0",
            Phone,
            PhoneQuery(),
            PhoneQuery("x", "s1", PhoneState.RUNNING, PhoneType.COMMON),
        ),
        ("state in (running) and imei == 1", Phone, PhoneQuery(), PhoneQuery(state=PhoneState.RUNNING)),
        ("(name == x and (server == s)) and id ~ a*", Phone, PhoneQuery(), PhoneQuery("x", "s")),
        ("name == x and name == y", Phone, PhoneQuery(), PhoneQuery("x")),
        ("event_id == e and state == failed", ScheduledEvent, EventQuery(), EventQuery(event="e")),
        ("id == i and image_type == share", Image, ImageQuery(), ImageQuery("i", type="share")),  # type: ignore[arg-type]
        ("cidr == x and network == own", Server, ServerQuery(), ServerQuery(network="v2")),
    ],
)
def test_conditions_that_the_service_can_filter_are_pushed_down(
    text: str, model: type, query: object, pushed: object
) -> None:
    assert parse(text).pushed_down(model, query) == pushed


@pytest.mark.parametrize(
    "text",
    [
        "name == x or server == s",
        "not name == x",
        "name != x",
        "name ~ x*",
        "server in (a, b)",
        "server > s",
        "server == null",
        "status == 99",
        "created_at == 2025-01-01",
    ],
)
def test_other_conditions_are_not_pushed_down(text: str) -> None:
    assert parse(text).pushed_down(Phone, PhoneQuery()) == PhoneQuery()


def test_pushdown_keeps_the_values_of_a_query() -> None:
    where = parse("server == s1 and name == x")

    assert where.pushed_down(Phone, PhoneQuery(server="s2", limit=7)) == PhoneQuery("x", "s2", limit=7)


def test_a_number_of_another_enum_is_not_pushed_down() -> None:
    pushed = parse("state == 4 and server == s").pushed_down(EncodingServer, EncodingServerQuery())

    assert pushed == EncodingServerQuery(server="s")


def test_pushdown_refuses_a_value_that_the_query_refuses() -> None:
    with pytest.raises(InvalidRequest, match="id: is 65 characters long"):
        parse(f"id == {'x' * 65}").pushed_down(Image, ImageQuery())


async def test_instances_are_filtered_while_they_are_listed(emulator: Emulator, koophone: KooPhone) -> None:
    where = parse('running == running and (name ~ "*1" or id in (phone0002))')
    for phone in list(emulator.phones):
        expected = phone.id.endswith("1") or phone.id == "phone0002"
        assert where(Instance(phone.id, phone.id, running=RunningState.RUNNING)) is expected

    query = where.pushed_down(Instance, InstanceQuery())
    matching = [instance async for instance in where.filter(koophone.instances.list(query))]
    all_instances = [instance async for instance in koophone.instances.list()]

    assert matching == [instance for instance in all_instances if where(instance)]
    assert 0 < len(matching) < len(all_instances)


def test_items_listed_by_the_service_are_matched_again() -> None:
    phones: list[Any] = [Phone("1", "shop"), Phone("2", "shop-2")]
    where: Where = parse("name == shop")

    assert [phone.id for phone in phones if where(phone)] == ["1"]
    assert where(evolve(phones[1], name="shop"))
