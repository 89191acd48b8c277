"""A caller that knows nothing of the client: signed requests by hand, over real sockets."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import aiohttp
import pytest
from attrs import define, field, frozen
from yarl import URL

from koophone_async import Edition
from koophone_async.emulator import Durations, Emulator
from koophone_async.protocol.signing import Request, Signer, target
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually
from tests.emulator.stories import Tale, stories

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Json: TypeAlias = Any


@frozen
class Said:
    """What the emulator answered."""

    status: int
    body: Json
    headers: Mapping[str, str] = field(repr=False)

    @property
    def code(self) -> str:
        return str(self.body["error_code"])

    @property
    def data(self) -> Json:
        return self.body["data"]


@define
class Caller:
    """Signs with the emulator's own key unless told otherwise."""

    emulator: Emulator
    http: aiohttp.ClientSession = field(init=False)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(keepalive_timeout=1)
        self.http = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    @property
    def signer(self) -> Signer:
        key = self.emulator.access_key
        return Signer(key.access_key, key.secret_key)

    async def __call__(  # noqa: PLR0913 - everything of a request
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
        signer: Signer | None = None,
    ) -> Said:
        url = URL(self.emulator.endpoint)
        given = (
            {"x-request-id": "r1", "Content-Type": "application/json"} if headers is None else dict(headers)
        )
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if "X-Auth-Token" not in given and "Authorization" not in given:
            request = Request(method, path, query, given, data)
            given |= (signer or self.signer).sign(
                request, (url.host_port_subcomponent or ""), self.emulator.accounts.now()
            )
        address = URL(f"{self.emulator.endpoint}{target(path, query)}", encoded=True)
        async with self.http.request(method, address, data=data and BytesIO(data), headers=given) as answer:
            return Said(answer.status, await answer.json(content_type=None), dict(answer.headers))

    async def run(self, ids: list[str], command: str = "echo hi") -> Said:
        return await self("POST", "/v1/instances/async-command", {"instance_ids": ids, "command": command})

    async def task(self, task: str) -> Said:
        return await self("GET", f"/v1/instances/tasks/{task}")

    async def status(self, ids: list[str]) -> list[int]:
        said = await self("POST", "/v1/instances/batch-query-status", {"instance_ids": ids})
        return [row["status"] for row in said.data["status_results"]]


def in_both_editions(**settings: Any) -> Callable[[Tale[Caller]], Callable[[Edition], None]]:  # noqa: ANN401
    """Tell a story twice."""

    def test(tell: Tale[Caller]) -> Callable[[Edition], None]:
        def told(edition: Edition) -> None:
            run_virtually(_told(tell, settings | {"edition": edition}))

        told.__name__ = tell.__name__
        return pytest.mark.parametrize("edition", list(Edition))(told)

    return test


async def _told(tell: Tale[Caller], settings: dict[str, Any]) -> None:
    given: dict[str, Any] = {
        "phones": 3,
        "jobs": Durations(fixed=5),
        "now": VirtualTimeLoop.running().now,
    } | settings
    async with Emulator(**given) as emulator, Caller(emulator) as call:
        await tell(call)


story: Final = stories(_told)
"""Tell a story in virtual time, to an emulator of three phones whose jobs take five seconds."""
