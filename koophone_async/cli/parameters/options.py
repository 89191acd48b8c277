"""Options derived from the library's signatures and models, and their conversion back to arguments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from inspect import Parameter, signature
from typing import Any, Final, TypeAlias, cast, get_args, get_type_hints, is_typeddict

import attrs
import typer
from attrs import frozen

from koophone_async import docstrings
from koophone_async.cli import help_text
from koophone_async.cli.parameters.input_files import secret_value
from koophone_async.cli.parameters.json_options import (
    Attribute,
    Hint,
    Wire,
    first_type,
    origin,
    parse_json,
    parse_json_object,
    structure,
)
from koophone_async.cli.parameters.values import (
    TIME_HELP,
    Arguments,
    JsonOption,
    RepeatedOption,
    SingleOption,
    ValueType,
    create_parameter,
    label,
    option,
    value_type_of,
)
from koophone_async.errors import InvalidRequest
from koophone_async.operation import AnyOperation
from koophone_async.wire import doc_of, spelling

_INTERNAL_FIELDS: Final = ("page", "request_id")
"""Fields that the library fills in."""

_RENAMED: Final = {"limit": "page_size"}
"""Fields whose options would have the names of others: `--limit` is the number of rows to print."""

BODY_HELP: Final = "Fields with the names of the API, as JSON or @FILE; options override them. `-` is stdin."


@frozen
class FieldOption:
    """The option of a plain field of a model."""

    path: tuple[Attribute, ...]
    value_type: ValueType
    help: str
    is_list: bool = False

    @property
    def name(self) -> str:
        """Name of the parameter: `charge_period` is the field `period` of the field `charge`."""
        name = "_".join(attribute.name.removeprefix("is_") for attribute in self.path)
        return _RENAMED.get(name, name)

    @property
    def option(self) -> str:
        """The option as typed on the command line."""
        return option(self.name)

    @property
    def wire_path(self) -> str:
        """Path of the field in the API, joined by dots."""
        return ".".join(spelling(attribute).name for attribute in self.path)

    @property
    def parameter(self) -> Parameter:
        """The parameter for typer."""
        names = f"{self.option}/--no-{self.option[2:]}" if self.value_type.type is bool else self.option
        hint = list[str] if self.is_list else self.value_type.type
        return create_parameter(self.name, hint, typer.Option(names, help=self.help), required=False)

    def put(self, value: object, wire: Wire) -> None:
        """Set the value in a request body."""
        *outer, last = (spelling(attribute).name for attribute in self.path)
        for name in outer:
            wire = wire.setdefault(name, {})
        wire[last] = value.value if isinstance(value, Enum) else value

    @property
    def is_secret(self) -> bool:
        """Whether the value is a secret, which the list of processes should not show."""
        return self.path[-1].repr is False

    def read(self, args: Arguments) -> object:
        """Return the value of the option; None if it was not used.

        Raises:
            InvalidRequest: The file with a secret cannot be read.
        """
        value = args[self.name]
        if self.is_list:
            return value or None
        if value is None:
            return None
        return secret_value(value, self.option) if self.is_secret else self.value_type.value(value)


@frozen
class ModelOptions:
    """Options of a parameter that is a model: one for each plain field, and `--body` for all fields."""

    name: str
    model: type
    field_options: tuple[FieldOption, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The options."""
        lists = [a for a in attrs.fields(attrs.resolve_types(self.model)) if _is_model_list(a.type)]
        json_only = f" Only in JSON: {'; '.join(map(_describe_list, lists))}." if lists else ""
        return (
            *(field_option.parameter for field_option in self.field_options),
            _body(BODY_HELP + json_only),
        )

    @property
    def labels(self) -> dict[str, str]:
        """Options by field name, without names that several fields share."""
        counts = Counter(field_option.path[-1].name for field_option in self.field_options)
        return {
            field_option.path[-1].name: field_option.option
            for field_option in self.field_options
            if counts[field_option.path[-1].name] == 1
        }

    def read(self, args: Arguments) -> Iterator[tuple[str, object]]:
        """Yield the parameter and its model.

        Raises:
            InvalidRequest: A field is missing, unknown or of a wrong type.
        """
        wire = parse_json_object(args["body"]) if args["body"] is not None else {}
        for field_option in self.field_options:
            if (value := field_option.read(args)) is not None:
                field_option.put(value, wire)
        yield (
            self.name,
            structure(
                self.model,
                wire,
                {field_option.wire_path: field_option.option for field_option in self.field_options},
            ),
        )


