"""Callbacks of phones."""

from __future__ import annotations

from typing import Final, cast

import aiohttp
import msgspec
from attrs import define, field

from koophone_async.wire import Json, decode

SECONDS: Final = aiohttp.ClientTimeout(total=10)
"""How long a phone waits for an answer; no document states it."""


@define(eq=False)
class CallbackClient:
    """Sends callbacks over persistent connections."""

    _http: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    async def post(self, url: str, body: bytes) -> tuple[int, Json]:
        """Send a callback once.

        Returns:
            The status, or 0 if no answer came, and the answer, which is empty if it is not a JSON object.
        """
        if self._http is None:
            self._http = aiohttp.ClientSession(timeout=SECONDS)
        headers = {"Content-Type": "application/json"}
        try:
            async with self._http.post(url, data=body, headers=headers) as answer:
                return answer.status, _read(await answer.read())
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, {}

    async def close(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None


def _read(body: bytes) -> Json:
    try:
        answer = decode(body)
    except msgspec.DecodeError:
        return {}
    return cast("Json", answer) if isinstance(answer, dict) else {}
