"""Validators for fields of requests, which are checked before anything is sent.

A check is data: the command line prints its `limit`, and the emulator enforces the same rule.
"""

from __future__ import annotations

import re
import reprlib
from datetime import datetime
from enum import Enum
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from attrs import Attribute, frozen

from koophone_async.errors import InvalidRequest, Rule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

MAX_ID_LENGTH: Final = 32
"""The maximum length of an id in characters, where a document states one."""


class Check(Protocol):
    """A rule for one field, with a description."""

    @property
    def limit(self) -> str:
        """A description of the rule, such as `at most 1,024 bytes of UTF-8`."""
        ...

    def __call__(self, instance: object, attribute: Attribute[Any], value: Any) -> None:
        """Raise `InvalidRequest` if the value breaks the rule."""
        ...


def _refuse(attribute: Attribute[Any], rule: Rule, problem: str, limit: float | None = None) -> NoReturn:
    raise InvalidRequest("", attribute.name, problem, rule, limit)


def _utf8(attribute: Attribute[Any], value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        return _refuse(
            attribute, Rule.BAD_FORMAT, "contains a lone surrogate, which cannot be encoded as UTF-8"
        )


@frozen
class Text:
    """A string of bounded length."""

    max: int
    min: int = 1
    unit: str = "characters"
    ending: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def limit(self) -> str:
        """A description of the rule."""
        size = f"at most {self.max:,} {self.unit}"
        ending = f", ending in {' or '.join(self.ending)}" if self.ending else ""
        return size + ending + (f", matching {self.pattern}" if self.pattern else "")

    def accepts_all(self, values: Collection[Any]) -> bool:
        """Return whether all values pass for certain, in a tenth of the time that checking each takes."""
        try:
            is_plain = "".join(values).isascii() and not (self.ending or self.pattern)
        except TypeError:
            return False
        return is_plain and all(self.min <= size <= self.max for size in {*map(len, values)})

    def __call__(self, instance: object, attribute: Attribute[Any], value: Any) -> None:
        """Check type, length and format."""
        if value is None and attribute.default is None:
            return
        if not isinstance(value, str):
            _refuse(attribute, Rule.WRONG_TYPE, f"is a {type(value).__name__}; it must be a string")
        encoded = _utf8(attribute, value)
        size = len(encoded) if self.unit.startswith("bytes") else len(value)
        if size < self.min:
            _refuse(attribute, Rule.TOO_SHORT, f"is empty; it must have {self.limit}", self.min)
        if size > self.max:
            _refuse(attribute, Rule.TOO_LONG, f"is {size:,} {self.unit} long; {self.limit}", self.max)
        if self.ending and not value.endswith(self.ending):
            _refuse(attribute, Rule.BAD_FORMAT, f"is {value!r}; it must end in {' or '.join(self.ending)}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            _refuse(attribute, Rule.BAD_FORMAT, f"does not match {self.pattern}")


@frozen
class Between:
    """A number within bounds, inclusive; a whole number by default."""

    min: float
    max: float
    step: int | None = None
    unit: str = ""
    has_fractions: bool = False
    """Whether fractions are allowed."""

    @property
    def limit(self) -> str:
        """A description of the rule."""
        step = f" in steps of {self.step:,}" if self.step else ""
        bounds = f"at least {self.min:,}" if self.max == inf else f"{self.min:,} to {self.max:,}"
        return f"{bounds}{step} {self.unit}".strip()

    def __call__(self, instance: object, attribute: Attribute[Any], value: Any) -> None:
        """Check type, bounds and step."""
        if value is None and attribute.default is None:
            return
        if isinstance(value, bool) or not isinstance(value, int | float if self.has_fractions else int):
            kind = "number" if self.has_fractions else "whole number"
            _refuse(attribute, Rule.WRONG_TYPE, f"is {value!r}; it must be a {kind}, {self.limit}")
        if not self.min <= value <= self.max or (self.step and value % self.step):
            bound = self.min if value < self.min else self.max if value > self.max else None
            _refuse(attribute, Rule.OUT_OF_RANGE, f"is {value:,}; it must be {self.limit}", bound)


@frozen
class OneOf:
    """One of a few values."""

    values: Collection[Any]

    @property
    def limit(self) -> str:
        """A description of the rule."""
        return "one of " + ", ".join(str(v.value if isinstance(v, Enum) else v) for v in self.values)

    def __call__(self, instance: object, attribute: Attribute[Any], value: Any) -> None:
        """Check that the value is listed."""
        if value is None and attribute.default is None:
            return
        # True equals 1 and would be written as `true`.
        listed = (isinstance(value, bool), value) in ((isinstance(v, bool), v) for v in self.values)
        if not listed:
            _refuse(attribute, Rule.NOT_A_CHOICE, f"is {value!r}; it must be {self.limit}")


@frozen
class Listed:
    """A list of bounded length, with a rule for each item."""

    max: int | None = None
    min: int = 1
    each: Check | None = None

    @property
    def limit(self) -> str:
        """A description of the rule."""
        size = f"{self.min:,} to {self.max:,} items" if self.max else f"at least {self.min:,} items"
        return size + (f", each {self.each.limit}" if self.each else "")

    def __call__(self, instance: object, attribute: Attribute[Any], value: Any) -> None:
        """Check the length and every item."""
        size = len(value)
        if size < self.min:
            _refuse(attribute, Rule.TOO_FEW, self._describe(size), self.min)
        if self.max is not None and size > self.max:
            _refuse(attribute, Rule.TOO_MANY, self._describe(size), self.max)
        if self.each is None or (isinstance(self.each, Text) and self.each.accepts_all(value)):
            return
        for item in value:
            self.each(instance, attribute, item)

    def _describe(self, size: int) -> str:
        return f"has {size:,} items; it must have {self.limit}"


def aware(_: object, attribute: Attribute[Any], value: Any) -> None:
    """Raise `InvalidRequest` for a time without a zone, which is another moment on another machine."""
    if value is None and attribute.default is None:
        return
    if not isinstance(value, datetime):
        _refuse(attribute, Rule.WRONG_TYPE, f"is a {type(value).__name__}; it must be an aware datetime")
    if value.tzinfo is None:
        _refuse(attribute, Rule.BAD_FORMAT, "has no time zone; it must be an aware datetime")


IDS: Final = Listed(each=Text(MAX_ID_LENGTH))
"""At least one id, of at most 32 characters each. How many a call may have is in the operation's `batch`."""


def list_problem(values: object, name: str = "ids") -> str | None:
    """Return why a value is no list of ids, or None: the parts of a string or of bytes would become ids."""
    if isinstance(values, str):
        return f"is the string {reprlib.repr(values)}; pass a list of {name}"
    kind: Any = type(values)  # mypy takes the __hash__ of a class for that of its instances
    if not _has_items(kind):
        return f"is of type {kind.__name__}; pass a list of {name}"
    return None


@lru_cache(maxsize=64)
def _has_items(kind: Any) -> bool:
    is_iterable = any(hasattr(kind, method) for method in ("__iter__", "__aiter__", "__getitem__"))
    return is_iterable and not issubclass(kind, bytes | bytearray | memoryview)


def ids(values: Iterable[str], name: str = "ids") -> tuple[str, ...]:
    """Convert an iterable of ids to a tuple; refuse a bare string or bytes, which are no list of ids."""
    if problem := list_problem(values, name):
        raise InvalidRequest("", name, problem, Rule.WRONG_TYPE)
    return tuple(values)


def paths(values: Iterable[str]) -> tuple[str, ...]:
    """Convert an iterable of paths to a tuple; refuse a bare string."""
    return ids(values, "paths")
