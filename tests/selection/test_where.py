"""Selections of items: what fits, what no field can hold, and what the service is asked for."""

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
def test_it_fits(text: str) -> None:
    assert parse(text)(WHOLE)
    assert not parse(f"not ({text})")(WHOLE)


@pytest.mark.parametrize(
    "text", ["name == null", "size in (1, null)", "is_on != true", "name !~ *", "not made_at < 2100-01-01"]
)
def test_what_is_missing_equals_null_and_nothing_else(text: str) -> None:
    assert parse(text)(Thing())


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "~"])
def test_what_is_missing_meets_no_other_condition(sign: str) -> None:
    assert not parse(f"name {sign} x")(Thing())


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
def test_members_that_this_version_does_not_know_can_be_asked_for(item: Thing, text: str) -> None:
    assert parse(text)(item)


def test_the_fields_that_are_told_are_those_that_can_be_compared() -> None:
    with pytest.raises(InvalidRequest, match=r"known are name, size, share, is_on, made_at, level, colour$"):
        parse("zzzz == 1").on(Thing)


@pytest.mark.parametrize(
    "text, problem",
    [
        ("nme == 1", "column 1: nme is not a field of Thing; did you mean name? known are name, size, "),
        ("size == 1 or zzzz == 1", "column 14: zzzz is not a field of Thing; known are name, size"),
        ("parts == 1", "column 1: parts holds no single value that can be compared"),
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
def test_what_a_model_cannot_answer_is_told_before_there_are_items(text: str, problem: str) -> None:
    where = parse(text)

    with pytest.raises(InvalidRequest) as caught:
        where.on(Thing)

    assert caught.value.problem.startswith(problem) or problem in caught.value.problem


def test_lists_of_states_that_clash_are_not_mixed_up() -> None:
    with pytest.raises(InvalidRequest, match="status holds no single value"):
        parse("status == running").on(InstanceStatus)


def test_fields_are_named_as_they_were_written_once() -> None:
    assert parse("b == 1 and not (thing_name ~ x or b == 2)").fields == ("b", "thing_name")


@given(
    st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
    st.none() | st.integers(-5, 5),
    st.integers(-5, 5),
)
def test_numbers_compare_as_numbers(sign: str, held: int | None, wanted: int) -> None:
    compare = {"==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le}
    compare |= {">": operator.gt, ">=": operator.ge}
    expected = sign == "!=" if held is None else compare[sign](held, wanted)

    assert parse(f"size {sign} {wanted}")(Thing(size=held)) is expected


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
def test_the_service_is_asked_for_what_it_can_look_after(
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
def test_what_not_every_item_must_meet_is_not_asked_for(text: str) -> None:
    assert parse(text).pushed_down(Phone, PhoneQuery()) == PhoneQuery()


def test_a_query_keeps_what_it_says_already() -> None:
    where = parse("server == s1 and name == x")

    assert where.pushed_down(Phone, PhoneQuery(server="s2", limit=7)) == PhoneQuery("x", "s2", limit=7)


def test_a_number_that_means_another_thing_in_the_query_is_not_asked_for() -> None:
    pushed = parse("state == 4 and server == s").pushed_down(EncodingServer, EncodingServerQuery())

    assert pushed == EncodingServerQuery(server="s")


def test_a_value_that_the_service_does_not_take_is_told_before_listing() -> None:
    with pytest.raises(InvalidRequest, match="id: is 65 characters long"):
        parse(f"id == {'x' * 65}").pushed_down(Image, ImageQuery())


async def test_instances_are_chosen_while_they_are_listed(emulator: Emulator, koophone: KooPhone) -> None:
    where = parse('running == running and (name ~ "*1" or id in (phone0002))')
    for phone in list(emulator.phones):
        expected = phone.id.endswith("1") or phone.id == "phone0002"
        assert where(Instance(phone.id, phone.id, running=RunningState.RUNNING)) is expected

    query = where.pushed_down(Instance, InstanceQuery())
    chosen = [instance async for instance in where.among(koophone.instances.list(query))]
    every = [instance async for instance in koophone.instances.list()]

    assert chosen == [instance for instance in every if where(instance)]
    assert 0 < len(chosen) < len(every)


def test_what_was_chosen_by_the_service_is_asked_again() -> None:
    phones: list[Any] = [Phone("1", "shop"), Phone("2", "shop-2")]
    where: Where = parse("name == shop")

    assert [phone.id for phone in phones if where(phone)] == ["1"]
    assert where(evolve(phones[1], name="shop"))
