"""Iterate over paged lists, item by item.

Most lists of CPH are paged by `offset` and `limit`. Answers of 2020 have no total, and only some of 2025 do;
without a total, pages are requested until one has no rows. Some lists of 2020 and 2025 are not paged at all
and return every row whatever the limit. Rows that are added or removed while the pages are read
shift the others: a row may be returned twice, or not at all. The newest lists are paged by a marker, which
each answer has for the next page.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, field, frozen

from koophone_async.errors import Refused
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items, UnreadableValue
from koophone_async.services.page_reader import PageReader
from koophone_async.wire import wire

_BAD_OFFSET: Final = "CPS.0002"

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
    document of 2020 wants an offset less than the number of rows. So without a total, the refusal of an
    offset ends the list too.
    """
    unreadable: list[UnreadableValue] = []
    return Items(_by_offset(session, operation, query, unreadable), unreadable)


async def _by_offset(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
    unreadable: list[UnreadableValue],
) -> AsyncGenerator[tuple[tuple[Any, ...], int | None], None]:
    pages = PageReader(operation.name, unreadable, received=query.offset)
    while True:
        try:
            page: Page[Any] = await session.send(operation, evolve(query, offset=pages.received))
        except Refused as error:
            if error.code == _BAD_OFFSET and pages.size:
                return
            raise
        yield pages.read(page.items), page.total
        has_all_rows = page.total is None and pages.size > query.limit  # of a list that is not paged
        if has_all_rows or pages.is_over(page.total):
            return


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
) -> AsyncGenerator[tuple[tuple[Any, ...], int | None], None]:
    pages, markers = PageReader(operation.name, unreadable), {query.marker}
    while True:
        page: MarkedPage[Any] = await session.send(operation, query)
        yield pages.read(page.items), None
        marker = _marker(page.next)
        if not marker or marker in markers or pages.is_repeated:
            return
        markers.add(marker)
        query = evolve(query, marker=marker)


def _marker(following: PageInfo | None) -> str:
    """Return the marker itself; the vendor's SDK describes the field as the address of the next page."""
    text = (following and following.marker) or ""
    return parse_qs(urlsplit(text).query).get("marker", [text])[0]
