"""Ids and names for completion, as the service lists them now."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from koophone_async.cli.commands.services import entries
from koophone_async.cli.settings import Settings
from koophone_async.errors import KooPhoneError

_SECONDS: Final = 2.0
"""How long somebody who presses TAB waits at most."""

_MAX: Final = 200
_VARIABLES: Final = {
    "--region": "KOOPHONE_REGION",
    "--edition": "KOOPHONE_EDITION",
    "--profile": "KOOPHONE_PROFILE",
    "--proxy": "https_proxy",
    "--limits": "KOOPHONE_LIMITS",
    "--project-id": "HUAWEICLOUD_SDK_PROJECT_ID",
}


def listed(operation: str, first: str, prefix: str, options: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return ids with names, or names with ids; none, or only some, where the service is slow.

    Args:
        operation: The operation that lists them.
        first: Which of them comes first, `id` or `name`.
        prefix: What was typed of it.
        options: Global options of the line.
    """
    found: list[tuple[str, str]] = []
    with suppress(KooPhoneError, TimeoutError):
        asyncio.run(asyncio.wait_for(_list(operation, (first, prefix), options, found), _SECONDS))
    return found


async def _list(
    operation: str, typed: tuple[str, str], options: Mapping[str, str], found: list[tuple[str, str]]
) -> None:
    service = operation.partition(".")[0]
    entry = next(entry for entry in entries(service) if entry.operation.name == operation)
    inventory = entry.lists
    assert inventory is not None, operation  # noqa: S101 - the table names only operations that list
    named = {_VARIABLES[option]: value for option, value in options.items() if option in _VARIABLES}
    async with Settings.of(os.environ, **named).session() as session:
        async for item in inventory.items(entry.service.client(session), inventory.query()):
            texts = (item.id, item.name or "") if typed[0] == "id" else (item.name or "", item.id)
            if texts[0].startswith(typed[1]) and texts[0]:
                found.append(texts)
            if len(found) == _MAX:
                return
