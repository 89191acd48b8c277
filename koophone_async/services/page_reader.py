"""Read the pages of a list to its end, whatever the service makes of page numbers, limits and totals.

A page may have fewer rows than were requested, and an answer no total, or a wrong one. So a list ends only
at its total, which rows were counted up to, or at a page without rows. A service that ignores the number or
the offset of a page answers every request with the same one: without a check, such a list would never end.
"""

from __future__ import annotations

import logging
from typing import Final, TypeAlias, TypeVar

from attrs import define, field

from koophone_async.errors import UnreadableAnswer
from koophone_async.rows import UnreadableValue, dropped_rows, unreadable_values

log: Final = logging.getLogger("koophone_async")

Item = TypeVar("Item")
_Page: TypeAlias = tuple[frozenset[str], tuple[UnreadableValue, ...]]
"""What identifies a page: its rows, and what is unreadable in it."""

_MAX_EMPTY_PAGES = 100
"""Pages without rows that may follow one another: a page of a filtered list may have none."""


@define(eq=False)
class PageReader:
    """Counts the rows of a list, and detects its end and repeated pages."""

    operation: str
    unreadable: list[UnreadableValue]
    """Receives what could not be read."""

    received: int = 0
    """Rows so far, including unreadable ones."""

    size: int = field(default=0, init=False)
    """Rows of the last page."""

    is_repeated: bool = field(default=False, init=False)
    """Whether the last page was a previous page again; its rows are not returned twice."""

    _empty_pages: int = field(default=0, init=False)
    _last: _Page | None = field(default=None, init=False)
    _seen: set[int] = field(factory=set[int], init=False)
    """Hashes of all pages: a service may repeat several pages in turn."""

    def read(self, rows: tuple[Item, ...]) -> tuple[Item, ...]:
        """Count a page and return its rows, or none if it repeats a page or is part of the last one.

        Raises:
            UnreadableAnswer: Too many pages in a row have no rows.
        """
        dropped = dropped_rows(rows)
        self.size = len(rows) + len(dropped)
        self._empty_pages = 0 if self.size else self._empty_pages + 1
        if self._empty_pages > _MAX_EMPTY_PAGES:
            raise self._error(f"{self._empty_pages} pages in a row have no rows")
        if not self.size:
            return ()
        page = _identity(rows, dropped)
        digest = hash(page)
        self.is_repeated = digest in self._seen or _is_part(page, self._last)
        if self.is_repeated:
            return ()
        self._seen.add(digest)
        self._last = page
        self.unreadable += unreadable_values(rows)
        self.received += self.size
        return rows

    def is_over(self, total: int | None) -> bool:
        """Return whether no page follows. A total that is less than the rows received is no total.

        Raises:
            UnreadableAnswer: The service repeats a page although its total has more rows.
        """
        if self.is_repeated and total is not None and total > self.received:
            raise self._error(f"the service repeats a page after {self.received:,} of {total:,} rows")
        if not self.size and total is not None and total > self.received:
            log.warning("%s: the list ends after %d of %d rows", self.operation, self.received, total)
        return self.is_repeated or not self.size or total == self.received

    def _error(self, reason: str) -> UnreadableAnswer:
        return UnreadableAnswer(self.operation, 200, reason, b"")


def _identity(rows: tuple[object, ...], dropped: tuple[UnreadableValue, ...]) -> _Page:
    """Return what a page has in common with its repetition: the ids, as other fields may change meanwhile."""
    ids = [getattr(row, "id", None) for row in rows]
    return frozenset(
        id if isinstance(id, str) else repr(row) for id, row in zip(ids, rows, strict=True)
    ), dropped


def _is_part(page: _Page, previous: _Page | None) -> bool:
    return previous is not None and page[0] <= previous[0] and not (page[1] or previous[1])
