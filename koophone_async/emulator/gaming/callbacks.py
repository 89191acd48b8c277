"""The line on which phones call out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import aiohttp
import msgspec
from attrs import define, field

from koophone_async.wire import decode

if TYPE_CHECKING:
    from koophone_async.wire import Json


SECONDS: Final = aiohttp.ClientTimeout(total=10)
"""How long a phone waits for an answer. No document says it."""


@define(eq=False)
class Line:
    """Sends calls, over connections that are kept."""

    _http: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    async def post(self, url: str, body: bytes) -> tuple[int, Json]:
        """Send a call once.

        Returns:
            The status and the answer; 0 where none came, and an empty answer where it is not a JSON object.
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
