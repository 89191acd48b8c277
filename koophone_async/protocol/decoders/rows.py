"""Build the model of an answer from decoded JSON, value by value, and record what cannot be read.

- A value that cannot be read has the field's default, and is recorded.
- If the field is mandatory, its row is left out of its list, and the value is recorded with the row's id. A
  row that is not in a list is a value of the field that it is in.
- If a mandatory field of the answer itself cannot be read, the answer cannot be read. Nor can one that is
  nothing but a list, if that is no list: it would pass for an empty one.

Null counts as missing, and so do an empty text and the text "null" where the field is no text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, get_args, get_origin

import attrs
from attrs import frozen

from koophone_async import wire
from koophone_async.protocol.dialect import kind_of
from koophone_async.protocol.redaction import REDACTED, redact
from koophone_async.rows import Rows, UnreadableValue
from koophone_async.wire import converters

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cattrs import Converter

    from koophone_async.wire import Edition, Json

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

log: Final = logging.getLogger("koophone_async")

_MAX_SHOWN: Final = 80
"""Characters of a value that are recorded."""

_MAX_IDS: Final = 20
"""Ids of an unreadable answer that its error names."""

_MAX_LOGGED: Final = 5
"""Values of one answer that are logged, before the others are only counted."""

_TEXTS: Final = (str, str | None)

_UNREADABLE: Final = (
    KeyError, TypeError, ValueError, AttributeError, ArithmeticError, OSError, RecursionError,
)  # fmt: skip
"""What converting a value may raise: arithmetic and operating system errors for times out of range, and the
last for a value that is nested so deeply that not even an error can show it."""

_recorded: ContextVar[list[UnreadableValue]] = ContextVar("recorded")
"""The unreadable values of the answer that is being read."""


class UnreadableRow(ValueError):
    """A mandatory field of a row cannot be read."""

    def __init__(self, value: UnreadableValue, ids: tuple[str, ...] = ()) -> None:
        known = f"; the answer has {', '.join(ids)}" if ids else ""
        super().__init__(f"{attrs.evolve(value, ids=()) if ids else value}{known}")
        self.value = value


def build(model: type[T], answer: object, edition: Edition, operation: str) -> T:
    """Return the model of an answer, and log what cannot be read.

    Raises:
        UnreadableRow: A mandatory field of the answer itself cannot be read.
    """
    read = _answer_hook(cast("Any", model), edition)
    recorded: list[UnreadableValue] = []
    token = _recorded.set(recorded)
    try:
        built: T = read(answer, model)
    except _UNREADABLE as error:
        value = error.value if isinstance(error, UnreadableRow) else _odd_row(answer)
        raise UnreadableRow(value, tuple(islice(_named_ids(answer), _MAX_IDS))) from None
    finally:
        _recorded.reset(token)
    if recorded:
        texts = list(map(str, recorded[:_MAX_LOGGED]))
        texts += [f"{len(recorded) - _MAX_LOGGED} more"] if len(recorded) > _MAX_LOGGED else []
        log.warning("%s: unreadable values in the answer: %s", operation, "; ".join(texts))
    return built


@cache
def _answer_hook(model: Any, edition: Edition) -> Hook:
    hook = _converter(edition).get_structure_hook(model)
    reader = getattr(hook, "__self__", None)
    return reader.for_answer().read if isinstance(reader, _RowReader) else hook


@cache
def _converter(edition: Edition) -> Converter:
    converter = converters.scalar_converter()

    def list_hook(kind: Any) -> Hook:
        return _list_reader(converter, kind)

    def row_hook(model: Any) -> Hook:
        return _RowReader.of(model, converter, edition).read

    converter.register_structure_hook_factory(_is_list, list_hook)
    converter.register_structure_hook_factory(attrs.has, row_hook)
    return converter


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[1:] == (...,)


def _list_reader(converter: Converter, kind: Any) -> Hook:
    read_item = converter.get_structure_hook(get_args(kind)[0])

    def read(value: object, _: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise TypeError("expected a list")
        recorded, rows, dropped = _recorded.get(), list[Any](), list[UnreadableValue]()
        before = len(recorded)
        for item in cast("list[object]", value):
            try:
                rows.append(read_item(item, get_args(kind)[0]))
            except UnreadableRow as error:
                dropped.append(error.value)
            except _UNREADABLE:
                dropped.append(_odd_row(item))
        recorded += dropped
        unreadable = recorded[before:]
        return Rows(rows, unreadable, dropped) if unreadable else tuple(rows)

    return read


@frozen
class _FieldReader:
    """Reads one field of a row."""

    attribute: attrs.Attribute[Any]
    name: str
    """Name on the wire."""

    others: tuple[str, ...]
    """Other names on the wire."""

    hook: Hook
    convert: Callable[[Any], Any] | None
    """Converts a value before the hook."""

    absent: tuple[str | None, ...]
    """Values that count as missing."""

    type: Any
    is_mandatory: bool
    is_content: bool = False
    """Whether the answer has nothing else of interest."""

    @classmethod
    def of(cls, attribute: attrs.Attribute[Any], converter: Converter, edition: Edition) -> _FieldReader:
        """Create the reader of a field."""
        on_wire, type_ = wire.spelling(attribute), attribute.type or Any
        hook = converters.edition_hook(attribute, edition) or converter.get_structure_hook(type_)
        nulls: tuple[str | None, ...] = (None, *wire.NULL_TEXTS) if on_wire.null_text else (None,)
        absent = nulls if type_ in _TEXTS else (None, "", *wire.NULL_TEXTS)
        is_mandatory = attribute.default is attrs.NOTHING
        return cls(
            attribute, on_wire.name, on_wire.also, cast("Hook", hook),
            on_wire.convert, absent, type_, is_mandatory,
        )  # fmt: skip

    def read(self, row: Json) -> Any:
        """Return the value in a row; NOTHING for the default.

        Raises:
            UnreadableRow: The field is mandatory and cannot be read.
        """
        value = row.get(self.name, attrs.NOTHING)
        if value is attrs.NOTHING or value in self.absent:
            value = self._value_under_another_name(row, value)
            if value is attrs.NOTHING or value in self.absent:
                if self.is_mandatory:
                    raise UnreadableRow(self._unreadable(row, value))
                return attrs.NOTHING
        try:
            return self.hook(value if self.convert is None else self.convert(value), self.type)
        except UnreadableRow as error:
            if self.is_mandatory:
                raise
            unreadable = attrs.evolve(error.value, drops_row=False)
        except _UNREADABLE:
            unreadable = self._unreadable(row, value)
            if self.is_mandatory or self.is_content:
                raise UnreadableRow(unreadable) from None
        _recorded.get().append(unreadable)
        is_list = self.attribute.default == ()
        return Rows((), [unreadable], [unreadable]) if is_list else attrs.NOTHING

    def _value_under_another_name(self, row: Json, value: object) -> object:
        others = (row[name] for name in self.others if name in row)
        return next((other for other in others if other not in self.absent), value)

    def _unreadable(self, row: Json, value: object) -> UnreadableValue:
        is_present = value is not attrs.NOTHING and value not in self.absent
        name = next((name for name in self.others if name in row and self.name not in row), self.name)
        expected = _expected(self.type) if is_present else ""
        is_secret = is_present and self.attribute.repr is False
        shown = REDACTED if is_secret else kind_of(value) if expected in (_LIST, _OBJECT) else _shown(value)
        return UnreadableValue(name, shown, _ids_in(row), self.is_mandatory, expected)


@frozen
class _RowReader:
    """Reads rows of one model."""

    model: Any
    fields: tuple[_FieldReader, ...]
    is_answer: bool = False

    @classmethod
    def of(cls, model: Any, converter: Converter, edition: Edition) -> _RowReader:
        """Create the reader of a model's rows."""
        attributes = attrs.fields(attrs.resolve_types(model))
        return cls(model, tuple(_FieldReader.of(a, converter, edition) for a in attributes))

    def for_answer(self) -> _RowReader:
        """Return a reader for an answer; if that has nothing but a list, it is one that needs the list."""
        lists = [field for field in self.fields if _is_list(field.type)]
        has_texts = any(field.type in _TEXTS for field in self.fields)
        content = lists[0] if len(lists) == 1 and not has_texts else None
        fields = (attrs.evolve(field, is_content=field is content) for field in self.fields)
        return attrs.evolve(self, fields=tuple(fields), is_answer=True)

    def read(self, row: object, _: object) -> Any:
        """Return the model that a row describes.

        Raises:
            UnreadableRow: It is no JSON object, or a mandatory field cannot be read.
        """
        if not isinstance(row, dict):
            raise UnreadableRow(_odd_row(row))
        if self.is_answer:
            self._check_data(cast("Json", row))
        read = [(field.attribute.alias or "", field.read(cast("Json", row))) for field in self.fields]
        return self.model(**{name: value for name, value in read if value is not attrs.NOTHING})

    def _check_data(self, row: Json) -> None:
        """Refuse an envelope whose `data` is no object, and which has nothing else of the model."""
        data = row.get("data")
        names = {name for field in self.fields for name in (field.name, *field.others)}
        if names and data not in (None, "", *wire.NULL_TEXTS) and not names & row.keys():
            raise UnreadableRow(UnreadableValue("data", kind_of(data), expected=_OBJECT))


