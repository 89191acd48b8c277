"""Loops over everything there is, which let other requests have their turns meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")

SLICE: Final = 5_000
"""Items between two turns of the others; with the work of the page, about 10 ms."""


async def taking_turns(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Iterate over what the items are now; they may change during the iteration."""
    for number, item in enumerate(list(items), 1):
        yield item
        if not number % SLICE:
            await asyncio.sleep(0)
