"""Which characters may reach a terminal.

Phones, services and files are not trusted: what they contain is printed, and must not move the cursor, fill
the clipboard, add a link, end a line or show a text in another order than it has. Everything that is printed
to a terminal passes `visible`; JSON escapes the same characters in its own way.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from enum import Enum
from typing import Final, TextIO

_INVISIBLE: Final = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0),  # joiners and fillers
        *range(0x180B, 0x1810),  # Mongolian variation selectors
        *range(0xFE00, 0xFE10),  # variation selectors
        *range(0xE0000, 0xE1000),  # tags, and more variation selectors
    )
)
"""Code points that Unicode lists as default ignorable, and Python as printable: two texts look the same."""


def is_visible(character: str) -> bool:
    """Return whether a character only shows itself.

    Controls, marks of direction, zero-width and unassigned characters do not, nor do separators of lines.
    """
    if character.isprintable():
        return ord(character) not in _INVISIBLE
    return unicodedata.category(character) == "Zs"  # spaces, such as the ideographic one


_DEFAULT_WIDTH: Final = 80
_MAX_DIGITS: Final = 10


class _Escapes(dict[int, str]):
    """Replacements of characters by code point, computed on first use."""

    def __init__(self, keep: str) -> None:
        super().__init__({ord(character): character for character in keep})

    def __missing__(self, code: int) -> str:
        character = chr(code)
        replacement = character if is_visible(character) else ascii(character)[1:-1]
        self[code] = replacement
        return replacement


_ESCAPES: Final = {keep: _Escapes(keep) for keep in ("", "\n\t")}


def visible(text: str, *, keep_lines: bool = False) -> str:
    r"""Return a text with all characters escaped that do more than show themselves, as `\x1b` or `\u202e`.

    Args:
        text: A text of any origin.
        keep_lines: Whether line feeds and tabs are kept.
    """
    if text.isascii() and text.isprintable():
        return text
    return text.translate(_ESCAPES["\n\t" if keep_lines else ""])


def width_of(text: str) -> int:
    """Return the columns that a visible text takes up: two for each Chinese character or emoji."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len  # noqa: PLC0415 - slow to import

    return cell_len(text)


def cut(text: str, width: int) -> str:
    """Return a text in at most some columns; `…` stands for what is cut off."""
    return text if width_of(text) <= width else f"{text[: _fitting(text, width - 1)]}…"


def chop(text: str, width: int) -> list[str]:
    """Return the lines of a text, each in at most some columns, without losing anything."""
    lines: list[str] = []
    for line in text.split("\n"):
        rest = line.expandtabs()
        while width_of(rest) > width:
            end = max(1, _fitting(rest, width))
            lines.append(rest[:end])
            rest = rest[end:]
        lines.append(rest)
    return lines


_WORD: Final = re.compile(r"\s*\S+")


def wrap(text: str, width: int, indent: int = 2) -> str:
    """Return a line as lines of at most some columns, broken between words.

    A word that is too long for a line stays where it is: a command with a long token can be copied.

    Args:
        text: A visible text.
        width: Columns of the terminal.
        indent: How far further lines are indented, beyond the indentation of the first.
    """
    if width_of(text) <= width:
        return text
    margin = " " * (len(text) - len(text.lstrip()) + indent)
    lines, line = list[str](), ""
    for word in _WORD.findall(text):
        moved = margin + word.lstrip()
        if line and width_of(line + word) > width >= width_of(moved):
            lines.append(line)
            line = moved
        else:
            line += word
    return "\n".join((*lines, line))


def _fitting(text: str, width: int) -> int:
    """Return how many characters fit in some columns, accents on the last of them included."""
    end = min(len(text), width)
    while end and width_of(text[:end]) > width:
        end -= 1
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return end


def terminal_width(stream: TextIO) -> int | None:
    """Return the present width of the terminal that a stream is, or that of COLUMNS; None if it is none."""
    if not stream.isatty():
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and len(columns) < _MAX_DIGITS and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except OSError:  # a terminal that was closed
        return _DEFAULT_WIDTH


def styled(text: str, style: Style, stream: TextIO) -> str:
    """Return a visible text in a style if the stream is a terminal that has styles, without NO_COLOR."""
    return f"\x1b[{style.value}m{text}\x1b[m" if text and _has_styles(stream) else text


class Style(Enum):
    """How a text looks in a terminal."""

    BOLD = "1"
    RED = "31"
    GREEN = "32"
    MAGENTA = "35"
    """For what needs attention: yellow cannot be read on a light background."""


def _has_styles(stream: TextIO) -> bool:
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown")
    return not is_plain and stream.isatty() and sys.platform != "win32"
