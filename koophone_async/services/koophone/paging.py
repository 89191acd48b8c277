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
    return Items(_items(session, operation, query, tracker, unreadable), unreadable)


async def _items(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - attrs.evolve takes any model
    tracker: SendTracker | None,
    unreadable: list[UnreadableValue],
) -> AsyncGenerator[Any, None]:
    pages, number = PageReader(operation.name, unreadable), 1
    while True:
        request = attrs.evolve(query, page=number, request_id=uuid4().hex)
        page: Page[Any] = await session.send(operation, request, tracker=tracker)
        for item in pages.read(page.items):
            yield item
        if pages.is_over(page.total):
            return
        number += 1
