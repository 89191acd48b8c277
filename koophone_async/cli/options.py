"""Options made from the library's signatures and models, and read back into what the library takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from inspect import Parameter, signature
from typing import Any, Final, TypeAlias, cast, get_args, get_type_hints, is_typeddict

import attrs
import typer
from attrs import frozen

from koophone_async.cli import help_text
from koophone_async.cli.json_options import (
    Attribute,
    Hint,
    Wire,
    first,
    json_object,
    json_of,
    origin,
    structure,
)
from koophone_async.cli.values import TIME, Free, Given, Kind, Scalar, Values, kind_of, made, option
from koophone_async.errors import InvalidRequest
from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

_OWN: Final = ("page", "request_id")
"""Fields that the library fills itself."""

BODY: Final = "Fields as the API spells them: JSON, or @FILE. Options come on top."


@frozen
class Leaf:
    """A field of a model that is one value, and how deep it lies."""

    path: tuple[Attribute, ...]
    kind: Kind
    help: str
    is_list: bool = False

    @property
    def name(self) -> str:
        """The option's name: `charge_period` is the field `period` of the field `charge`."""
        return "_".join(attribute.name.removeprefix("is_") for attribute in self.path)

    @property
    def option(self) -> str:
        """The option as it is written."""
        return option(self.name)

    @property
    def wire_path(self) -> str:
        """Where the API has it, with dots between the names."""
        return ".".join(spelling(attribute).name for attribute in self.path)

    @property
    def parameter(self) -> Parameter:
        """The option as typer takes it."""
        spelt = f"{self.option}/--no-{self.option[2:]}" if self.kind.type is bool else self.option
        kind = list[str] if self.is_list else self.kind.type
        return made(self.name, kind, typer.Option(spelt, help=self.help), required=False)

    def put(self, value: object, into: Wire) -> None:
        """Put a value where the API has it."""
        *outer, last = (spelling(attribute).name for attribute in self.path)
        for name in outer:
            into = into.setdefault(name, {})
        into[last] = value.value if isinstance(value, Enum) else value

    def given(self, given: Given) -> object:
        """Give what was written; None where nothing was."""
        value = given[self.name]
        if self.is_list:
            return value or None
        return None if value is None else self.kind.value(value)


@frozen
class Model:
    """A parameter that is an object: an option for each plain field, and `--body` for all of it."""

    name: str
    model: type
    leaves: tuple[Leaf, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The options."""
        lists = [a for a in attrs.fields(attrs.resolve_types(self.model)) if _is_objects(a.type)]
        only = f" Only there: {'; '.join(map(_objects, lists))}." if lists else ""
        return (*(leaf.parameter for leaf in self.leaves), _body(BODY + only))

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the object.

        Raises:
            InvalidRequest: Something is missing, unknown or not of its type.
        """
        wire = json_object(given["body"]) if given["body"] is not None else {}
        for leaf in self.leaves:
            if (value := leaf.given(given)) is not None:
                leaf.put(value, wire)
        yield self.name, structure(self.model, wire, {leaf.wire_path: leaf.option for leaf in self.leaves})


@frozen
class Many:
    """A parameter that is a list of objects, which only JSON can say."""

    name: str
    model: type
    help: str

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The option."""
        return (
            _body(help_text.sentence(self.help, "A JSON list as the API spells it, or @FILE"), required=True),
        )

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the objects."""
        items = json_of(given["body"])
        if not isinstance(items, list):
            raise InvalidRequest("", "--body", "is not a JSON list")
        yield self.name, tuple(structure(self.model, item) for item in cast("list[object]", items))


Slot: TypeAlias = Scalar | Values | Free | Model | Many


@frozen
class Form:
    """All parameters of a method."""

    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, method: Callable[..., Any], operation: AnyOperation) -> Form:
        """Read a method's signature and docstring."""
        hints, said = get_type_hints(method), help_text.arguments(method)
        return cls(
            tuple(
                _slot(parameter, hints[name], said.get(name, ""), operation)
                for name, parameter in signature(method).parameters.items()
                if name != "self"
            )
        )

    @property
    def parameters(self) -> list[Parameter]:
        """All options and arguments."""
        return [parameter for slot in self.slots for parameter in slot.parameters]

    def read(self, given: Given) -> dict[str, object]:
        """Give the method's arguments."""
        return dict(pair for slot in self.slots for pair in slot.read(given))


def _slot(parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> Slot:  # noqa: A002 - typer's word
    plain = first(hint)
    item = get_args(plain)[0] if origin(plain) is Iterable else None
    if attrs.has(plain):
        return Model(parameter.name, plain, tuple(_leaves(plain)))
    if item is not None and attrs.has(item):
        return Many(parameter.name, item, help)
    if origin(plain) is Mapping and get_args(plain)[-1] is object:
        return Free.of(parameter)
    if item is not None or origin(plain) is Mapping or is_typeddict(plain):
        return Values.of(parameter, plain, help, operation)
    return Scalar.of(parameter, hint, help, operation)


def _leaves(model: type, above: tuple[Attribute, ...] = ()) -> Iterator[Leaf]:
    for attribute in attrs.fields(attrs.resolve_types(model)):
        hint, path = first(attribute.type), (*above, attribute)
        if attrs.has(hint):
            yield from _leaves(hint, path)
        elif attribute.name not in _OWN:
            yield from _leaf(model, path, hint)


def _leaf(model: type, path: tuple[Attribute, ...], hint: Hint) -> Iterator[Leaf]:
    """Make an option of a field, unless only JSON can say it or only one value is allowed."""
    attribute, is_list = path[-1], origin(hint) is tuple
    if _is_objects(hint):
        return
    kind = Kind(str) if is_list else kind_of(hint, help_text.checks(attribute))
    if len(kind.values) != 1:
        limit = "" if kind.values else help_text.limit(attribute)
        said = help_text.fields(model).get(attribute.name, "")
        yield Leaf(path, kind, help_text.sentence(said, limit, _default(path, hint)), is_list)


def _is_objects(hint: Hint) -> bool:
    """Whether a field is a list of objects, which only JSON can say."""
    plain = first(hint)
    return origin(plain) is tuple and attrs.has(get_args(plain)[0])


def _objects(attribute: Attribute) -> str:
    """Say what a list of objects is called, and what each of them has."""
    (item, *_) = get_args(first(attribute.type))
    each = [
        spelling(a).name + (f" ({limit})" if (limit := help_text.limit(a)) else "")
        for a in attrs.fields(attrs.resolve_types(item))
    ]
    return help_text.escaped(f"{spelling(attribute).name}, each with {', '.join(each)}")


def _default(path: Sequence[Attribute], hint: Hint) -> str:
    *above, attribute = path
    if attribute.default is attrs.NOTHING:
        is_always = all(outer.default is attrs.NOTHING for outer in above)
        group = "-".join(outer.name.replace("_", "-") for outer in above)
        return "Required" if is_always else f"Required with any other --{group} option"
    if origin(hint) is tuple:
        return "Once for each value"
    if hint is datetime:
        return TIME
    return "" if attribute.default in (None, "", ()) else f"Default: {attribute.default}"


def _body(help: str, *, required: bool = False) -> Parameter:  # noqa: A002 - typer's word
    return made("body", str, typer.Option("--body", metavar="JSON", help=help), required=required)
