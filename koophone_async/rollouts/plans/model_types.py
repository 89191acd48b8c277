"""Types of lists, mappings and models in plans, and the type that an annotation names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NoReturn, TypeAlias, Union, cast, get_args, get_origin, is_typeddict

import attrs
from attrs import frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.context import Context, is_reference
from koophone_async.rollouts.plans.value_types import (
    BooleanType,
    ChoiceType,
    FormType,
    Json,
    NumberType,
    Schema,
    TextOrNumberType,
    TextType,
    ValueType,
    is_null,
    shown,
)
from koophone_async.wire import doc_of

Hint: TypeAlias = Any
"""A type annotation: types, unions and generics have no common type."""

_UNIONS: Final[tuple[object, ...]] = (Union, UnionType)
_LISTS: Final[tuple[object, ...]] = (tuple, list, Iterable, Sequence)


@frozen
class OptionalType:
    """A value that may be missing."""

    inner: ValueType

    def read(self, raw: object, context: Context) -> Any:  # noqa: ANN401 - of the inner type
        """Return the value, or None."""
        return None if is_null(raw) else self.inner.read(raw, context)

    def dump(self, value: object) -> Json:
        """Return the value as plain data, or None."""
        return None if value is None else self.inner.dump(value)

    def schema(self) -> Schema:
        """Return the schema of values that are there."""
        return self.inner.schema()


@frozen
class ListType:
    """A list of values of one type."""

    item: ValueType

    def read(self, raw: object, context: Context) -> tuple[Any, ...]:
        """Return the values."""
        if not isinstance(raw, list | tuple):
            context.refuse(f"is {shown(raw)}; it must be a list", Rule.WRONG_TYPE)
        items = cast("Sequence[object]", raw)
        if isinstance(self.item, TextType) and all(type(item) is str for item in items):
            return tuple(items)  # a million ids, which need no context each
        return tuple(self.item.read(item, context.item(index)) for index, item in enumerate(items))

    def dump(self, value: Iterable[object]) -> Json:
        """Return the values as plain data."""
        return [self.item.dump(item) for item in value]

    def schema(self) -> Schema:
        """Return the schema of such lists."""
        return {"type": "array", "items": self.item.schema()}


@frozen
class OneOrManyType:
    """A list of values of one type, or such a value alone."""

    item: ValueType

    def read(self, raw: object, context: Context) -> tuple[Any, ...]:
        """Return the values."""
        if isinstance(raw, list | tuple):
            return ListType(self.item).read(cast("object", raw), context)
        return (self.item.read(raw, context),)

    def dump(self, value: Iterable[object]) -> Json:
        """Return the values as a list."""
        return ListType(self.item).dump(value)

    def schema(self) -> Schema:
        """Return the schema of either."""
        return {"anyOf": [self.item.schema(), ListType(self.item).schema()]}


@frozen
class MappingType:
    """A mapping from any texts, or from those that are known, to values of one type."""

    value: ValueType
    known: tuple[str, ...] = ()
    """Keys that editors offer; others are left to the library to check."""

    def read(self, raw: object, context: Context) -> dict[str, Any]:
        """Return the values by key."""
        entries = mapping(raw, context)
        return {key: self.value.read(item, context.key(key)) for key, item in entries.items()}

    def dump(self, value: Mapping[str, object]) -> Json:
        """Return the values as plain data."""
        return {key: self.value.dump(item) for key, item in value.items()}

    def schema(self) -> Schema:
        """Return the schema of such mappings."""
        known = {"properties": {key: self.value.schema() for key in self.known}} if self.known else {}
        return {"type": "object", "additionalProperties": self.value.schema()} | known


@frozen
class SingleOrMappingType:
    """One value for all phones, or a mapping from phone to value."""

    single: ValueType
    mapping: MappingType

    def _of(self, value: object) -> ValueType:
        return self.single if is_reference(value) or not isinstance(value, Mapping) else self.mapping

    def read(self, raw: object, context: Context) -> Any:  # noqa: ANN401 - of either type
        """Return the value, or the values by key."""
        return self._of(raw).read(raw, context)

    def dump(self, value: object) -> Json:
        """Return either as plain data."""
        return self._of(value).dump(value)

    def schema(self) -> Schema:
        """Return the schema of either."""
        return {"anyOf": [self.single.schema(), self.mapping.schema()]}


@frozen
class ModelType:
    """An attrs class, as a mapping with the names of its fields."""

    model: type
    text: FormType | None = None
    """How it can be written as text too."""

    def fields(self) -> dict[str, attrs.Attribute[Any]]:
        """Return the fields by name."""
        resolved: Sequence[attrs.Attribute[Any]] = attrs.fields(attrs.resolve_types(self.model))
        return {attribute.name: attribute for attribute in resolved if attribute.init}

    def read(self, raw: object, context: Context) -> Any:  # noqa: ANN401 - an instance of the model
        """Return the instance, or its fields while references in them are kept."""
        if isinstance(raw, self.model):
            return self.dump(raw) if context.keeps_data else raw
        if self.text is not None and isinstance(raw, str) and not is_null(raw):
            return self.text.read(raw, context)
        fields = self.fields()
        required = [name for name, attribute in fields.items() if attribute.default is attrs.NOTHING]
        entries = checked_mapping(raw, context, fields, required)
        values = {
            name: type_of(attribute.type).read(entries[name], context.key(name))
            for name, attribute in fields.items()
            if name in entries and not (is_null(entries[name]) and name not in required)
        }
        if context.keeps_data:
            self._check_known(values, context)
            return values
        with context.located(by_field=True):
            return self.model(**values)

    def _check_known(self, values: Mapping[str, object], context: Context) -> None:
        """Check the values of fields one by one, but for references, of which nothing is known yet."""
        for name, attribute in self.fields().items():
            if attribute.validator is not None and isinstance(values.get(name), str | int | float):
                with context.key(name).located():
                    attribute.validator(None, attribute, values[name])

    def dump(self, value: object) -> Json:
        """Return the fields that differ from their defaults."""
        return {
            name: type_of(attribute.type).dump(getattr(value, name))
            for name, attribute in self.fields().items()
            if not is_default(attribute, value)
        }

    def schema(self) -> Schema:
        """Return the schema of the fields."""
        fields = self.fields()
        properties = {name: _described(attribute) for name, attribute in fields.items()}
        required = [name for name, attribute in fields.items() if attribute.default is attrs.NOTHING]
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        schema |= {"required": required} if required else {}
        return schema if self.text is None else {"anyOf": [schema, self.text.schema()]}


def _described(attribute: attrs.Attribute[Any]) -> Schema:
    description = doc_of(attribute)
    return type_of(attribute.type).schema() | ({"description": description} if description else {})


def is_default(attribute: attrs.Attribute[Any], instance: object) -> bool:
    """Return whether a field has its default value."""
    default: Any = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class at run time
        default = default.factory()
    return bool(getattr(instance, attribute.name) == default)


def mapping(raw: object, context: Context) -> Mapping[str, object]:
    """Return a value that must be a mapping; an empty value is an empty one."""
    if is_null(raw):
        return {}
    if not isinstance(raw, Mapping):
        context.refuse(f"is {shown(raw)}; it must be a mapping", Rule.WRONG_TYPE)
    return cast("Mapping[str, object]", raw)


def checked_mapping(
    raw: object, context: Context, known: Iterable[str], required: Iterable[str] = ()
) -> Mapping[str, object]:
    """Return a value that must be a mapping with known keys.

    Raises:
        InvalidRequest: A key is unknown, or a required one is missing.
    """
    entries, names = mapping(raw, context), list(known)
    for key in entries:
        if key not in names:
            refuse_key(key, context, names)
    if missing := [name for name in required if name not in entries]:
        context.refuse(f"has no {' and no '.join(missing)}", Rule.MISSING)
    return entries


def refuse_key(key: str, context: Context, known: Sequence[str]) -> NoReturn:
    """Raise an error about an unknown key, with the known ones that it may be meant for.

    Raises:
        InvalidRequest: Always.
    """
    near = get_close_matches(key, known, 1)
    meant = f"did you mean {near[0]}?" if near else f"the keys here are {', '.join(known) or 'none'}"
    raise WrongKey("", context.key(key).path, f"is an unknown key; {meant}", Rule.NOT_A_CHOICE)


class WrongKey(InvalidRequest):
    """A mapping has a key that does not belong there: the key is wrong, and not its value."""


def type_of(hint: Hint) -> ValueType:
    """Return the type of values that an annotation names."""
    return _type_of(hint)


@cache
def _type_of(hint: Hint) -> ValueType:
    origin: Any = get_origin(hint)
    args: tuple[Hint, ...] = get_args(hint)
    if origin is Annotated:
        return next((extra for extra in args if isinstance(extra, ValueType)), None) or type_of(args[0])
    if origin in _UNIONS:
        return _union(args)
    if origin in _LISTS:
        return ListType(type_of(args[0]))
    if origin is Mapping:
        return MappingType(type_of(args[1]))
    return _SINGLE.get(hint) or (ModelType(hint) if attrs.has(hint) else ChoiceType(hint))


_SINGLE: Final[Mapping[Hint, ValueType]] = {
    str: TextType(),
    int: NumberType(),
    float: NumberType(is_integer=False),
    bool: BooleanType(),
}


def _union(members: Sequence[Hint]) -> ValueType:
    """Return the type of a union: of None and others, of single values, of those and mappings from ids."""
    if NoneType in members:
        return OptionalType(_union([member for member in members if member is not NoneType]))
    known = tuple(key for member in members if is_typeddict(member) for key in member.__annotations__)
    mappings = [member for member in members if _is_mapping(member)]
    singles = [member for member in members if member not in mappings and not is_typeddict(member)]
    single = type_of(singles[0]) if len(singles) == 1 else TextOrNumberType()
    if not mappings:
        return single
    entries = MappingType(type_of(get_args(mappings[0])[1]), known)
    return SingleOrMappingType(single, entries) if singles else entries


def _is_mapping(hint: Hint) -> bool:
    origin: object = get_origin(hint)
    return origin is Mapping
