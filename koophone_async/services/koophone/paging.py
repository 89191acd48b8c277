"""Lists that come by the page, given out by the item."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import attrs

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
        """How many rows there are on all pages."""
        ...


async def items(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - attrs.evolve takes any model
) -> AsyncIterator[Any]:
    """Ask for page after page, each by a request id of its own, until all rows are there or one is empty."""
    page, given = 1, 0
    while True:
        request = attrs.evolve(query, page=page, request_id=uuid4().hex)
        answer: Page[Any] = await session.send(operation, request)
        for item in answer.items:
            yield item
        # Counted, as pages may hold fewer rows than were asked for, and than they say.
        given += len(answer.items)
        if not answer.items or (answer.total is not None and given >= answer.total):
            return
        page += 1
