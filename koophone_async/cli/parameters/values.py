"""Options and arguments of single parameters, and the parsing of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, IntEnum, StrEnum
from inspect import Parameter
from typing import Annotated, Any, Final, TypeAlias, get_args, is_typeddict

import attrs
import typer
from attrs import field, frozen
from typer.models import ArgumentInfo

from koophone_async.checks import OneOf
from koophone_async.cli import help_text
from koophone_async.cli.parameters import key_value
from koophone_async.cli.parameters.input_files import secret_value
from koophone_async.cli.parameters.json_options import (
    TIME_FORMAT,
    Attribute,
    Hint,
    first_type,
    origin,
    parse_json_object,
)
from koophone_async.cli.parameters.property_option import parse_properties
from koophone_async.errors import InvalidRequest
from koophone_async.operation import AnyOperation
from koophone_async.wire import spelling

Arguments: TypeAlias = Mapping[str, Any]
"""Parsed arguments of a command by parameter name."""

TIME_HELP: Final = f"A {TIME_FORMAT}"


@frozen
class ValueType:
    """Type of a value on the command line."""

    type: Hint
    """The type that typer parses: a built-in type, or an enum of the choices."""

    values: Mapping[str, Any] = field(factory=dict[str, Any])
    """Values by choice."""

    def value(self, arg: object) -> object:
        """Return the value for the library of a parsed argument."""
        return self.values[arg.value] if isinstance(arg, Enum) else arg


def _parse_time(option: str, text: str) -> datetime:
    """Parse a time; without a zone it is UTC.

    Raises:
        InvalidRequest: The text is not a time.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest("", option, f"is {text!r}; expected a {TIME_FORMAT}") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def value_type_of(hint: Hint, checks: Iterable[object] = ()) -> ValueType:
    """Return how values of a type are typed: as choices if there are only a few."""
    plain = first_type(hint)
    listed = [value for check in checks if isinstance(check, OneOf) for value in check.values]
    members = listed or (list(plain) if isinstance(plain, type) and issubclass(plain, Enum) else [])
    values = {_label(member): member for member in members if member is not None}
    if values:
        return ValueType(StrEnum("Choice", {label: label for label in values}), values)
    return ValueType(plain if plain in (int, float, bool) else str)


def _label(member: object) -> str:
    match member:
        case IntEnum():
            return member.name.lower().replace("_", "-")
        case Enum():
            return str(member.value)
        case _:
            return str(member)


