"""A KooPhone for a fake server, whose states are functions of the time since the first call."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from tests.fake_server import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fake_server import ReceivedRequest

Json = dict[str, Any]


@frozen
class After:
    """A value that changes once, some seconds after the first call; either may change in turn."""

    seconds: float
    later: object
    before: object

    def __str__(self) -> str:
        return f"{self.before}-then-{self.later}"

    def at(self, elapsed: float) -> object:
        value = self.later if elapsed >= self.seconds else self.before
        return value.at(elapsed) if isinstance(value, After) else value


def ok(data: object) -> Reply:
    return Reply({"error_code": "0", "error_msg": "ok", "data": data})


@define
class KooPhoneService:
    """State of the fake KooPhone; all its instances are in the same one."""

    prepare: object = 1
    status: object = 2
    progress: object = 0
    row: Mapping[str, object] = field(factory=dict[str, object])
    """Fields of each instance in the list."""

    task: Json | None = None
    """The task that calls start; None where the edition has none."""

    jobs: object = ()
    """What a task is answered with: its rows, or a `Reply`."""

    calls: Counter[str] = field(factory=Counter[str])
    _first: float | None = None

    def handle(self, request: ReceivedRequest) -> Reply:
        if self._first is None:
            self._first = asyncio.get_running_loop().time()
        end = request.path.rpartition("/")[2]
        self.calls[end] += 1
        content: Json = request.json or {}
        ids: list[str] = [*content.get("instance_ids", ())]
        return self._answer(end, request, ids)

    def _answer(self, end: str, request: ReceivedRequest, ids: list[str]) -> Reply:  # noqa: PLR0911 - a case each
        match end:
            case "prepare":
                return ok({"status_list": [self._with_status(id, self.prepare) for id in ids]})
            case "batch-query-status":
                if isinstance(self.status, Reply):
                    return self.status
                return ok({"status_results": [self._with_status(id, self.status) for id in ids]})
            case "prepare-progress":
                progress = self._now(self.progress)
                return progress if isinstance(progress, Reply) else ok({"status": progress})
            case "batch-query":
                id = request.query.get("instance_id", "p1")
                row = {name: self._now(value) for name, value in self.row.items()}
                rows = [{"instance_id": id, **row}] if request.query["page_no"] == "1" else []
                return ok({"result": rows, "total_count": len(rows)})
            case _ if "/tasks/" in request.path:
                jobs = self._now(self.jobs)
                return jobs if isinstance(jobs, Reply) else ok({"jobs": list(jobs)})
            case _:
                return ok(self.task)

    def _with_status(self, id: str, status: object) -> Json:
        return {"instance_id": id, "status": self._now(status)}

    def _now(self, value: object) -> Any:  # noqa: ANN401 - what JSON holds, or a reply
        assert self._first is not None
        elapsed = asyncio.get_running_loop().time() - self._first
        return value.at(elapsed) if isinstance(value, After) else value
