"""Temporary access keys from the metadata service of cloud servers."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

import aiohttp
import msgspec
from attrs import field, frozen

from koophone_async.characters import HEADER
from koophone_async.credentials.keys import AccessKey
from koophone_async.errors import InvalidRequest, Unavailable, UnreadableAnswer

_MAX_METADATA: Final = 2**16
"""The maximum size in bytes of an answer of the metadata service; keys have about 2,000."""


@frozen
class _TemporaryKey:
    access: str = field(repr=False)
    secret: str = field(repr=False)
    securitytoken: str = field(repr=False)
    expires_at: datetime


@frozen
class _SecurityKey:
    credential: _TemporaryKey


@frozen
class Metadata:
    """The metadata service of cloud servers, which issues temporary keys to servers with an agency."""

    endpoint: str = "http://169.254.169.254"
    timeout: float = 3.0
    """Seconds to wait for the service. On a machine without one there may be no answer at all."""

    def __str__(self) -> str:
        """Return the name of the place."""
        return f"the metadata service {self.endpoint} (on a cloud server with an agency)"

    async def __call__(self) -> AccessKey | None:
        """Return the server's temporary key; None if there is no service or no agency.

        Raises:
            Unavailable: The service exists but cannot answer now.
            UnreadableAnswer: Its answer is not a key.
        """
        timeout = aiohttp.ClientTimeout(total=self.timeout)
        try:
            # A session of its own, without proxy: the service has a link-local address.
            async with aiohttp.ClientSession(timeout=timeout) as http:
                return await self._request(http)
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _request(self, http: aiohttp.ClientSession) -> AccessKey | None:
        url = f"{self.endpoint}/openstack/latest/securitykey"
        async with http.get(url, headers=await self._token_header(http), allow_redirects=False) as answer:
            body = await _read(answer)
        if answer.status >= 500:
            raise Unavailable("credentials.metadata", answer.status, "", "the metadata service cannot answer")
        return _temporary_key(body) if answer.status == 200 else None

    async def _token_header(self, http: aiohttp.ClientSession) -> dict[str, str]:
        # Servers that do not require a token answer without one, and older ones do not know tokens.
        lifetime = {"X-Metadata-Token-Ttl-Seconds": "60"}
        url = f"{self.endpoint}/meta-data/latest/api/token"
        async with http.put(url, headers=lifetime, allow_redirects=False) as answer:
            token = (await _read(answer)).decode("latin-1").strip()
        # Where there is no such service, the network may answer with a web page.
        return {"X-Metadata-Token": token} if answer.status == 200 and HEADER.accepts(token) else {}


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """Return the body of an answer, or its beginning if it is longer than any key is."""
    try:
        return await answer.content.readexactly(_MAX_METADATA)
    except asyncio.IncompleteReadError as error:
        return error.partial


def _temporary_key(body: bytes) -> AccessKey:
    try:
        key = msgspec.json.decode(body, type=_SecurityKey).credential
    except msgspec.DecodeError as error:
        raise UnreadableAnswer("credentials.metadata", 200, str(error), body) from None
    expires_at = key.expires_at if key.expires_at.tzinfo else key.expires_at.replace(tzinfo=UTC)
    try:
        return AccessKey(key.access, key.secret, key.securitytoken, expires_at=expires_at)
    except InvalidRequest as error:
        raise UnreadableAnswer("credentials.metadata", 200, str(error), body) from None
