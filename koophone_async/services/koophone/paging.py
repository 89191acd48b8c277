"""Lists that come by the page, given out by the item."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeVar

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
    def size(self) -> int | None:
        """How many rows a full page holds; the service may give fewer than were asked for."""
        ...

    @property
    def total(self) -> int | None:
        """How many rows there are on all pages."""
        ...


async def items(
    session: Sender,
    operation: Operation[Any, Any],
    query: Any,  # noqa: ANN401 - attrs.evolve takes any model
    page: int = 1,
) -> AsyncIterator[Any]:
    """Ask for page after page until the answered ones hold all rows, or one is empty."""
    while True:
        answer: Page[Any] = await session.send(operation, attrs.evolve(query, page=page))
        for item in answer.items:
            yield item
        # A full page is as large as the service says, or as what it just gave.
        size = answer.size or len(answer.items)
        if not answer.items or (answer.total is not None and page * size >= answer.total):
            return
        page += 1
