"""Print rows to stdout as a table, JSON, JSON lines or CSV."""

from __future__ import annotations

import csv
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from types import TracebackType
from typing import Final, Self, TypeAlias

from koophone_async.cli.encoding import dump_json, printable
from koophone_async.cli.rows import JsonValue, Row

_ESCAPES: Final = {
    code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"
}
"""Escapes of control codes, which a phone's output may contain and which must not reach the terminal."""

_MIN_COLUMN_WIDTH: Final = 16
"""Characters to which a column can be narrowed before the table becomes hard to read."""


class Format(StrEnum):
    """Output format."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


class Printer(ABC):
    """Prints rows; leaving its context completes the output, also after an error or an interruption."""

    streams = True
    """Whether rows are printed as they arrive."""

    def __init__(self, columns: Sequence[str] = ()) -> None:
        """Create a printer.

        Args:
            columns: Columns of a table or CSV; by default those of the rows.
        """
        self.columns: tuple[str, ...] = tuple(columns)

    @abstractmethod
    def row(self, row: Row) -> None:
        """Print one row."""

    def close(self) -> None:  # noqa: B027 - optional hook
        """Complete the output."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):  # stdout cannot be written
            self.close()


class JsonLines(Printer):
    """One JSON object per line, printed immediately."""

    def row(self, row: Row) -> None:
        """Print one row."""
        sys.stdout.write(dump_json(row) + "\n")
        sys.stdout.flush()


class JsonArray(Printer):
    """One JSON array."""

    _separator = "["

    def row(self, row: Row) -> None:
        """Print one row."""
        sys.stdout.write(f"{self._separator}\n{dump_json(row)}")
        self._separator = ","
        sys.stdout.flush()

    def close(self) -> None:
        """Complete the output."""
        sys.stdout.write("[]\n" if self._separator == "[" else "\n]\n")
        sys.stdout.flush()


class Csv(Printer):
    """Comma-separated values with a header; lists and objects are JSON in their cell."""

    columns: tuple[str, ...]

    def __init__(self, columns: Sequence[str] = ()) -> None:
        super().__init__(columns)
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._quoting = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._has_header = False

    def row(self, row: Row) -> None:
        """Print one row."""
        self._write_header(row)
        cells = [printable(_cell(row.get(column))) for column in self.columns]
        # The csv module does not quote a carriage return when writing, but ends the row at it when reading.
        writer = self._quoting if any("\r" in cell for cell in cells) else self._writer
        writer.writerow(cells)
        sys.stdout.flush()

    def close(self) -> None:
        """Complete the output."""
        if self.columns:
            self._write_header({})

    def _write_header(self, row: Row) -> None:
        if not self._has_header:
            self.columns = self.columns or tuple(row)
            self._writer.writerow(self.columns)
            self._has_header = True


class Table(Printer):
    """A table, printed at the end.

    If stdout is not a terminal, it is plain text with one line per row, as wide as necessary.
    """

    streams = False

    def __init__(self, columns: Sequence[str] = ()) -> None:
        super().__init__(columns)
        self._rows: list[Row] = []

    def row(self, row: Row) -> None:
        """Print one row."""
        self._rows.append(row)

    def close(self) -> None:
        """Complete the output."""
        names = [*self.columns] if self.columns else list(dict.fromkeys(n for row in self._rows for n in row))
        used = [name for name in names if any(row.get(name) not in (None, "", []) for row in self._rows)]
        cells = [
            [printable(_cell(row.get(name)).rstrip("\n").translate(_ESCAPES)) for name in used]
            for row in self._rows
        ]
        if cells:
            (_draw if sys.stdout.isatty() else _align)(used, cells)
            sys.stdout.flush()


def _cell(value: JsonValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else dump_json(value)


Cells: TypeAlias = Sequence[Sequence[str]]


def _draw(names: Sequence[str], cells: Cells) -> None:
    """Draw a table that fits the terminal, or print one field per line if the terminal is too narrow."""
    from rich import box  # noqa: PLC0415 - rich is slow to import, and only terminals need it
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    if sum(min(width, _MIN_COLUMN_WIDTH) + 3 for width in _widths([names, *cells])) > console.width:
        console.print(Text("\n\n".join(_fields(names, row) for row in cells)))
        return
    table = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name.upper(), overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _fields(names: Sequence[str], row: Sequence[str]) -> str:
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {cell}" for name, cell in zip(names, row, strict=True) if cell)


def _align(names: Sequence[str], cells: Cells) -> None:
    """Print one line per row, with columns as wide as their widest cell."""
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
    """Return the width of a text in terminal columns."""
    from rich.cells import cell_len  # noqa: PLC0415 - slow to import

    return cell_len(cell)


_PRINTERS: Final[dict[Format, type[Printer]]] = {
    Format.TABLE: Table,
    Format.JSON: JsonArray,
    Format.JSONL: JsonLines,
    Format.CSV: Csv,
}


def printer(output: Format, columns: Sequence[str] = ()) -> Printer:
    """Create the printer of a format."""
    return _PRINTERS[output](columns)
