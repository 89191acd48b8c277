"""A client of the emulator that shares no code with the package: it signs by hand and uses real sockets."""

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
from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = Any


@frozen
class Response:
    """An answer of the emulator."""

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
class SignedClient:
    """Sends requests, signed with the emulator's own key unless another signer is passed."""

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
    ) -> Response:
        url = URL(self.emulator.endpoint)
        sent = (
            {"x-request-id": "r1", "Content-Type": "application/json"} if headers is None else dict(headers)
        )
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        if "X-Auth-Token" not in sent and "Authorization" not in sent:
            request = Request(method, path, query, sent, data)
            sent |= (signer or self.signer).sign(
                request, (url.host_port_subcomponent or ""), self.emulator.accounts.now()
            )
        address = URL(f"{self.emulator.endpoint}{target(path, query)}", encoded=True)
        async with self.http.request(method, address, data=data and BytesIO(data), headers=sent) as answer:
            return Response(answer.status, await answer.json(content_type=None), dict(answer.headers))

    async def run(self, ids: list[str], command: str = "echo hi") -> Response:
        return await self("POST", "/v1/instances/async-command", {"instance_ids": ids, "command": command})

    async def task(self, task: str) -> Response:
        return await self("GET", f"/v1/instances/tasks/{task}")

    async def status(self, ids: list[str]) -> list[int]:
        response = await self("POST", "/v1/instances/batch-query-status", {"instance_ids": ids})
        return [row["status"] for row in response.data["status_results"]]


in_both_editions: Final = pytest.mark.parametrize(
    "call",
    [pytest.param(edition, id=edition, marks=pytest.mark.emulator(edition=edition)) for edition in Edition],
    indirect=True,
)
"""Run a test against an emulator of each edition."""


def virtual_emulator(**options: Any) -> Emulator:  # noqa: ANN401 - those of Emulator
    """Return an emulator of three phones with jobs of five seconds, on the running loop's virtual clock."""
    defaults: dict[str, Any] = {"phones": 3, "jobs": Durations(fixed=5), "now": VirtualTimeLoop.running().now}
    return Emulator(**defaults | options)
