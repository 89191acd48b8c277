"""CPU per phone, from 1,000 to 1,000,000 phones, until the end of its job.

There is no network and time is virtual, since a million phones would take a quarter of an hour otherwise:
requests are built and encoded, answers decoded. The cost of the network is in `fanout`.
"""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self

import msgspec
from attrs import define, field
from yarl import URL

from benchmarks.measure import FLOOR, OURS, Result, report
from koophone_async import Edition, KooPhone, wire
from koophone_async.polling import PollScheduler
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.virtual_time import run_virtually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from koophone_async.call import SendTracker
    from koophone_async.operation import Answer, AnyOperation, Operation, Request

SIZES: Final = {1_000: 9, 10_000: 5, 100_000: 3, 1_000_000: 2}
"""Numbers of phones, and the runs of each."""

MIDDLE: Final = 10_000
SECONDS: Final = 2.0
ROUND_TRIP: Final = 0.05


def _new_scheduler() -> PollScheduler:
    return PollScheduler(rng=Random(1))


@define(eq=False)
class Service:
    """A sender that answers requests in this process; the jobs that they start take two seconds."""

    edition: Edition = Edition.CHINA
    poll_scheduler: PollScheduler = field(factory=_new_scheduler)
    requests: int = 0
    seconds: float = 0.0
    """CPU time of creating the answers, which is subtracted from the cost of the client."""

    _tasks: dict[str, tuple[float, list[str]]] = field(factory=dict[str, tuple[float, list[str]]])
    _numbers: Iterator[int] = field(factory=count)

    def now(self) -> datetime:
        """Return the current time."""
        return datetime.now(UTC)

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Return 0: there is no quota."""
        return 0.0

    def bind(self, **_: str | None) -> Self:
        """Return itself: all clients share it."""
        return self

    def origin(self, service: str) -> URL:
        """Return no real address."""
        return URL("http://localhost")

    async def project_id(self) -> str:
        """Return the only project."""
        return "project"

    async def send(
        self, operation: Operation[Request, Answer], request: Request, *, tracker: SendTracker | None = None
    ) -> Answer:
        """Answer after a round trip."""
        self.requests += 1
        placed = wire.encode_request(operation, request)
        await asyncio.sleep(ROUND_TRIP)
        return read(operation, RawResponse(200, {}, self._timed_answer(placed)), Edition.CHINA, None)

    def _timed_answer(self, request: wire.EncodedRequest) -> bytes:
        started_at = time.process_time()
        body = self.answer(request)
        self.seconds += time.process_time() - started_at
        return body

    def answer(self, request: wire.EncodedRequest) -> bytes:
        """Answer a request."""
        data = self._start(request.body) if request.body else self._task_status(request.path)
        return msgspec.json.encode({"data": data, "error_code": "0", "error_msg": "OK"})

    def _start(self, body: bytes) -> dict[str, Any]:
        ids: list[str] = msgspec.json.decode(body)["instance_ids"]
        task = f"task{next(self._numbers)}"
        jobs = [f"{task}-{id}" for id in ids]
        self._tasks[task] = asyncio.get_running_loop().time(), jobs
        started = [{"instance_id": id, "job_id": job} for id, job in zip(ids, jobs, strict=True)]
        return {"task_id": task, "cmd_jobs": started}

    def _task_status(self, path: str) -> dict[str, Any]:
        task = path.rpartition("/")[2]
        started_at, jobs = self._tasks[task]
        state = 2 if asyncio.get_running_loop().time() >= started_at + SECONDS else 1
        if state == 2:
            del self._tasks[task]  # memory of the service must not count as the client's
        return {"jobs": [{"job_id": job, "status": state, "execute_msg": "13"} for job in jobs]}


async def _run(service: Service, phones: int) -> float:
    """Run a command on `phones` phones; return the microseconds of CPU per phone."""
    gc.collect()
    started_at = time.process_time()
    ids = (f"i{n:07}" for n in range(phones))
    ended = 0
    async for outcome in KooPhone(service).fleet(ids, assume_unique=True).run("id"):
        ended += outcome.ok
    if ended != phones:
        raise RuntimeError(f"{ended} of {phones} phones ended")
    return (time.process_time() - started_at - service.seconds) / phones * 1e6


async def _microseconds_per_phone(phones: int) -> tuple[float, int]:
    service = Service()
    cost = await _run(service, phones)
    await service.poll_scheduler.aclose()
    return cost, service.requests


def results() -> Sequence[Result]:
    """Measure every size; the floor is the cost at 10,000 phones, so that the ratio shows the growth."""
    run_virtually(_microseconds_per_phone(MIDDLE))
    runs = {
        phones: [run_virtually(_microseconds_per_phone(phones)) for _ in range(n)]
        for phones, n in SIZES.items()
    }
    costs = {phones: [cost for cost, _ in pairs] for phones, pairs in runs.items()}
    requests = {phones: [count / phones * 100 for _, count in pairs] for phones, pairs in runs.items()}
    return [
        result
        for phones in SIZES
        for result in (
            Result(
                "scaling", f"{phones:,} phones", "µs CPU per phone",
                {OURS: costs[phones], FLOOR: costs[MIDDLE]}, max_ratio=1.2, guarded=True,
            ),
            Result("scaling", f"{phones:,} phones", "requests/100", {OURS: requests[phones], FLOOR: [2.0]}),
        )
    ]  # fmt: skip


if __name__ == "__main__":
    report(results())
