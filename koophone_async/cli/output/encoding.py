"""Text on streams whose encoding lacks characters, such as GBK or ASCII: escaped, and never an error."""

from __future__ import annotations

import codecs
import io
import json
import sys
from collections.abc import Callable
from typing import Final, TextIO

from koophone_async.cli.output.terminal import is_visible

_ESCAPE: Final = "backslashreplace"


def escape_unencodable(out: TextIO, err: TextIO) -> None:
    r"""Make stdout and stderr print a character that they cannot encode as `\xe9`, `\u4e2d` or `\U0001f600`.

    The marks of our own messages, which go to stderr, have ASCII forms there; stdout loses nothing.
    """
    codecs.register_error(_READABLE, _in_ascii)
    for stream, errors in ((out, _ESCAPE), (err, _READABLE)):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


_READABLE: Final = "koophone_readable"
_ASCII_MARKS: Final = {"…": "...", "·": "|"}


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    """Handle an encoding error: return the ASCII form of a mark, or the characters escaped."""
    if isinstance(error, UnicodeEncodeError) and (mark := _ASCII_MARKS.get(error.object[error.start])):
        return mark, error.start + 1
    return codecs.backslashreplace_errors(error)


def dump_json(value: object, encoding: str | None = None, *, indent: int | None = None) -> str:
    """Return JSON with the visible characters of an encoding, by default stdout's; escape all others.

    Every character beyond ASCII stands in a string, so that what is escaped stays valid JSON.
    """
    return _dumped(value, encoding, indent, _json_escape)


def dump_yaml(value: object, encoding: str | None = None) -> str:
    r"""Return a value in one line of YAML: JSON, but `\U000e0041` where that has two surrogates."""
    return _dumped(value, encoding, None, _yaml_escape)


def _dumped(value: object, encoding: str | None, indent: int | None, escape: Callable[[str], str]) -> str:
    # DEL is the only control character of ASCII that json leaves as it is.
    text = json.dumps(value, ensure_ascii=False, indent=indent).replace("\x7f", r"\u007f")
    if text.isascii():
        return text
    shown = "".join(c if c.isascii() or is_visible(c) else escape(c) for c in text)
    return _fitted(shown, encoding or sys.stdout.encoding, escape)


def _json_escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _yaml_escape(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) < _ASTRAL else f"\\U{ord(character):08x}"


_ASTRAL: Final = 0x10000
"""The first code point that JSON escapes as two."""


def printable(text: str) -> str:
    """Return a text as stdout encodes it, to measure its width."""
    return _fitted(
        text, sys.stdout.encoding, lambda character: character.encode("ascii", _ESCAPE).decode("ascii")
    )


def encodable(text: str, stream: TextIO, otherwise: str) -> str:
    """Return a text if a stream can encode it, else another."""
    return text if _has(stream.encoding or "utf-8", text) else otherwise


def _fitted(text: str, encoding: str | None, escape: Callable[[str], str]) -> str:
    encoding = encoding or "utf-8"  # a text buffer has none, and needs none
    if text.isascii() or _has(encoding, text):
        return text
    return "".join(
        character if character.isascii() or _has(encoding, character) else escape(character)
        for character in text
    )


def _has(encoding: str, text: str) -> bool:
    """Whether an encoding has all characters; Shift JIS writes a yen sign, and reads a backslash."""
    try:
        return text.encode(encoding).decode(encoding) == text
    except UnicodeError:
        return False
