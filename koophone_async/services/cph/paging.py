"""Iterate over paged lists, item by item.

Most lists of CPH are paged by `offset` and `limit`. Answers of 2020 have no total, and only some of 2025 do;
without a total, a page with fewer rows than requested is the last one. Some lists of 2020 and 2025 are not
paged at all and return every row whatever the limit. Rows that are added or removed while the pages are read
shift the others: a row may be returned twice, or not at all. The newest lists are paged by a marker, which
each answer has for the next page.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, field, frozen

from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items, UnreadableValue, dropped_rows, unreadable_values
from koophone_async.wire import wire

Item_co = TypeVar("Item_co", covariant=True)


class Page(Protocol[Item_co]):
    """One page of a list that is paged by offset."""

    @property
    def items(self) -> tuple[Item_co, ...]:
        """Rows of this page."""
        ...

    @property
    def total(self) -> int | None:
        """Number of rows on all pages; None if the answer has no total."""
        ...


@frozen
class PageInfo:
    """Marker of the next page."""

    marker: str | None = field(default=None, metadata=wire("next_marker", null_text=True))


class MarkedPage(Protocol[Item_co]):
    """One page of a list that is paged by marker."""

    @property
    def items(self) -> tuple[Item_co, ...]:
        """Rows of this page."""
        ...

    @property
    def next(self) -> PageInfo | None:
        """Marker of the next page; None or an empty marker after the last page."""
        ...


def items_by_offset(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
) -> Items[Any]:
    """Iterate over the items of a list, requesting page after page from the query's `offset` on.

    The query has fields `offset` and `limit`. If answers have a total, no page past the end is requested: the
    document of 2020 wants an offset less than the number of rows.
    """
    unreadable: list[UnreadableValue] = []
    return Items(_by_offset(session, operation, query, unreadable), unreadable)


async def _by_offset(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
    unreadable: list[UnreadableValue],
) -> AsyncGenerator[Any, None]:
    offset: int = query.offset
    before: tuple[object, ...] = ((), ())
    while True:
        page: Page[Any] = await session.send(operation, evolve(query, offset=offset))
        dropped = dropped_rows(page.items)
        if (page.items, dropped) == before:
            return  # empty, or the previous page again by a service that does not page
        unreadable += unreadable_values(page.items)
        for item in page.items:
            yield item
        rows = len(page.items) + len(dropped)
        offset, before = offset + rows, (page.items, dropped)
        if _is_last(page.total, rows, offset, query.limit):
            return


def _is_last(total: int | None, rows: int, seen: int, limit: int) -> bool:
    """Return whether this is the last page. A page with more rows than requested has all rows."""
    return rows != limit if total is None else seen >= total


def items_by_marker(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
) -> Items[Any]:
    """Iterate over the items of a list, requesting page after page until an answer has no new marker."""
    unreadable: list[UnreadableValue] = []
    return Items(_by_marker(session, operation, query, unreadable), unreadable)


async def _by_marker(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
    unreadable: list[UnreadableValue],
) -> AsyncGenerator[Any, None]:
    while True:
        page: MarkedPage[Any] = await session.send(operation, query)
        unreadable += unreadable_values(page.items)
        for item in page.items:
            yield item
        marker = _marker(page.next)
        if not marker or marker == query.marker:
            return
        query = evolve(query, marker=marker)


def _marker(following: PageInfo | None) -> str:
    """Return the marker itself; the vendor's SDK describes the field as the address of the next page."""
    text = (following and following.marker) or ""
    return parse_qs(urlsplit(text).query).get("marker", [text])[0]
