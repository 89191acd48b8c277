"""A gaming service on loopback: it answers by the document, and its jobs end with the loop's time."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import TYPE_CHECKING, Any

from aiohttp import web
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Asked = tuple[str, str, dict[str, str], Any]
"""Method, path, query and body of a call."""

STEPS = {
    "batch_deploy_app_version": (30, 31, 32),
    "batch_push_app_version": (0, 31, 0),
    "batch_remove_app_version": (0, 41, 0),
    "batch_undeploy_app_version": (40, 41, 42),
}
"""The kind of job of each server, of each server and version, of each phone and version; 0 for none."""


@define
class GameService:
    """Servers with two phones each."""

    asked: list[Asked] = field(factory=list[Asked])
    answer: Json | None = None
    """Given to every call instead of what it asks for."""

    status: int = 200
    seconds: dict[int, float] = field(factory=lambda: {30: 5, 32: 40, 40: 5, 42: 40})
    """How long jobs last by their kind, 10 where nothing is said."""

    failing: set[str] = field(factory=set[str])
    """Phones and servers whose jobs fail."""

    forgotten: set[str] = field(factory=set[str])
    """Those whose jobs are never listed."""

    refused: set[str] = field(factory=set[str])
    """Servers that are answered in `failures`."""

    jobs: dict[str, list[Json]] = field(factory=dict[str, list[Json]])
    """By request id."""

    _numbers: Iterator[int] = field(factory=count)

    @property
    def application(self) -> web.Application:
        application = web.Application()
        cloud = "/v1/P/cloud-phone"
        application.router.add_post(f"{cloud}/servers/action", self._act)
        application.router.add_post(f"{cloud}/phones/{{phone}}/action", self._update)
        application.router.add_get(f"{cloud}/jobs", self._list)
        application.router.add_route("*", "/{path:.*}", self._other)
        return application

    def calls(self, path: str) -> list[Asked]:
        return [asked for asked in self.asked if asked[1].endswith(path)]

    async def _other(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.json_response(self.answer, status=self.status)

    async def _act(self, request: web.Request) -> web.Response:
        ((action, what),) = (await self._note(request)).items()
        if self.answer is not None:
            return web.json_response(self.answer, status=self.status)
        on_server, on_version, on_phone = STEPS[action]
        jobs: list[Json] = []
        for server in what["server_ids"]:
            if server in self.refused:
                continue
            if on_server:
                jobs.append(self._begin(on_server, server_id=server))
            for version in what["app_version_ids"]:
                jobs.append(self._begin(on_version, server_id=server, app_version_id=version))
                for phone in (f"{server}-a", f"{server}-b") if on_phone else ():
                    named = {"server_id": server, "phone_id": phone, "app_version_id": version}
                    jobs.append(self._begin(on_phone, **named))
        failures = [
            {"server_id": server, "error_code": "CPS.1028", "error_msg": "Server is frozen."}
            for server in what["server_ids"]
            if server in self.refused
        ]
        return self._started(jobs, {"failures": failures} if failures else {})

    async def _update(self, request: web.Request) -> web.Response:
        what = (await self._note(request))["update_app_version"]
        if self.answer is not None:
            return web.json_response(self.answer, status=self.status)
        phone = request.match_info["phone"]
        versions = what["app_version_ids"]
        return self._started([self._begin(32, phone_id=phone, app_version_id=one) for one in versions])

    async def _list(self, request: web.Request) -> web.Response:
        await self._note(request)
        query = request.query
        rows = [job for id in query["request_ids"].split(",") for job in self.jobs[id]]
        first, most = int(query["offset"]), int(query["limit"])
        page = [_row(job) for job in rows[first : first + most]]
        return web.json_response({"request_id": "look", "jobs": page})

    async def _note(self, request: web.Request) -> Any:  # noqa: ANN401 - what JSON holds
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append((request.method, request.path, dict(request.query), body))
        return body

    def _begin(self, kind: int, **named: str) -> Json:
        ends_at = asyncio.get_running_loop().time() + self.seconds.get(kind, 10)
        owner = named.get("phone_id") or named["server_id"]
        job = {"job_type": kind, "job_id": f"j{next(self._numbers)}", **named}
        return job | {"ends_at": ends_at, "fails": owner in self.failing, "lost": owner in self.forgotten}

    def _started(self, jobs: list[Json], beside: Json | None = None) -> web.Response:
        request = f"r{next(self._numbers)}"
        self.jobs[request] = [job for job in jobs if not job["lost"]]
        own = ("ends_at", "fails", "lost")
        shown = [{name: value for name, value in job.items() if name not in own} for job in jobs]
        return web.json_response({"request_id": request, "jobs": shown, **(beside or {})}, status=201)


def _row(job: Json) -> Json:
    shown = {name: job[name] for name in ("job_id", "server_id", "phone_id") if name in job}
    if asyncio.get_running_loop().time() < job["ends_at"]:
        return shown | {"status": 1}
    if job["fails"]:
        return shown | {"status": -1, "error_code": "CPS.0061", "error_msg": "No space."}
    return shown | {"status": 2}
