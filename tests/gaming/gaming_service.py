"""A model of the gaming service for a fake server; its jobs end by the time of the loop."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.fake_server import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.fake_server import ReceivedRequest

Json = dict[str, Any]
Call = tuple[str, str, dict[str, str], Any]
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

    received: list[Call] = field(factory=list[Call])
    answer: Json | None = None
    """Answer to every call, instead of the real one."""

    status: int = 200
    seconds: dict[int, float] = field(factory=lambda: {30: 5, 32: 40, 40: 5, 42: 40})
    """Seconds that jobs take, by kind; default 10."""

    failing: set[str] = field(factory=set[str])
    """Phones and servers whose jobs fail."""

    forgotten: set[str] = field(factory=set[str])
    """Those whose jobs are never listed."""

    refused: set[str] = field(factory=set[str])
    """Servers that are answered in `failures`."""

    jobs: dict[str, list[Json]] = field(factory=dict[str, list[Json]])
    """By request id."""

    _numbers: Iterator[int] = field(factory=count)

    def handle(self, request: ReceivedRequest) -> Reply:
        self.received.append((request.method, request.path, request.query, request.json))
        _, _, path = request.path.partition("/v1/P/cloud-phone/")
        if request.method == "GET" and path == "jobs":
            return self._list(request.query)
        if request.method == "GET" and path.startswith("jobs/"):
            return self._show(path.removeprefix("jobs/"))
        if self.answer is None and path == "servers/action":
            return self._act(request.json)
        if self.answer is None and path.startswith("phones/") and path.endswith("/action"):
            return self._update(path.split("/")[1], request.json)
        return Reply(self.answer, self.status)

    def calls(self, path: str) -> list[Call]:
        return [call for call in self.received if call[1].endswith(path)]

    def _act(self, body: Json) -> Reply:
        ((action, what),) = body.items()
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

    def _update(self, phone: str, body: Json) -> Reply:
        what = body["update_app_version"]
        versions = what["app_version_ids"]
        return self._started([self._begin(32, phone_id=phone, app_version_id=one) for one in versions])

    def _list(self, query: Mapping[str, str]) -> Reply:
        requests = query["request_ids"].split(",")
        if unknown := [id for id in requests if id not in self.jobs]:
            return Reply({"error_code": "CPS.0050", "error_msg": f"no request {unknown[0]}"}, 404)
        rows = [job for id in requests for job in self.jobs[id]]
        offset, limit = int(query["offset"]), int(query["limit"])
        page = [_row(job) for job in rows[offset : offset + limit]]
        return Reply({"request_id": "poll", "jobs": page})

    def _show(self, id: str) -> Reply:
        job = next((job for jobs in self.jobs.values() for job in jobs if job["job_id"] == id), None)
        if job is None:
            return Reply({"error_code": "CPS.0011", "error_msg": "no such job"}, 404)
        return Reply({"request_id": "poll", **_row(job)})

    def _begin(self, kind: int, **named: str) -> Json:
        ends_at = asyncio.get_running_loop().time() + self.seconds.get(kind, 10)
        owner = named.get("phone_id") or named["server_id"]
        job = {"job_type": kind, "job_id": f"j{next(self._numbers)}", **named}
        return job | {"ends_at": ends_at, "fails": owner in self.failing, "lost": owner in self.forgotten}

    def _started(self, jobs: list[Json], beside: Json | None = None) -> Reply:
        request = f"r{next(self._numbers)}"
        self.jobs[request] = [job for job in jobs if not job["lost"]]
        own = ("ends_at", "fails", "lost")
        shown = [{name: value for name, value in job.items() if name not in own} for job in jobs]
        return Reply({"request_id": request, "jobs": shown, **(beside or {})}, 201)


def _row(job: Json) -> Json:
    shown = {name: job[name] for name in ("job_id", "server_id", "phone_id") if name in job}
    if asyncio.get_running_loop().time() < job["ends_at"]:
        return shown | {"status": 1}
    if job["fails"]:
        return shown | {"status": -1, "error_code": "CPS.0061", "error_msg": "No space."}
    return shown | {"status": 2}
