"""Values on the command line: one option or argument each, and how what was written is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from inspect import Parameter
from typing import Annotated, Any, Final, TypeAlias, get_args

import attrs
import typer
from attrs import field, frozen

from koophone_async.checks import OneOf
from koophone_async.cli import help_text, key_value
from koophone_async.cli.json_options import MOMENT, Attribute, Hint, first, json_object, origin
from koophone_async.errors import InvalidRequest
from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

Given: TypeAlias = Mapping[str, Any]

TIME: Final = f"A {MOMENT}"


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


def _moment(option: str, written: str) -> datetime:
    """Read a time; without a zone it is UTC.

    Raises:
        InvalidRequest: It is none.
    """
    try:
        read = datetime.fromisoformat(written)
    except ValueError:
        raise InvalidRequest("", option, f"is {written!r}; write a {MOMENT}") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def kind_of(hint: Hint, checks: Iterable[object] = ()) -> Kind:
    """Say how values of a type are written, as choices where there are only a few."""
    plain = first(hint)
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
    is_time: bool = False

    @classmethod
    def of(cls, parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> Scalar:  # noqa: A002 - typer's word
        """Make an option, or an argument of what names the thing that the call is about."""
        name = parameter.name
        attribute = next((a for a in attrs.fields(operation.request) if _is_meant(a, name)), None)
        kind = kind_of(hint, help_text.checks(attribute) if attribute else ())
        # The choices of one of a few values are printed as its type.
        text = help_text.sentence(help, help_text.limit(attribute) if attribute and not kind.values else "")
        is_named = attribute is not None and f"{{{spelling(attribute).name}}}" in operation.path
        if is_named or name == "instance":
            info: Any = typer.Argument(metavar="ID" if name == "instance" else name.upper(), help=text)
        else:
            secret = name == "password"
            info = typer.Option(option(name), help=text, prompt=secret, hide_input=secret)
        is_required = parameter.default is Parameter.empty
        one = made(name, kind.type, info, required=is_required)
        return cls(name, kind, (one,), is_time=first(hint) is datetime)

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the value if it was given.

        Raises:
            InvalidRequest: It is to be a time, and is none.
        """
        value = given[self.name]
        if value is not None:
            yield self.name, _moment(option(self.name), value) if self.is_time else self.kind.value(value)


def _is_meant(attribute: Attribute, name: str) -> bool:
    """Whether a parameter is the field of its name, and not one that can only have one value."""
    fixed = (check for check in help_text.checks(attribute) if isinstance(check, OneOf))
    return attribute.name == name and not any(len(check.values) == 1 for check in fixed)


@frozen
class Values:
    """A parameter that is given as often as there are values."""

    name: str
    parameters: tuple[Parameter, ...]
    reads: Callable[[str, Sequence[str]], object]

    @classmethod
    def of(cls, parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> Values:  # noqa: A002 - typer's word
        """Make an option for texts or for pairs; an argument for the ids that the call is about."""
        name, is_list = parameter.name, origin(hint) is Iterable
        if is_list and operation.batch is not None and name == operation.batch.field:
            info: Any = typer.Argument(metavar="ID", help=help_text.sentence(help))
        else:
            often = f"Once for each {'value' if is_list else 'key'}"
            metavar = "TEXT" if is_list else "KEY=VALUE"
            info = typer.Option(option(name), metavar=metavar, help=help_text.sentence(help, often))
        one = made(name, list[str], info, required=parameter.default is Parameter.empty)
        return cls(name, (one,), _reader(hint))

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the values if there are any.

        Raises:
            InvalidRequest: One is no pair, and is to be one.
        """
        if given[self.name]:
            yield self.name, self.reads(option(self.name), given[self.name])


def _reader(hint: Hint) -> Callable[[str, Sequence[str]], object]:
    if origin(hint) is Iterable:
        return lambda _, written: tuple(written)
    has_lists = origin(hint) is Mapping and origin(get_args(hint)[-1]) is Iterable
    return key_value.lists if has_lists else key_value.values


@frozen
class Free:
    """A parameter that is any JSON object."""

    name: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, parameter: Parameter) -> Free:
        """Make an option."""
        info = typer.Option(option(parameter.name), metavar="JSON", help="A JSON object, or @FILE.")
        required = parameter.default is Parameter.empty
        return cls(parameter.name, (made(parameter.name, str, info, required=required),))

    def read(self, given: Given) -> Iterator[tuple[str, object]]:
        """Give the object if it was given.

        Raises:
            InvalidRequest: It is not a JSON object.
        """
        if given[self.name] is not None:
            yield self.name, json_object(given[self.name], option(self.name))


def option(name: str) -> str:
    """Give the option for a parameter."""
    return f"--{name.replace('_', '-')}"


def made(name: str, kind: Hint, info: Hint, *, required: bool) -> Parameter:
    """Make a parameter of a command."""
    annotated: Hint = Annotated
    annotation = annotated[kind if required else kind | None, info]
    default = Parameter.empty if required else None
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