_OBJECT: Final = kind_of({})
_LIST: Final = kind_of([])
_EXPECTED: Final = (
    (bool, "a boolean"), (int, "an integer"), (float, "a number"), (str, "a text"), (datetime, "a time"),
)  # fmt: skip


def _expected(kind: Any) -> str:
    """Return what a field of a type holds, in words."""
    if _is_list(kind):
        return _LIST
    first = next((member for member in get_args(kind) if member is not NoneType), kind)
    known = isinstance(first, type) and (text for type_, text in _EXPECTED if issubclass(first, type_))
    return next(known, _OBJECT) if known else _OBJECT


def _odd_row(value: object) -> UnreadableValue:
    return UnreadableValue("", kind_of(value), expected="" if value is None else _OBJECT)


def _ids_in(row: Json) -> tuple[str, ...]:
    """Return the ids of a row, by which people can look for it."""
    values = (value for name, value in row.items() if name.lower().endswith("id"))
    return tuple(one for one in values if isinstance(one, str) and one not in ("", *wire.NULL_TEXTS))


def _named_ids(value: object) -> Iterator[str]:
    """Yield the ids anywhere in an answer, such as `orderId o1`: they may be of started work."""
    if isinstance(value, list):
        for item in cast("list[object]", value):
            yield from _named_ids(item)
    elif isinstance(value, dict):
        row = cast("Json", value)
        for name, inside in row.items():
            if isinstance(inside, dict | list):
                yield from _named_ids(cast("object", inside))
            elif inside in _ids_in({name: inside}):
                yield f"{name} {inside}"


def _shown(value: object) -> str:
    """Return a value as short JSON without secrets. Of an object or a list only the kind is shown."""
    if value is attrs.NOTHING:
        return "missing"
    if isinstance(value, dict | list):
        return kind_of(cast("object", value))
    text = redact(wire.encode(value).decode())
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
