"""Values that phones have in common: a row for each, with the number of phones and their ids."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Final

from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.output.id_ranges import fold, shorten
from koophone_async.cli.output.printing import Printer
from koophone_async.cli.output.rows import JsonValue, Row

_IDS_WIDTH: Final = 40
"""Columns of the ids in a terminal, which share their line with the values."""


class Pivot(Printer):
    """Collects rows that each belong to an id, and prints one for each of their values.

    Rows with an equal first column stay together, such as all versions of an app; those that most ids have
    come first.
    """

    streams = False

    def __init__(self, inner: Printer, columns: Sequence[str], *, cut_ids: bool = False) -> None:
        """Create a printer.

        Args:
            inner: Prints the rows.
            columns: Columns that are compared.
            cut_ids: Whether to cut the ids to one line, for a table in a terminal.
        """
        super().__init__(inner.columns)
        self._inner, self._columns, self._cut_ids = inner, columns, cut_ids
        self._groups: dict[str, tuple[Row, dict[str, None]]] = {}
        self.count: int = 0
        """Number of rows so far."""

    def row(self, row: Row) -> None:
        """Collect one row."""
        values = {name: row.get(name) for name in self._columns}
        _, ids = self._groups.setdefault(dump_json(values, "utf-8"), (values, {}))
        ids[row["id"]] = None
        self.count += 1

    def close(self) -> None:
        """Print a row for each value."""
        totals = Counter[str]()
        for values, ids in self._groups.values():
            totals[self._first(values)] += len(ids)
        for values, ids in sorted(
            self._groups.values(),
            key=lambda group: (-totals[self._first(group[0])], self._first(group[0]), -len(group[1])),
        ):
            self._inner.row({**values, "count": len(ids), "ids": self._shown([*ids])})
        self._inner.close()

    def _first(self, values: Row) -> str:
        return dump_json(next(iter(values.values()), None), "utf-8")

    def _shown(self, ids: Sequence[str]) -> JsonValue:
        return shorten(ids, _IDS_WIDTH) if self._cut_ids and sys.stdout.isatty() else ",".join(fold(ids))
