"""Types of single values in plans: texts, numbers, booleans, choices, and texts of a form of their own.

One class for each kind of type reads plain data as YAML and JSON have it, writes it back, and describes it as
JSON Schema, so that the parser of plans, their JSON, and what editors complete cannot differ.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum, IntEnum, StrEnum
from typing import Any, Final, Protocol, TypeAlias, TypeVar, runtime_checkable

from attrs import frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.context import Context, Plain, is_reference

Json: TypeAlias = Any
"""Plain data: text, numbers, booleans, None, lists and dictionaries; in steps, references too."""

Schema: TypeAlias = dict[str, Any]

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER: Final = r"-?(0|[1-9][0-9]{0,99})"
_NUMBER: Final = rf"{_INTEGER}(\.[0-9]+)?"


@runtime_checkable
class ValueType(Protocol):
    """A type of values in plans."""

    def read(self, raw: object, context: Context) -> Any:  # noqa: ANN401 - of the type that it reads
        """Return the value that plain data stands for.

        Raises:
            InvalidRequest: It stands for none; the error's field is the path.
        """
        ...

    def dump(self, value: Any) -> Json:  # noqa: ANN401 - of the type that it writes
        """Return a value as plain data that `read` accepts."""
        ...

    def schema(self) -> Schema:
        """Return the JSON Schema of the plain data."""
        ...


def is_null(raw: object) -> bool:
    """Return whether a value stands for nothing."""
    return raw is None or (isinstance(raw, Plain) and raw in _NULLS)


def shown(raw: object) -> str:
    """Return a value for a message: scalars as written, and of others only what they are."""
    if is_null(raw):
        return "empty"
    if isinstance(raw, str):
        return repr(str(raw)) if len(raw) <= 40 else f"{str(raw)[:40]!r}…"
    if isinstance(raw, bool | int | float):
        return str(raw).lower()
    return "a list" if isinstance(raw, list | tuple) else "a mapping"


@frozen
class _Scalar(ABC):
    """What all single values have in common: where references are allowed, each may be one."""

    def read(self, raw: object, context: Context) -> Any:  # noqa: ANN401 - of the type that it reads
        """Return the value, or the reference to it."""
        if not context.allows_references or not is_reference(raw):
            return self._read(raw, context)
        reference = context.reference(raw)
        if context.resolve is None:
            return reference
        with context.located():
            return self._read(Plain(context.resolve(reference)), context)

    @abstractmethod
    def _read(self, raw: object, context: Context) -> Any:  # noqa: ANN401 - of the type that it reads
        """Return the value that is no reference."""


@frozen
class TextType(_Scalar):
    """A text, as written: `0012` and `yes` are texts too."""

    def _read(self, raw: object, context: Context) -> str:
        if isinstance(raw, str) and not is_null(raw):
            return str.__str__(raw)
        hint = "; write it in quotes" if isinstance(raw, bool | int | float) else ""
        return context.refuse(f"is {shown(raw)}; it must be text{hint}", Rule.WRONG_TYPE)

    def dump(self, value: str) -> Json:
        """Return the text."""
        return str(value)

    def schema(self) -> Schema:
        """Return the schema of texts, which YAML may have without quotes."""
        return {"type": ["string", "number", "boolean"]}


@frozen
class NumberType(_Scalar):
    """A number in decimal digits."""

    is_integer: bool = True

    def _read(self, raw: object, context: Context) -> float:
        kinds = int if self.is_integer else int | float
        if isinstance(raw, kinds) and not isinstance(raw, bool):
            return raw
        if isinstance(raw, Plain) and re.fullmatch(_INTEGER if self.is_integer else _NUMBER, raw):
            return int(raw) if self.is_integer else float(raw)
        kind = "a whole number" if self.is_integer else "a number"
        return context.refuse(f"is {shown(raw)}; it must be {kind}", Rule.WRONG_TYPE)

    def dump(self, value: float) -> Json:
        """Return the number."""
        return value

    def schema(self) -> Schema:
        """Return the schema of numbers."""
        return {"type": "integer" if self.is_integer else "number"}


@frozen
class BooleanType(_Scalar):
    """True or false, and no other word for it."""

    def _read(self, raw: object, context: Context) -> bool:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, Plain) and raw in _BOOLEANS:
            return _BOOLEANS[raw]
        return context.refuse(f"is {shown(raw)}; it must be true or false", Rule.WRONG_TYPE)

    def dump(self, value: bool) -> Json:  # noqa: FBT001 - the value itself
        """Return the boolean."""
        return value

    def schema(self) -> Schema:
        """Return the schema of booleans."""
        return {"type": "boolean"}


@frozen
class TextOrNumberType(_Scalar):
    """A text, a number or a boolean; without quotes only `true` and `false` are no text."""

    def _read(self, raw: object, context: Context) -> str | int | bool:
        if isinstance(raw, Plain) and raw in _BOOLEANS:
            return _BOOLEANS[raw]
        return raw if isinstance(raw, int) else TextType().read(raw, context)

    def dump(self, value: str | int | bool) -> Json:  # noqa: FBT001 - the value itself
        """Return the value."""
        return value

    def schema(self) -> Schema:
        """Return the schema of single values."""
        return {"type": ["string", "integer", "boolean"]}


@frozen
class ChoiceType(_Scalar):
    """A member of an enum: by its value, or by its name where the value is a number."""

    enum: type[Enum]

    def _labels(self) -> dict[str, Enum]:
        return {self.dump(member): member for member in self.enum}

    def _read(self, raw: object, context: Context) -> object:
        labels = self._labels()
        member = raw if isinstance(raw, self.enum) else labels.get(raw) if isinstance(raw, str) else None
        if member is None:
            problem = f"is {shown(raw)}; it must be {' or '.join(labels)}"
            return context.refuse(problem, Rule.NOT_A_CHOICE)
        return self.dump(member) if context.keeps_data else member

    def dump(self, value: Enum) -> Json:
        """Return the label of a member."""
        return value.name.lower().replace("_", "-") if isinstance(value, IntEnum) else str(value.value)

    def schema(self) -> Schema:
        """Return the schema of the labels."""
        return {"enum": list(self._labels())}


Member = TypeVar("Member", bound=StrEnum)


def choice(enum: type[Member], value: str) -> Member:
    """Return the member of an enum with a value.

    Raises:
        InvalidRequest: There is none.
    """
    try:
        return enum(value)
    except ValueError:
        problem = f"is {value!r}; it must be {' or '.join(enum)}"
        raise InvalidRequest("", enum.__name__.lower(), problem, Rule.NOT_A_CHOICE) from None


@frozen
class FormType:
    """A value that is written as text of a form of its own, such as a duration."""

    parse: Callable[[str], object]
    format: Callable[[Any], str]
    pattern: str = ""
    is_number: bool = False
    """Whether some of the texts are positive numbers, which JSON may have as such."""

    def read(self, raw: object, context: Context) -> object:
        """Return the value that the text stands for."""
        if self.is_number and isinstance(raw, int) and not isinstance(raw, bool):
            raw = str(raw)
        if not isinstance(raw, str) or is_null(raw):
            context.refuse(f"is {shown(raw)}; it must be text", Rule.WRONG_TYPE)
        with context.located():
            return self.parse(str(raw))

    def dump(self, value: object) -> Json:
        """Return the text."""
        return self.format(value)

    def schema(self) -> Schema:
        """Return the schema of the texts."""
        pattern = {"pattern": self.pattern} if self.pattern else {}
        number = {"type": ["string", "integer"], "minimum": 1} if self.is_number else {}
        return {"type": "string"} | pattern | number


@frozen
class PathType:
    """The path of a file; a relative one starts from the directory of the plan's file."""

    def read(self, raw: object, context: Context) -> str:
        """Return the path, which no longer depends on where the plan is."""
        path = TextType().read(raw, context)
        return str(context.base / path) if context.base else str(path)

    def dump(self, value: str) -> Json:
        """Return the path."""
        return value

    def schema(self) -> Schema:
        """Return the schema of paths."""
        return {"type": "string"}
