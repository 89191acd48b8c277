"""Shared permits in a Valkey or Redis server: one script, one key for each scope."""

from __future__ import annotations

import json
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from koophone_async.errors import InvalidRequest
from koophone_async.limits.shared.store import KEPT, TIMEOUT, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.limits.shared.ledger import Answer, Request

SCRIPT: Final = files("koophone_async.limits.shared").joinpath("ledger.lua").read_text("utf-8")
_SHA: Final = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class RedisStore:
    """Settles requests by a script in the server, which runs it as one step, by the server's clock.

    The names of all keys contain the prefix in braces, so that a cluster keeps them in one place.
    """

    def __init__(
        self, url: str, address: str, username: str | None, password: str | None, prefix: str
    ) -> None:
        """Prepare the connection.

        Raises:
            InvalidRequest: The URL has a parameter that the client does not know.
        """
        login = {"username": username, "password": password}
        self.address = address
        self._prefix = f"{{{prefix}}}"
        try:
            options: dict[str, Any] = {
                **parse_url(url),
                **{name: value for name, value in login.items() if value is not None},
                "max_connections": 1,
                "socket_timeout": TIMEOUT,
                "socket_connect_timeout": TIMEOUT,
                "retry": Retry(NoBackoff(), 0),  # the caller retries, with what has changed meanwhile
            }
            pool: Any = ConnectionPool(**options)
            pool.make_connection()  # connects to nothing, and checks the options
        except (ValueError, TypeError) as error:
            raise InvalidRequest("", "limits", f"is no valid URL: {error}") from None
        self._redis: Any = Redis.from_pool(pool)

    async def settle(self, requests: Mapping[str, Request]) -> Mapping[str, Answer]:
        """Settle the requests of several scopes in one round trip.

        Raises:
            StoreError: There is no answer. The requests may have been settled.
        """
        try:
            try:
                answers = await self._run(requests)
            except NoScriptError:
                await self._redis.script_load(SCRIPT)
                answers = await self._run(requests)
        except (RedisError, OSError) as error:
            raise StoreError(str(error) or type(error).__name__) from error
        try:
            return {key: json.loads(answer) for key, answer in zip(requests, answers, strict=True)}
        except (TypeError, ValueError):
            raise StoreError("it answers what the script does not") from None

    async def _run(self, requests: Mapping[str, Request]) -> list[bytes]:
        epoch = f"{self._prefix}:epoch"
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key, request in requests.items():
                pipeline.evalsha(_SHA, 2, f"{self._prefix}:{key}", epoch, json.dumps(request), KEPT)
            answers: list[bytes] = await pipeline.execute()
        return answers

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()
