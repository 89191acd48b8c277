"""Options made from the library's signatures and models, and read back into what the library takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from inspect import Parameter, signature
from typing import Annotated, Any, Final, TypeAlias, cast, get_args, get_type_hints

import attrs
import typer
from attrs import field, frozen

from koophone_async.checks import OneOf
from koophone_async.cli import words
from koophone_async.cli.bodies import (
    Attribute,
    Hint,
    Wire,
    json_object,
    json_of,
    origin,
    structure,
    without_none,
)
from koophone_async.errors import Misuse
from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

Given: TypeAlias = Mapping[str, Any]

_OWN: Final = ("page", "request_id")
"""Fields that the library fills itself."""

_IDS: Final = ("self", "instances", "pairs")
"""Parameters that the choice of instances takes the place of."""

BODY: Final = "Fields as the API spells them: JSON, or @FILE. Options come on top."


@frozen
class Kind:
    """How a value is written on the command line."""

    type: Hint
    """What typer reads: a type, or an enum made of the choices."""

    values: Mapping[str, Any] = field(factory=dict[str, Any])
    """What the choices stand for."""

    def value(self, given: object) -> object:
        """Give what was written as the library takes it."""
        return self.values[given.value] if isinstance(given, Enum) else given


def kind_of(hint: Hint, checks: Iterable[object] = ()) -> Kind:
    """Say how values of a type are written, as choices where there are only a few."""
    plain = without_none(hint)
    listed = [value for check in checks if isinstance(check, OneOf) for value in check.values]
    members = listed or (list(plain) if isinstance(plain, type) and issubclass(plain, Enum) else [])
    values = {_label(member): member for member in members if member is not None}
    if values:
        return Kind(StrEnum("Choice", {label: label for label in values}), values)
    return Kind(plain if plain in (int, float, bool) else str)


def _label(member: object) -> str:
    match member:
        case IntEnum():
            return member.name.lower().replace("_", "-")
        case Enum():
            return str(member.value)
        case _:
            return str(member)


@frozen
class Scalar:
    """A parameter that is one value."""

    name: str
    kind: Kind
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> Scalar:  # noqa: A002 - typer's word
        """Make an option, or an argument of what names the thing that the call is about."""
        name = parameter.name
        attribute = next((a for a in attrs.fields(operation.request) if a.name == name), None)
        kind = kind_of(hint, words.checks(attribute) if attribute else ())
        text = words.sentence(help, words.limit(attribute) if attribute else "")
        is_named = attribute is not None and f"{{{spelling(attribute).name}}}" in operation.path
        if is_named or name == "instance":
            info: Any = typer.Argument(metavar="ID" if name == "instance" else name.upper(), help=text)
        else:
            secret = name == "password"
            info = typer.Option(f"--{name.replace('_', '-')}", help=text, prompt=secret, hide_input=secret)
        optional = parameter.default is not Parameter.empty
        return cls(name, kind, (_parameter(name, kind.type, info, required=not optional),))

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the value if it was given."""
        if given[self.name] is not None:
            yield self.name, self.kind.value(given[self.name])


@frozen
class Leaf:
    """A field of a model that is one value, and how deep it lies."""

    path: tuple[Attribute, ...]
    kind: Kind
    help: str

    @property
    def name(self) -> str:
        """The option's name: `charge_period` is the field `period` of the field `charge`."""
        return "_".join(attribute.name.removeprefix("is_") for attribute in self.path)

    @property
    def option(self) -> str:
        """The option as it is written."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def parameter(self) -> Parameter:
        """The option as typer takes it."""
        spelt = f"{self.option}/--no-{self.option[2:]}" if self.kind.type is bool else self.option
        return _parameter(self.name, self.kind.type, typer.Option(spelt, help=self.help), required=False)

    def put(self, value: object, into: Wire) -> None:
        """Put a value where the API has it."""
        *outer, last = (spelling(attribute).name for attribute in self.path)
        for name in outer:
            into = into.setdefault(name, {})
        into[last] = value.value if isinstance(value, Enum) else value


@frozen
class Model:
    """A parameter that is an object: an option for each plain field, and `--body` for all of it."""

    name: str
    model: type
    leaves: tuple[Leaf, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The options."""
        return (*(leaf.parameter for leaf in self.leaves), _body(BODY))

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the object.

        Raises:
            Misuse: Something is missing, unknown or not of its type.
        """
        wire = json_object(given["body"]) if given["body"] is not None else {}
        for leaf in self.leaves:
            if given[leaf.name] is not None:
                leaf.put(leaf.kind.value(given[leaf.name]), wire)
        yield self.name, structure(self.model, wire, {leaf.path[-1]: leaf.option for leaf in self.leaves})


@frozen
class Many:
    """A parameter that is a list of objects, which only JSON can say."""

    name: str
    model: type
    help: str

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The option."""
        return (_body(f"{self.help}. A JSON list as the API spells it, or @FILE", required=True),)

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the objects."""
        items = json_of(given["body"])
        if not isinstance(items, list):
            raise Misuse("", "--body", "is no JSON list")
        yield self.name, tuple(structure(self.model, item) for item in cast("list[object]", items))


Slot: TypeAlias = Scalar | Model | Many


@frozen
class Form:
    """All parameters of a method."""

    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, method: Callable[..., Any], operation: AnyOperation) -> Form:
        """Read a method's signature and docstring."""
        hints, said = get_type_hints(method), words.arguments(method)
        return cls(
            tuple(
                _slot(parameter, hints[name], said.get(name, ""), operation)
                for name, parameter in signature(method).parameters.items()
                if name not in _IDS
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
    if attrs.has(hint):
        return Model(parameter.name, hint, tuple(_leaves(hint)))
    item = get_args(hint)[0] if origin(hint) is Iterable else None
    if item is not None and attrs.has(item):
        return Many(parameter.name, item, help)
    return Scalar.of(parameter, hint, help, operation)


def _leaves(model: type, above: tuple[Attribute, ...] = ()) -> Iterator[Leaf]:
    said = words.fields(model)
    for attribute in attrs.fields(attrs.resolve_types(model)):
        hint, path = without_none(attribute.type), (*above, attribute)
        if attrs.has(hint):
            yield from _leaves(hint, path)
            continue
        kind = kind_of(hint, words.checks(attribute))
        if attribute.name in _OWN or len(kind.values) == 1:
            continue
        limit = "" if kind.values else words.limit(attribute)
        yield Leaf(path, kind, words.sentence(said.get(attribute.name, ""), limit, _default(attribute, hint)))


def _default(attribute: Attribute, hint: Hint) -> str:
    if attribute.default is attrs.NOTHING:
        return "Required"
    if hint is datetime:
        return "A time such as 2026-01-31T12:00:00Z"
    return "" if attribute.default in (None, "") else f"Default: {attribute.default}"


def _parameter(name: str, kind: Hint, info: Hint, *, required: bool) -> Parameter:
    annotated: Hint = Annotated
    annotation = annotated[kind if required else kind | None, info]
    default = Parameter.empty if required else None
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _body(help: str, *, required: bool = False) -> Parameter:  # noqa: A002 - typer's word
    return _parameter("body", str, typer.Option("--body", metavar="JSON", help=help), required=required)
