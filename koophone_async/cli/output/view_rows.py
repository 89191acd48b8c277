"""Rows as a view arranges them."""

from __future__ import annotations

from collections.abc import Sequence

from koophone_async.cli.output.id_ranges import by_number
from koophone_async.cli.output.printing import Printer
from koophone_async.cli.output.rows import Row
from koophone_async.cli.output.tables import words


class Arranged(Printer):
    """Prints rows as they come or in another order: all, or the first of them."""

    def __init__(self, inner: Printer, order: Sequence[str], limit: int | None) -> None:
        super().__init__(inner.columns)
        self.streams: bool = inner.streams and not order
        self._inner, self._order, self._limit = inner, order, limit
        self._collected: list[Row] = []
        self.count: int = 0
        """Number of rows so far."""

    @property
    def is_full(self) -> bool:
        """Whether no further row would be printed."""
        return not self._order and self._limit is not None and self.count >= self._limit

    def row(self, row: Row) -> None:
        """Print one row, or collect it if rows are sorted."""
        if self._order:
            self._collected.append(row)
        elif not self.is_full:
            self._inner.row(row)
        self.count += 1

    def close(self) -> None:
        """Complete the output."""
        for name in reversed(self._order):  # each sort keeps the order of the one before among equals
            column = name.removeprefix("-")
            self._collected.sort(
                key=lambda row, column=column: by_number(words(row.get(column))),  # type: ignore[misc]
                reverse=name.startswith("-"),
            )
        for row in self._collected[: self._limit]:
            self._inner.row(row)
        self._inner.close()
