"""Tables for people: as wide as the terminal, or in a pipe as wide as necessary."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final, TypeAlias

from koophone_async.cli.output.encoding import dump_json, printable
from koophone_async.cli.output.rows import EnumName, JsonValue, Row
from koophone_async.cli.output.terminal import Style, chop, cut, styled, visible, width_of, wrap

_GAP: Final = "  "
_MIN_WIDTH: Final = 8
"""Columns of the terminal to which a cell can be cut before a table becomes hard to read."""

_WRAPPED: Final = frozenset({"output", "error_message", "description", "value", "source", "counts"})
"""Columns that are read in full: in a terminal their cells have several lines, where others are cut."""

_VERBATIM: Final = frozenset({"output"})
"""Columns whose lines are broken anywhere, because all their spaces count."""

STATE_STYLES: Final = {
    "succeeded": Style.GREEN,
    "accepted": Style.GREEN,
    "failed": Style.RED,
    "refused": Style.RED,
    "unknown": Style.MAGENTA,
    "unfinished": Style.MAGENTA,
    "not_sent": Style.MAGENTA,
}
"""Styles by state of an outcome."""

Cells: TypeAlias = Sequence[Sequence[str]]


def words(value: JsonValue) -> str:
    """Return a value as people write it: `going offline`, `yes`; lists and objects are JSON."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case EnumName():
            return re.sub("_AS_WELL$|_[0-9]+$", "", value).replace("_", " ").lower()
        case str():
            return value
        case _:
            return dump_json(value)


def table_lines(
    names: Sequence[str], rows: Sequence[Row], width: int | None, *, is_chosen: bool = False
) -> Iterator[str]:
    """Return the lines of a table.

    Args:
        names: Names of the columns.
        rows: The rows.
        width: Width of the terminal; None in a pipe, where nothing is cut and each row is one line.
        is_chosen: Whether the columns were chosen by the user; otherwise empty ones are left out.
    """
    used = [name for name in names if is_chosen or any(row.get(name) not in (None, "", []) for row in rows)]
    keep_lines = {name for name in used if width is not None and name in _WRAPPED}
    cells = [
        [
            printable(visible(words(row.get(name)).rstrip("\n"), keep_lines=name in keep_lines))
            for name in used
        ]
        for row in rows
    ]
    titles = [printable(visible(name)) for name in used]
    natural = [max(map(_width, column)) for column in zip(titles, *cells, strict=True)]
    if width is None:
        return _aligned(titles, cells, natural)
    widths = _fitted(natural, width)
    return _aligned(titles, cells, widths) if widths else _fields(titles, cells, width)


def _width(cell: str) -> int:
    return max(map(width_of, cell.split("\n")))


def _fitted(natural: Sequence[int], width: int) -> list[int] | None:
    """Narrow the widest columns until all fit; None if they would become too narrow.

    The first column, which identifies the row, is the last to be narrowed.
    """
    available = width - len(_GAP) * (len(natural) - 1)
    first, *others = natural
    for limit in range(max(others, default=0), _MIN_WIDTH - 1, -1):
        widths = [first, *(min(limit, other) for other in others)]
        if sum(widths) <= available:
            return widths
    narrowed = [min(_MIN_WIDTH, other) for other in others]
    rest = available - sum(narrowed)
    return [min(first, rest), *narrowed] if rest >= min(first, _MIN_WIDTH) else None


def _aligned(names: Sequence[str], cells: Cells, widths: Sequence[int]) -> Iterator[str]:
    header = [cut(name.upper(), width) for name, width in zip(names, widths, strict=True)]
    yield styled(_GAP.join(_pad(header, widths)).rstrip(), Style.BOLD, sys.stdout)
    for row in cells:
        columns = [
            _lines(name, cell, width) if name in _WRAPPED else [cut(cell, width)]
            for name, cell, width in zip(names, row, widths, strict=True)
        ]
        for line in zip_longest(*columns, fillvalue=""):
            yield _GAP.join(_colored(names, line, _pad(line, widths))).rstrip()


def _lines(name: str, cell: str, width: int) -> list[str]:
    text = cell if name in _VERBATIM else "\n".join(wrap(line, width, 0) for line in cell.split("\n"))
    return chop(text, width)


def _pad(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [cell + " " * (width - width_of(cell)) for cell, width in zip(line, widths, strict=True)]


def _colored(names: Sequence[str], line: Sequence[str], padded: Sequence[str]) -> Iterator[str]:
    for name, cell, text in zip(names, line, padded, strict=True):
        style = STATE_STYLES.get(cell) if name == "state" else None
        yield styled(text, style, sys.stdout) if style else text


def _fields(names: Sequence[str], cells: Cells, width: int) -> Iterator[str]:
    """Return the lines of each field of each row, for terminals that are too narrow for a table."""
    longest = max(map(len, names))
    for index, row in enumerate(cells):
        if index:
            yield ""
        for name, cell in zip(names, row, strict=True):
            if cell:
                yield wrap(f"{name:<{longest}}  {cell}", width, longest + 2)