@frozen
class ModelListOption:
    """Option of a parameter that is a list of models, which must be JSON."""

    name: str
    model: type
    help: str

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The option."""
        return (
            _body(
                help_text.sentence(
                    self.help, "A JSON list with the field names of the API, or @FILE. `-` is stdin"
                ),
                required=True,
            ),
        )

    def read(self, args: Arguments) -> Iterator[tuple[str, object]]:
        """Yield the parameter and its models."""
        items = parse_json(args["body"])
        if not isinstance(items, list):
            raise InvalidRequest("", "--body", "is not a JSON list")
        yield self.name, tuple(structure(self.model, item) for item in cast("list[object]", items))


OptionGroup: TypeAlias = SingleOption | RepeatedOption | JsonOption | ModelOptions | ModelListOption


@frozen
class MethodOptions:
    """Options for all parameters of a method."""

    groups: tuple[OptionGroup, ...]

    @classmethod
    def of(cls, method: Callable[..., Any], operation: AnyOperation) -> MethodOptions:
        """Derive the options from a method's signature and docstring."""
        hints, descriptions = get_type_hints(method), docstrings.arguments(method)
        return cls(
            tuple(
                _options_of(parameter, hints[name], descriptions.get(name, ""), operation)
                for name, parameter in signature(method).parameters.items()
                if name != "self"
            )
        )

    @property
    def parameters(self) -> list[Parameter]:
        """All options and arguments."""
        return [parameter for group in self.groups for parameter in group.parameters]

    @property
    def labels(self) -> dict[str, str]:
        """Options and metavars of arguments, by the field names in errors of the library."""
        labels: dict[str, str] = {}
        for group in self.groups:
            if isinstance(group, ModelOptions):
                labels |= group.labels
            else:
                labels[group.name] = label(group.parameters[0])
        return labels

    def read(self, args: Arguments) -> dict[str, object]:
        """Return the method's arguments."""
        return dict(pair for group in self.groups for pair in group.read(args))


def _options_of(parameter: Parameter, hint: Hint, help: str, operation: AnyOperation) -> OptionGroup:  # noqa: A002 - typer's parameter
    plain = first_type(hint)
    item = get_args(plain)[0] if origin(plain) is Iterable else None
    if attrs.has(plain):
        return ModelOptions(parameter.name, plain, tuple(_field_options(plain)))
    if item is not None and attrs.has(item):
        return ModelListOption(parameter.name, item, help)
    if origin(plain) is Mapping and get_args(plain)[-1] is object:
        return JsonOption.of(parameter)
    if item is not None or origin(plain) is Mapping or is_typeddict(plain):
        return RepeatedOption.of(parameter, plain, help, operation)
    return SingleOption.of(parameter, hint, help, operation)


def _field_options(model: type, above: tuple[Attribute, ...] = ()) -> Iterator[FieldOption]:
    for attribute in attrs.fields(attrs.resolve_types(model)):
        hint, path = first_type(attribute.type), (*above, attribute)
        if attrs.has(hint):
            yield from _field_options(hint, path)
        elif attribute.name not in _INTERNAL_FIELDS:
            yield from _field_option(path, hint)


def _field_option(path: tuple[Attribute, ...], hint: Hint) -> Iterator[FieldOption]:
    """Yield the option of a field, unless it must be JSON or allows only one value."""
    attribute, is_list = path[-1], origin(hint) is tuple
    if _is_model_list(hint):
        return
    value_type = ValueType(str) if is_list else value_type_of(hint, help_text.checks(attribute))
    if len(value_type.values) != 1:
        description = doc_of(attribute)
        limit = "" if value_type.values else help_text.limit(attribute, description)
        secret = help_text.HIDING if attribute.repr is False else ""
        text = help_text.sentence(description, limit, secret, _default(path, hint))
        yield FieldOption(path, value_type, text, is_list)


def _is_model_list(hint: Hint) -> bool:
    """Whether a field is a list of models."""
    plain = first_type(hint)
    return origin(plain) is tuple and attrs.has(get_args(plain)[0])


def _describe_list(attribute: Attribute) -> str:
    """Describe a list of models: its name and the fields of its items."""
    (item, *_) = get_args(first_type(attribute.type))
    item_fields = [
        spelling(a).name + (f" ({limit})" if (limit := help_text.limit(a)) else "")
        for a in attrs.fields(attrs.resolve_types(item))
    ]
    return f"{spelling(attribute).name}, each with {', '.join(item_fields)}"


def _default(path: Sequence[Attribute], hint: Hint) -> str:
    *above, attribute = path
    if attribute.default is attrs.NOTHING:
        is_required = all(outer.default is attrs.NOTHING for outer in above)
        group = "-".join(outer.name.replace("_", "-") for outer in above)
        return "Required" if is_required else f"Required with any other --{group} option"
    if origin(hint) is tuple:
        return "Repeat for several values"
    if hint is datetime:
        return TIME_HELP
    return "" if attribute.default in (None, "", ()) else f"Default: {attribute.default}"


def _body(help: str, *, required: bool = False) -> Parameter:  # noqa: A002 - typer's parameter
    return create_parameter("body", str, typer.Option("--body", metavar="JSON", help=help), required=required)
