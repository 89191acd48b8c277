"""Single values of plans: what is read from their plain data is dumped as such data again."""

from __future__ import annotations

import pytest

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.context import Context, Plain
from koophone_async.rollouts.plans.model_types import MappingType, SingleOrMappingType
from koophone_async.rollouts.plans.plan import Selection
from koophone_async.rollouts.plans.value_types import BooleanType, TextOrNumberType, TextType

PROPERTY = TextOrNumberType()
USERS = SingleOrMappingType(TextType(), MappingType(TextType()))


@pytest.mark.parametrize(
    "raw, value",
    [
        (Plain("true"), True),
        (Plain("FALSE"), False),
        (Plain("yes"), "yes"),
        (Plain("12"), "12"),
        ("true", "true"),
        (7, 7),
        (False, False),
    ],
)
def test_a_text_or_number_keeps_its_type(raw: object, value: object) -> None:
    read = PROPERTY.read(raw, Context())

    assert (type(read), read) == (type(value), value)
    assert PROPERTY.read(PROPERTY.dump(read), Context()) == value


@pytest.mark.parametrize("raw", [None, Plain("~"), 1.5, ["a"]])
def test_nothing_else_is_a_text_or_number(raw: object) -> None:
    with pytest.raises(InvalidRequest, match="must be text"):
        PROPERTY.read(raw, Context(path="steps[0]"))


@pytest.mark.parametrize("value", ["u", {"a": "u", "b": "v"}])
def test_one_value_or_one_by_phone_is_dumped_as_it_was_read(value: object) -> None:
    assert USERS.read(value, Context()) == value
    assert USERS.dump(USERS.read(value, Context())) == value


@pytest.mark.parametrize("raw, value", [(Plain("True"), True), (Plain("FALSE"), False), (False, False)])
def test_a_boolean_is_dumped_as_it_was_read(raw: object, value: object) -> None:
    assert BooleanType().dump(BooleanType().read(raw, Context())) is value


def test_an_expression_that_is_none_is_refused_where_it_stands() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Selection(where="running ==")

    assert caught.value.field == "where"