@frozen
class SingleOption:
    """A parameter with a single value."""

    name: str
    value_type: ValueType
    parameters: tuple[Parameter, ...]
    is_time: bool = False
    is_secret: bool = False

    @classmethod
    def of(cls, parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> SingleOption:  # noqa: A002 - typer's parameter
        """Create an option, or an argument if the parameter identifies the subject of the call."""
        name = parameter.name
        attribute = next((a for a in attrs.fields(operation.request) if _is_field_of(a, name)), None)
        value_type = value_type_of(hint, help_text.checks(attribute) if attribute else ())
        # Choices are shown as the type of the option already.
        text = help_text.sentence(
            help, help_text.limit(attribute, help) if attribute and not value_type.values else ""
        )
        is_secret = name == "password" or (attribute is not None and attribute.repr is False)
        if is_secret:
            text = help_text.sentence(text, help_text.HIDING)
        is_in_path = attribute is not None and f"{{{spelling(attribute).name}}}" in operation.path
        if is_in_path or name == "instance":
            info: Any = typer.Argument(metavar="ID" if name == "instance" else name.upper(), help=text)
        else:
            is_typed = name == "password"
            info = typer.Option(option(name), help=text, prompt=is_typed, hide_input=is_typed)
        is_required = parameter.default is Parameter.empty
        created = create_parameter(name, value_type.type, info, required=is_required)
        return cls(name, value_type, (created,), first_type(hint) is datetime, is_secret)

    def read(self, args: Arguments) -> Iterator[tuple[str, object]]:
        """Yield the parameter and its value, if there is one.

        Raises:
            InvalidRequest: A time is malformed, or the file with a secret cannot be read.
        """
        value = args[self.name]
        if value is None:
            return
        if self.is_secret:
            yield self.name, secret_value(value, option(self.name))
        elif self.is_time:
            yield self.name, _parse_time(option(self.name), value)
        else:
            yield self.name, self.value_type.value(value)


def _is_field_of(attribute: Attribute, name: str) -> bool:
    """Whether a parameter is a field, other than one that allows a single value only."""
    fixed = (check for check in help_text.checks(attribute) if isinstance(check, OneOf))
    return attribute.name == name and not any(len(check.values) == 1 for check in fixed)


@frozen
class RepeatedOption:
    """A parameter with several values, given by repeating the option."""

    name: str
    parameters: tuple[Parameter, ...]
    parse: Callable[[str, Sequence[str]], object]

    @classmethod
    def of(cls, parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> RepeatedOption:  # noqa: A002 - typer's parameter
        """Create an option for texts or for pairs, or an argument for the ids of the call."""
        name, is_list = parameter.name, origin(hint) is Iterable
        if is_list and operation.batch is not None and name == operation.batch.field:
            info: Any = typer.Argument(metavar="ID", help=help_text.sentence(help))
        else:
            repetition = f"Repeat for several {'values' if is_list else 'keys'}"
            if is_typeddict(hint):
                repetition += ". Or one JSON object, or @FILE, with properties newer than the list"
            metavar = "TEXT" if is_list else "KEY=VALUE"
            info = typer.Option(option(name), metavar=metavar, help=help_text.sentence(help, repetition))
        created = create_parameter(name, list[str], info, required=parameter.default is Parameter.empty)
        return cls(name, (created,), _parser(hint))

    def read(self, args: Arguments) -> Iterator[tuple[str, object]]:
        """Yield the parameter and its values, if there are any.

        Raises:
            InvalidRequest: A pair is malformed.
        """
        if args[self.name]:
            yield self.name, self.parse(option(self.name), args[self.name])


def _parser(hint: Hint) -> Callable[[str, Sequence[str]], object]:
    if is_typeddict(hint):  # the only one: properties
        return parse_properties
    if origin(hint) is Iterable:
        return lambda _, texts: tuple(texts)
    has_lists = origin(hint) is Mapping and origin(get_args(hint)[-1]) is Iterable
    return key_value.parse_lists if has_lists else key_value.parse_values


@frozen
class JsonOption:
    """A parameter that takes any JSON object."""

    name: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def of(cls, parameter: Parameter) -> JsonOption:
        """Create the option."""
        info = typer.Option(
            option(parameter.name), metavar="JSON", help="A JSON object, or @FILE. `-` is stdin."
        )
        required = parameter.default is Parameter.empty
        return cls(parameter.name, (create_parameter(parameter.name, str, info, required=required),))

    def read(self, args: Arguments) -> Iterator[tuple[str, object]]:
        """Yield the parameter and its object, if there is one.

        Raises:
            InvalidRequest: The value is not a JSON object.
        """
        if args[self.name] is not None:
            yield self.name, parse_json_object(args[self.name], option(self.name))


def label(parameter: Parameter) -> str:
    """Return the name of a parameter in messages: the option as typed, or the metavar of an argument."""
    (info,) = parameter.annotation.__metadata__
    return str(info.metavar) if isinstance(info, ArgumentInfo) else option(parameter.name)


def option(name: str) -> str:
    """Return the option of a parameter."""
    return f"--{name.replace('_', '-')}"


def create_parameter(name: str, hint: Hint, info: Hint, *, required: bool) -> Parameter:
    """Create a parameter of a command."""
    annotated: Hint = Annotated
    annotation = annotated[hint if required else hint | None, info]
    default = Parameter.empty if required else None
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
