"""Lists that come by the page, given out by the item.

Most lists of CPH go by `offset` and `limit`. The answers of 2020 tell no total, and of those of
2025 only some do; without one, a page with fewer rows than were asked for is the last. Some lists
of 2020 and 2025 are not paged at all, and give every row whatever was asked for. What is added or
removed while the pages are read shifts the rows: one may come twice, or not at all.
The newest lists go by a marker, which the answer to one page gives for the next.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from attrs import evolve, field, frozen

from koophone_async.operation import Operation, Sender
from koophone_async.wire import wire

Item_co = TypeVar("Item_co", covariant=True)


class Page(Protocol[Item_co]):
    """One page of a list by offset."""

    @property
    def items(self) -> tuple[Item_co, ...]:
        """The rows of this page."""
        ...

    @property
    def total(self) -> int | None:
        """How many rows there are on all pages; None where the answer does not say."""
        ...


@frozen
class PageInfo:
    """Where the next page begins."""

    marker: str | None = field(default=None, metadata=wire("next_marker"))


class MarkedPage(Protocol[Item_co]):
    """One page of a list by marker."""

    @property
    def items(self) -> tuple[Item_co, ...]:
        """The rows of this page."""
        ...

    @property
    def next(self) -> PageInfo | None:
        """Where the next page begins; None or an empty marker after the last."""
        ...


async def items_by_offset(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
) -> AsyncIterator[Any]:
    """Ask for page after page, from the query's `offset` on, until the list is over.

    The query has fields `offset` and `limit`. No page past the end is asked for where the answers
    give the total: the document of 2020 wants an offset less than the number of rows.
    """
    offset, before = query.offset, ()
    while True:
        page: Page[Any] = await session.send(operation, evolve(query, offset=offset))
        if page.items == before:
            return  # nothing, or the page before again by a service that does not page
        for item in page.items:
            yield item
        offset, before = offset + len(page.items), page.items
        if _is_last(page, offset, query.limit):
            return


def _is_last(page: Page[Any], seen: int, limit: int) -> bool:
    """Tell whether there is no more. More rows than were asked for are all that there are."""
    return len(page.items) != limit if page.total is None else seen >= page.total


async def items_by_marker(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - evolve takes an attrs class, and no protocol is one
) -> AsyncIterator[Any]:
    """Ask for page after page, from the query's `marker` on, until an answer gives no new marker."""
    while True:
        page: MarkedPage[Any] = await session.send(operation, query)
        for item in page.items:
            yield item
        marker = _marker(page.next)
        if not marker or marker == query.marker:
            return
        query = evolve(query, marker=marker)


def _marker(following: PageInfo | None) -> str:
    """Read the marker, which the vendor's SDK describes as the address of the next page."""
    text = (following and following.marker) or ""
    return parse_qs(urlsplit(text).query).get("marker", [text])[0]
