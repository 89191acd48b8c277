"""Rows on stdout: as a table for people, as JSON, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from types import TracebackType
from typing import Final, Self, TypeAlias

from koophone_async.cli.rows import Plain, Row

_INVISIBLE: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}
"""A phone's output may hold control codes, which must not reach the reader's terminal."""


_LEGIBLE: Final = 16
"""To how many characters a column may be squeezed before a table becomes illegible."""


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Printer(ABC):
    """Prints rows; a block with it ends what was begun, also when the work is interrupted."""

    streams = True
    """Whether rows are printed as they come."""

    def __init__(self, columns: Sequence[str] = ()) -> None:
        """Prepare to print.

        Args:
            columns: What to head a table or CSV with when there are no rows.
        """
        self.columns: tuple[str, ...] = tuple(columns)

    @abstractmethod
    def row(self, row: Row) -> None:
        """Take one row."""

    def close(self) -> None:  # noqa: B027 - most have printed everything by then
        """Print what is still to be printed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, BrokenPipeError):
            self.close()


class JsonLines(Printer):
    """One object a line, each written at once."""

    def row(self, row: Row) -> None:
        """Take one row."""
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class JsonArray(Printer):
    """One array, closed in the end."""

    _before = "["

    def row(self, row: Row) -> None:
        """Take one row."""
        sys.stdout.write(f"{self._before}\n{json.dumps(row, ensure_ascii=False)}")
        self._before = ","

    def close(self) -> None:
        """Print what is still to be printed."""
        sys.stdout.write("[]\n" if self._before == "[" else "\n]\n")


class Csv(Printer):
    """Comma-separated values with a header; what is no plain value is JSON in its cell."""

    columns: tuple[str, ...]

    def __init__(self, columns: Sequence[str] = ()) -> None:
        super().__init__(columns)
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._quoting = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._has_header = False

    def row(self, row: Row) -> None:
        """Take one row."""
        self._header(row)
        cells = [_cell(row.get(column)) for column in self.columns]
        # The csv module does not quote a carriage return, and reads it as the end of a row.
        writer = self._quoting if any("\r" in cell for cell in cells) else self._writer
        writer.writerow(cells)
        sys.stdout.flush()

    def close(self) -> None:
        """Print what is still to be printed."""
        if self.columns:
            self._header({})

    def _header(self, row: Row) -> None:
        if not self._has_header:
            self.columns = self.columns or tuple(row)
            self._writer.writerow(self.columns)
            self._has_header = True


class Table(Printer):
    """A table, printed in the end.

    Where stdout is no terminal it is plain, a row a line, and as wide as it must be.
    """

    streams = False

    def __init__(self, columns: Sequence[str] = ()) -> None:
        super().__init__(columns)
        self._rows: list[Row] = []

    def row(self, row: Row) -> None:
        """Take one row."""
        self._rows.append(row)

    def close(self) -> None:
        """Print what is still to be printed."""
        names = [*self.columns] if self.columns else list(dict.fromkeys(n for row in self._rows for n in row))
        used = [name for name in names if any(row.get(name) not in (None, "", []) for row in self._rows)]
        cells = [
            [_cell(row.get(name)).rstrip("\n").translate(_INVISIBLE) for name in used] for row in self._rows
        ]
        if cells:
            (_draw if sys.stdout.isatty() else _align)(used, cells)


def _cell(value: Plain) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


Cells: TypeAlias = Sequence[Sequence[str]]


def _draw(names: Sequence[str], cells: Cells) -> None:
    """Draw a table as wide as the terminal, or a field a line where that would be illegible."""
    from rich import box  # noqa: PLC0415 - as the next ones: only what draws pays for it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as Drawing  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    if sum(min(width, _LEGIBLE) + 3 for width in _widths([names, *cells])) > console.width:
        console.print(Text("\n\n".join(_fields(names, row) for row in cells)))
        return
    drawing = Drawing(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in names:
        drawing.add_column(name.upper(), overflow="fold")
    for row in cells:
        drawing.add_row(*(Text(cell) for cell in row))
    console.print(drawing)


def _fields(names: Sequence[str], row: Sequence[str]) -> str:
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {cell}" for name, cell in zip(names, row, strict=True) if cell)


def _align(names: Sequence[str], cells: Cells) -> None:
    """Write a row a line, in columns as wide as their widest cell."""
    lines = [
        [name.upper() for name in names],
        *([cell.replace("\n", "\\n").replace("\t", "\\t") for cell in row] for row in cells),
    ]
    widths = _widths(lines)
    for line in lines:
        padded = (cell + " " * (width - _len(cell)) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("  ".join(padded).rstrip() + "\n")


def _widths(lines: Cells) -> list[int]:
    return [max(map(_len, column)) for column in zip(*lines, strict=True)]


def _len(cell: str) -> int:
    """Count the columns that a text takes in a terminal."""
    from rich.cells import cell_len  # noqa: PLC0415 - as above

    return cell_len(cell)


_PRINTERS: Final[dict[Format, type[Printer]]] = {
    Format.TABLE: Table,
    Format.JSON: JsonArray,
    Format.JSONL: JsonLines,
    Format.CSV: Csv,
}


def printer(output: Format, columns: Sequence[str] = ()) -> Printer:
    """Make the printer for a format."""
    return _PRINTERS[output](columns)
