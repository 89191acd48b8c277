"""Requests that cannot be read are refused with the field and the rule that it breaks."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

import pytest
from attrs import field, frozen

from koophone_async import Edition
from koophone_async.checks import Text
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.wire import request_from_wire, wire

if TYPE_CHECKING:
    from koophone_async.wire import Json


class Colour(StrEnum):
    RED = "red"


@frozen
class Inner:
    count: int = field(metadata=wire("inner_count"))
    label: str = field(default="a", validator=Text(3))


@frozen
class Outer:
    name: str = field(metadata=wire("outer_name"))
    colour: Colour = Colour.RED
    rows: tuple[Inner, ...] = ()


def test_a_request_is_built_from_its_json() -> None:
    value = {"outer_name": "a", "colour": "red", "rows": [{"inner_count": 1}]}

    assert request_from_wire(Outer, value, Edition.CHINA) == Outer("a", Colour.RED, (Inner(1),))


INVALID: Final[list[tuple[Json, str, Rule]]] = [
    ({}, "name", Rule.MISSING),
    ({"outer_name": None}, "name", Rule.MISSING),
    ({"outer_name": {}}, "name", Rule.WRONG_TYPE),
    ({"outer_name": "a", "colour": "pink"}, "colour", Rule.WRONG_TYPE),
    ({"outer_name": "a", "rows": 5}, "rows", Rule.WRONG_TYPE),
    ({"outer_name": "a", "rows": [5]}, "rows", Rule.WRONG_TYPE),
    ({"outer_name": "a", "rows": [{"inner_count": 1}, {}]}, "count", Rule.MISSING),
    ({"outer_name": "a", "rows": [{"inner_count": "x"}]}, "count", Rule.WRONG_TYPE),
    ({"outer_name": "a", "rows": [{"inner_count": 1, "label": "abcd"}]}, "label", Rule.TOO_LONG),
    ({"outer_name": "a", "colour": "pink", "rows": [{}]}, "colour", Rule.WRONG_TYPE),
]


@pytest.mark.parametrize("value, name, rule", INVALID)
def test_an_invalid_field_is_named_with_its_rule(value: Json, name: str, rule: Rule) -> None:
    with pytest.raises(InvalidRequest) as caught:
        request_from_wire(Outer, value, Edition.CHINA)

    assert (caught.value.field, caught.value.rule) == (name, rule)


@frozen
class Nested:
    inner: Inner
    colour: Colour = Colour.RED


def test_a_broken_rule_goes_before_a_later_unreadable_field() -> None:
    value = {"inner": {"inner_count": 1, "label": "abcd"}, "colour": "pink"}

    with pytest.raises(InvalidRequest) as caught:
        request_from_wire(Nested, value, Edition.CHINA)

    assert (caught.value.field, caught.value.rule) == ("label", Rule.TOO_LONG)
