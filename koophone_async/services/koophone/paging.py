"""Paged lists as async iterators over their items."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import attrs

from koophone_async.call import SendTracker
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items, UnreadableValue
from koophone_async.services.page_reader import PageReader

Item_co = TypeVar("Item_co", covariant=True)


class Page(Protocol[Item_co]):
    """One page of a list."""

    @property
    def items(self) -> tuple[Item_co, ...]:
        """The rows of this page."""
        ...

    @property
    def total(self) -> int | None:
        """Number of rows on all pages."""
        ...


def items(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - attrs.evolve takes any model
    tracker: SendTracker | None = None,
) -> Items[Any]:
    """Request page after page, each with a new request id, until one is empty or all rows are there."""
    unreadable: list[UnreadableValue] = []
    return Items(pages(session, operation, query, tracker, unreadable), unreadable)


async def pages(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - attrs.evolve takes any model
    tracker: SendTracker | None = None,
    unreadable: list[UnreadableValue] | None = None,
) -> AsyncGenerator[tuple[tuple[Any, ...], int | None], None]:
    """Request page after page; yield the rows of each, and how many there are on all pages."""
    reader, number = PageReader(operation.name, [] if unreadable is None else unreadable), 1
    while True:
        request = attrs.evolve(query, page=number, request_id=uuid4().hex)
        page: Page[Any] = await session.send(operation, request, tracker=tracker)
        yield reader.read(page.items), page.total
        if reader.is_over(page.total):
            return
        number += 1
