"""A model of CPH for a fake server: each server of phones executes its jobs one after the other."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.fake_server import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.fake_server import ReceivedRequest

Json = dict[str, Any]


@define
class Job:
    id: str
    target: Json
    """The phone or server of the job, as the answer names it."""

    started: float
    ends: float
    output: str = ""
    code: str = ""

    def to_json(self, now: float) -> Json:
        if now < self.ends:
            return {"job_id": self.id, "status": 1, **self.target}
        failed = {"error_code": self.code, "error_msg": "Run command failed."} if self.code else {}
        status = -1 if self.code else 2
        return {"job_id": self.id, "status": status, "execute_msg": self.output, **self.target, **failed}


@define
class CloudPhoneService:
    """State of the fake CPH. Phone ids have the form `server-phone`."""

    seconds: Callable[[], float] = lambda: 1.0
    """Duration of the next job."""

    refused: dict[str, str] = field(factory=dict[str, str])
    """Codes of refused entries by phone or server."""

    rejected: dict[str, str] = field(factory=dict[str, str])
    """Codes by phone that make a call be refused as a whole."""

    failing: dict[str, str] = field(factory=dict[str, str])
    unlisted: set[str] = field(factory=set[str])
    """Phones whose jobs are never listed."""

    forgotten: set[str] = field(factory=set[str])
    """Request ids that the service does not know: polls that name one are refused."""

    max_rows: int = 100
    """Maximum of jobs on a page, whatever is requested."""

    past_the_end: Reply | None = None
    """What an offset past the last job is answered with; by default a page without jobs."""

    output: Callable[[str], str] = lambda target: f"out of {target}"
    calls: list[tuple[str, str, Any]] = field(factory=list[tuple[str, str, Any]])
    """Method, end of the path, and body or query of every call, except polls."""

    polls: list[tuple[float, int, int]] = field(factory=list[tuple[float, int, int]])
    """Polls: when, for how many request ids, and how many jobs were returned."""

    executed: Counter[str] = field(factory=Counter[str])
    max_at_once: Counter[str] = field(factory=Counter[str])
    """Maximum of ADB jobs that each server had at once."""

    free_at: defaultdict[str, float] = field(factory=lambda: defaultdict[str, float](float))
    """When each server has finished its jobs."""

    worked: defaultdict[str, float] = field(factory=lambda: defaultdict[str, float](float))
    """Seconds of work that each server received."""

    _ends: defaultdict[str, list[float]] = field(factory=lambda: defaultdict[str, list[float]](list))
    jobs: dict[str, list[Job]] = field(factory=dict[str, list[Job]])
    _numbers: Iterator[int] = field(factory=lambda: count(1))

    def handle(self, request: ReceivedRequest) -> Reply:
        path = request.path.removeprefix("/v1/P/").removeprefix("cloud-phone/")
        if (request.method, path) == ("GET", "jobs"):
            return self._list(request.query)
        if path.startswith("jobs/"):
            return self._show(path.removeprefix("jobs/"))
        body = request.json or request.query
        self.calls.append((request.method, path, body))
        if path.endswith("tags/action"):
            return Reply(status=204)
        targets = _targets(body)
        for code in (self.rejected[id] for _, id in targets if id in self.rejected):
            problem = {"error_code": code, "error_msg": "There is no such phone.", "request_id": "r0"}
            return Reply(problem, 400)
        if path.endswith("batch-connection"):
            return Reply(self._connections([id for _, id in targets]))
        return Reply(self._begun(targets, is_serial=path.endswith("/commands")))

    def _begun(self, targets: list[tuple[str, str]], *, is_serial: bool) -> Json:
        name = f"r{next(self._numbers)}"
        entries: list[Json] = []
        jobs = self.jobs[name] = []
        for kind, id in targets:
            if id in self.refused:
                entries.append({kind: id, "error_code": self.refused[id], "error_msg": "Not now."})
                continue
            job = self._job(kind, id, is_serial=is_serial)
            jobs.append(job)
            entries.append({kind: id, "job_id": job.id})
        return {"request_id": name, "jobs": entries}

    def _job(self, kind: str, id: str, *, is_serial: bool) -> Job:
        self.executed[id] += 1
        now, server, lasts = asyncio.get_running_loop().time(), id.partition("-")[0], self.seconds()
        began = max(now, self.free_at[server]) if is_serial else now
        self.worked[server] += lasts
        self.free_at[server] = began + lasts
        job = Job(f"j{next(self._numbers)}", {kind: id}, began, began + lasts)
        job.output, job.code = self.output(id), self.failing.get(id, "")
        if is_serial:
            ends = self._ends[server] = [end for end in self._ends[server] if end > now] + [job.ends]
            self.max_at_once[server] = max(self.max_at_once[server], len(ends))
        return job

    def _connections(self, phones: list[str]) -> Json:
        good = [
            {"phone_id": id, "access_info": {"access_port": 1, "ticket": "s3cret"}}
            for id in phones
            if id not in self.refused
        ]
        bad = [
            {"phone_id": id, "error_code": self.refused[id], "error_msg": "Not now."}
            for id in phones
            if id in self.refused
        ]
        return {"request_id": "r0", "connect_infos": good, "errors": bad}

    def _show(self, id: str) -> Reply:
        now = asyncio.get_running_loop().time()
        for job in (job for jobs in self.jobs.values() for job in jobs if job.id == id):
            return Reply(job.to_json(now))
        return Reply({"error_code": "CPS.0011", "error_msg": "The job does not exist."}, 404)

    def _list(self, query: Mapping[str, str]) -> Reply:
        now = asyncio.get_running_loop().time()
        requests = query["request_ids"].split(",")
        offset, limit = int(query["offset"]), int(query["limit"])
        if self.forgotten & set(requests) or not self.jobs.keys() & set(requests):
            self.polls.append((now, len(requests), 0))
            return Reply({"error_code": "CPS.0050", "error_msg": "The job list is not found."}, 404)
        jobs = [job for name in requests for job in self.jobs.get(name, ())]
        listed = [job for job in jobs if not self.unlisted & set(job.target.values())]
        if offset >= len(listed) and self.past_the_end is not None:
            return self.past_the_end
        page = [job.to_json(now) for job in listed[offset : offset + min(limit, self.max_rows)]]
        self.polls.append((now, len(requests), len(page)))
        return Reply({"request_id": "poll", "jobs": page})


def _targets(body: Json) -> list[tuple[str, str]]:
    """Find the ids of a call, with the name that its answer has for them."""
    for field_, kind in (
        ("phone_ids", "phone_id"),
        ("server_ids", "server_id"),
        ("encode_server_ids", "encode_server_id"),
    ):
        if field_ in body:
            ids = body[field_]
            return [(kind, id) for id in (ids.split(",") if isinstance(ids, str) else ids)]
    if "migrate_infos" in body:
        return [("phone_id", pair["target_phone_id"]) for pair in body["migrate_infos"]]
    for field_ in ("phones", "servers", "storage_infos", "restore_infos"):
        for one in body.get(field_, ()):
            kind = "phone_id" if "phone_id" in one else "server_id"
            return [(kind, each[kind]) for each in body[field_]]
    return []
