"""Decode text and JSON from files that people and their tools wrote."""

from __future__ import annotations

import codecs
import io
import json
import math
from typing import IO, TYPE_CHECKING, Final, NoReturn, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from _typeshed import WriteableBuffer

_ENCODINGS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    # Before the marks of UTF-16, one of which is the beginning of one of these.
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Encodings by the byte order mark at the start, as spreadsheets and PowerShell write it."""

_MARK_SIZE: Final = 4
"""Bytes of the longest byte order mark."""

_LONG_LINE: Final = 2**16
"""Characters within which a first line without NUL characters is expected to show that it is text."""

MAX_DEPTH: Final = 100
"""Levels of nested lists and objects; the deepest documented body has six."""

_MAX_DIGITS: Final = 20
"""Digits of the largest integer of 64 bits, with its sign."""

_SHOWN: Final = 12
"""Characters of a number that a message shows."""


def decode_text(data: bytes) -> str:
    """Decode UTF-8, or UTF-16 or UTF-32 with a byte order mark. The mark is removed.

    Raises:
        ValueError: The bytes are not text in that encoding.
    """
    encoding = _encoding_of(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise _undecodable(error, encoding, 1) from None


def decode_lines(stream: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a stream with their ends, decoded like `decode_text` while they are read.

    Raises:
        ValueError: The bytes are not text in that encoding.
    """
    head = stream.read(_MARK_SIZE)
    encoding, number = _encoding_of(head), 1
    text = io.TextIOWrapper(io.BufferedReader(_Joined(head, stream)), encoding, newline="")
    try:
        # What is no text, such as a device that never ends, need not have a line end.
        if first := text.readline(_LONG_LINE):
            is_cut = not first.endswith(("\r", "\n")) and "\0" not in first
            yield first + text.readline() if is_cut else first
            number += 1
        for line in text:
            yield line
            number += 1
    except UnicodeDecodeError as error:
        raise _undecodable(error, encoding, number) from None


class _Joined(io.RawIOBase):
    """What was read of a stream, and then the rest of it."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data, self._head = self._head or self._rest.read(len(view)), b""
        view[: len(data)] = data
        return len(data)


def _encoding_of(data: bytes) -> str:
    return next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")


def _undecodable(error: UnicodeDecodeError, encoding: str, first_line: int) -> ValueError:
    line = first_line + error.object.count(b"\n", 0, error.start)
    bad = error.object[error.start]
    return ValueError(f"is not {encoding.upper().removesuffix('-SIG')}: byte 0x{bad:02x} in line {line}")


def parse_json(text: bytes | str) -> object:
    """Parse JSON, and refuse what could not be sent on: numbers beyond 64 bits, deep nesting.

    Raises:
        ValueError: The text is not JSON, or cannot be sent; the message says what is wrong and where.
    """
    if isinstance(text, bytes):
        text = decode_text(text)
    if not text.strip():
        raise ValueError("is empty, and not JSON")
    try:
        value: object = json.loads(
            text, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    check_depth(value)
    return value


_TOO_DEEP: Final = f"is nested more than {MAX_DEPTH} levels deep"


def _parse_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS or not -(2**63) <= int(digits) < 2**64:
        raise ValueError(
            f"has an integer of more than 64 bits: {digits[:_SHOWN]}… ({len(digits):,} characters)"
        )
    return int(digits)


def _parse_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"has a number that is too large: {digits[:_SHOWN]}")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"is not JSON: {name} is not a JSON value")


def check_depth(value: object) -> None:
    """Refuse JSON that is nested too deep for what processes it with recursion.

    Raises:
        ValueError: It has more than `MAX_DEPTH` levels.
    """
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _children(parent) if isinstance(child, _CONTAINERS)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


# A union would be built anew for each value.
_CONTAINERS: Final = (dict, list)


def _children(value: object) -> Iterable[object]:
    """Return the values in a list or an object; a scalar has none."""
    if isinstance(value, dict):
        return cast("dict[str, object]", value).values()
    return cast("list[object]", value) if isinstance(value, list) else ()
