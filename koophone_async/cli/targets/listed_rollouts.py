"""Rollouts for completion: names and ids, as the journal has them now."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from koophone_async.errors import KooPhoneError
from koophone_async.rollouts.journal import Journal
from koophone_async.rollouts.journal.location import SqliteLocation, default_location, parse_location

_SECONDS: Final = 2.0
"""How long somebody who presses TAB waits at most."""

_MAX: Final = 50


def listed(options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return names and ids with the state of the rollout, the newest first; none where a journal is slow.

    Args:
        options: The options of the line.
    """
    with suppress(KooPhoneError, TimeoutError):
        return asyncio.run(asyncio.wait_for(_list(options.get("--journal") or default_location()), _SECONDS))
    return []


async def _list(location: str | None) -> list[tuple[str, str]]:
    if location is None:
        return []
    place = parse_location(location)
    if isinstance(place, SqliteLocation) and not place.path.exists():  # opening it would create it
        return []
    async with await Journal.open(location) as journal:
        records = await journal.rollouts(limit=_MAX)
    names = {record.name: f"{record.id}, {record.state}" for record in reversed(records)}
    return [*reversed(names.items()), *((record.id, f"{record.name}, {record.state}") for record in records)]
