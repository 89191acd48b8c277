"""Paged lists as async iterators over their items."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import attrs

from koophone_async.call import SendTracker
from koophone_async.operation import Operation, Sender

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


async def items(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - attrs.evolve takes any model
    tracker: SendTracker | None = None,
) -> AsyncIterator[Any]:
    """Request page after page, each with a new request id, until one is empty or all rows are there."""
    page, received = 1, 0
    while True:
        request = attrs.evolve(query, page=page, request_id=uuid4().hex)
        answer: Page[Any] = await session.send(operation, request, tracker=tracker)
        for item in answer.items:
            yield item
        # Counted, because a page may have fewer rows than were requested, and than it states.
        received += len(answer.items)
        if not answer.items or (answer.total is not None and received >= answer.total):
            return
        page += 1
