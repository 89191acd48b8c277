"""Paged lists as async iterators over their items."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import attrs

from koophone_async.call import SendTracker
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items, UnreadableValue, dropped_rows, unreadable_values

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
    page, received = 1, 0
    while True:
        request = attrs.evolve(query, page=page, request_id=uuid4().hex)
        answer: Page[Any] = await session.send(operation, request, tracker=tracker)
        unreadable += unreadable_values(answer.items)
        for item in answer.items:
            yield item
        # Counted, because a page may have fewer rows than were requested, and than it states.
        rows = len(answer.items) + len(dropped_rows(answer.items))
        received += rows
        if not rows or (answer.total is not None and received >= answer.total):
            return
        page += 1
