"""Print rows to stdout as a table, JSON, JSON lines, CSV or YAML."""

from __future__ import annotations

import csv
import re
import sys
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

from koophone_async.cli.output.encoding import dump_json, dump_yaml, printable
from koophone_async.cli.output.rows import JsonValue, Row
from koophone_async.cli.output.tables import table_lines
from koophone_async.cli.output.terminal import terminal_width, visible

_FORMULA_STARTS: Final = frozenset("=+-@")
"""How a text starts that a spreadsheet runs as a formula, also after spaces and in wide forms."""


class Format(StrEnum):
    """Output format."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    YAML = "yaml"


class Printer(ABC):
    """Prints rows; leaving its context completes the output, also after an error or an interruption."""

    streams = True
    """Whether rows are printed as they arrive."""

    def __init__(self, columns: Sequence[str] = (), *, is_chosen: bool = False) -> None:
        """Create a printer.

        Args:
            columns: Columns of a table or CSV; by default those of the rows.
            is_chosen: Whether the user chose the columns: then JSON has only these, too, and a table all.
        """
        self.columns: tuple[str, ...] = tuple(columns)
        self._is_chosen = is_chosen

    @abstractmethod
    def row(self, row: Row) -> None:
        """Print one row."""

    def _selected(self, row: Row) -> Row:
        """Return the fields of a row that the user chose."""
        return {name: row.get(name) for name in self.columns} if self._is_chosen else row

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
        sys.stdout.write(dump_json(self._selected(row)) + "\n")
        sys.stdout.flush()


class JsonArray(Printer):
    """One JSON array."""

    _separator = "["

    def row(self, row: Row) -> None:
        """Print one row."""
        sys.stdout.write(f"{self._separator}\n{dump_json(self._selected(row))}")
        self._separator = ","
        sys.stdout.flush()

    def close(self) -> None:
        """Complete the output."""
        sys.stdout.write("[]\n" if self._separator == "[" else "\n]\n")
        sys.stdout.flush()


class Yaml(Printer):
    """Prints a list in YAML, an item a row, whose values are as in JSON."""

    _is_empty = True

    def row(self, row: Row) -> None:
        """Print one item."""
        self._is_empty = False
        fields = [f"{_yaml_key(name)}: {dump_yaml(value)}" for name, value in self._selected(row).items()]
        sys.stdout.write("- " + "\n  ".join(fields or ["{}"]) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Print an empty list if there was no item."""
        if self._is_empty:
            sys.stdout.write("[]\n")


_PLAIN_KEY: Final = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[a-z_][a-z0-9_]*", re.IGNORECASE)
"""Names that YAML reads as texts without quotes."""


def _yaml_key(name: str) -> str:
    """Return a key of YAML; answers that no document describes have keys of the service's choice."""
    return name if _PLAIN_KEY.fullmatch(name) else dump_yaml(name)


class Csv(Printer):
    """Comma-separated values with a header; lists and objects are JSON in their cell."""

    is_safe = False
    """Whether cells that a spreadsheet would run as formulas are made text."""

    def __init__(self, columns: Sequence[str] = (), *, is_chosen: bool = False) -> None:
        super().__init__(columns, is_chosen=is_chosen)
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._quoting = csv.writer(sys.stdout, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._has_header = False

    def row(self, row: Row) -> None:
        """Print one row."""
        self._write_header(row)
        self._write([self._text(row.get(column)) for column in self.columns])
        sys.stdout.flush()

    def close(self) -> None:
        """Complete the output."""
        if self.columns:
            self._write_header({})

    def _write_header(self, row: Row) -> None:
        if not self._has_header:
            self.columns: tuple[str, ...] = self.columns or tuple(row)
            self._write([self._text(column) for column in self.columns])
            self._has_header = True

    def _write(self, cells: Sequence[str]) -> None:
        # The csv module does not quote a carriage return when writing, but ends the row at it when reading.
        writer = self._quoting if any("\r" in cell for cell in cells) else self._writer
        writer.writerow(cells)

    def _text(self, value: JsonValue) -> str:
        """Return the text of a cell: as a terminal may show it, and unchanged in files and pipes."""
        text = value if isinstance(value, str) else "" if value is None else dump_json(value)
        if self.is_safe and isinstance(value, str) and _is_formula(text):
            text = f"'{text}"
        return printable(visible(text, keep_lines=True) if sys.stdout.isatty() else text)


def _is_formula(text: str) -> bool:
    return unicodedata.normalize("NFKC", text.lstrip()[:1]) in _FORMULA_STARTS


class SafeCsv(Csv):
    """CSV for spreadsheets: a text that one would run as a formula starts with an apostrophe."""

    is_safe = True


class Table(Printer):
    """A table, printed at the end."""

    streams = False

    def __init__(self, columns: Sequence[str] = (), *, is_chosen: bool = False) -> None:
        super().__init__(columns, is_chosen=is_chosen)
        self._rows: list[Row] = []

    def row(self, row: Row) -> None:
        """Print one row."""
        self._rows.append(row)

    def close(self) -> None:
        """Complete the output."""
        if self._rows:
            names = self.columns or tuple(dict.fromkeys(name for row in self._rows for name in row))
            width = terminal_width(sys.stdout)
            print_styled(table_lines(names, self._rows, width, is_chosen=self._is_chosen))


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of any origin as a terminal may show them."""
    print_styled(map(visible, lines))


def print_styled(lines: Iterable[str]) -> None:
    """Print lines that are visible already, and may have styles."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


_PRINTERS: Final[dict[Format, type[Printer]]] = {
    Format.TABLE: Table,
    Format.JSON: JsonArray,
    Format.JSONL: JsonLines,
    Format.CSV: Csv,
    Format.YAML: Yaml,
}


def printer(
    output: Format, columns: Sequence[str] = (), *, is_chosen: bool = False, csv_safe: bool = False
) -> Printer:
    """Create the printer of a format."""
    kind = SafeCsv if csv_safe and output is Format.CSV else _PRINTERS[output]
    return kind(columns, is_chosen=is_chosen)


def print_bytes(content: bytes) -> None:
    """Print the bytes of an answer: unchanged, or to a terminal as text."""
    if sys.stdout.isatty():
        sys.stdout.write(visible(content.decode(errors="backslashreplace"), keep_lines=True))
    else:
        sys.stdout.buffer.write(content)
