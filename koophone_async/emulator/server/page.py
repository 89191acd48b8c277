"""The page for people: phones, running jobs, requests and faults.

It is rendered anew for every request and has no script: the browser reloads it every two seconds, or less
often where that takes long. What it costs depends on what was changed on the phones, not on their number.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from html import escape
from importlib.resources import files
from itertools import islice
from operator import attrgetter
from string import Template
from typing import Final, Self

from attrs import define, field

from koophone_async.emulator.fleet import Phone, state_of
from koophone_async.emulator.jobs.engine import Job, Jobs
from koophone_async.emulator.server import faults
from koophone_async.emulator.server.turns import taking_turns
from koophone_async.emulator.world import World
from koophone_async.wire import encode

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
}
"""Nothing that a caller puts into a path or a name is executed, and no other page frames this one."""

_MAX_PHONES: Final = 2_000
_MAX_ROWS: Final = 25
_JOB_STATES: Final = ("waiting", "running", "succeeded", "failed", "lost")
_CALL_COLUMNS: Final = ("Operation", "Task or request", "Waiting", "Running", "Succeeded", "Failed", "Lost")
_REQUEST_COLUMNS: Final = {
    "Time": "at",
    "Method": "method",
    "Path": "path",
    "Operation": "operation",
    "IDs": "ids",
    "Result": "verdict",
    "Status": "status",
    "Code": "code",
    "Reason": "reason",
    "ms": "ms",
}


_REFRESH: Final = 2.0
"""Minimum seconds between two requests of one browser."""

_SHARE: Final = 0.1
"""The share of the time that rendering for one browser may take."""


@define
class _JobCounts:
    """What the page shows of the jobs."""

    busy: dict[str, str] = field(factory=dict[str, str])
    """Operation of the running job, by the phone's id in KooPhone or in CPH."""

    calls: dict[tuple[str, str], Counter[str]] = field(factory=dict[tuple[str, str], Counter[str]])
    """Number of jobs by state, by operation and call."""

    @classmethod
    async def of(cls, jobs: Jobs) -> Self:
        """Count the jobs, of which there can be a million."""
        counts, now = cls(), jobs.world.clock()
        async for job in taking_turns(jobs.by_id.values()):
            counts.add(job, now)
        return counts

    def add(self, job: Job, now: float) -> None:
        """Count a job."""
        state = job.status(now)
        self.calls.setdefault((job.operation, job.request), Counter())[state] += 1
        if job.phone and state == "running":
            self.busy[job.phone] = job.operation

    def unfinished(self) -> Iterator[Sequence[object]]:
        """Yield the calls with unfinished jobs, newest first, with the number of their jobs by state."""
        rows = (
            (*call, *(counts[state] for state in _JOB_STATES))
            for call, counts in reversed(self.calls.items())
            if counts["waiting"] or counts["running"]
        )
        return islice(rows, _MAX_ROWS)


async def page(engine: Jobs, first: int) -> str:
    """Return the page as HTML, with the phones from this number on, counted from 1.

    The longer it takes to render, the later the browser asks again.
    """
    began = time.perf_counter()
    world, jobs = engine.world, await _JobCounts.of(engine)
    requests = islice(reversed(world.ledger.recent_requests), _MAX_ROWS)
    plan = [[encode(fault).decode()] for fault in faults.to_json(world.plan.faults)]
    document = files("koophone_async.emulator.server").joinpath("page.html").read_text("utf-8")
    parts = {
        "edition": world.edition.value.title(),
        "now": world.fleet.now().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "phones": _phones(world, first, jobs.busy),
        "jobs": _table(_CALL_COLUMNS, list(jobs.unfinished()), "No jobs are waiting or running."),
        "count": f"{world.ledger.requests:,}",
        "max_rows": _MAX_ROWS,
        "requests": _table(
            (*_REQUEST_COLUMNS,),
            [attrgetter(*_REQUEST_COLUMNS.values())(request) for request in requests],
            "No request has arrived yet.",
        ),
        "faults": _table(("Fault",), plan, "No faults are set."),
    }
    refresh = max(_REFRESH, (time.perf_counter() - began) / _SHARE)
    return Template(document).substitute(parts, refresh=f"{refresh:.0f}")


def _phones(world: World, first: int, busy: Mapping[str, str]) -> str:
    last = first + _MAX_PHONES - 1
    shown = [phone for phone in world.fleet.page(first - 1, _MAX_PHONES) if phone.id not in world.undelivered]
    squares = "".join(_square(phone, busy.get(phone.id) or busy.get(phone.cph_id)) for phone in shown)
    counts = world.fleet.states(world.undelivered)
    legend = "".join(
        f'<li><i class="{state}"></i> {count:,} {state.replace("_", " ")}'
        for state, count in sorted(counts.items())
    )
    previous = f'<a href="?from={max(first - _MAX_PHONES, 1)}">Previous phones</a>' if first > 1 else ""
    following = f'<a href="?from={last + 1}">Next phones</a>' if len(world.fleet) > last else ""
    legend += f"<li><i class=busy></i> {len(busy):,} with a running job"
    return f"<ul>{legend}</ul><div>{squares}</div>{previous} {following}"


def _square(phone: Phone, operation: str | None) -> str:
    state = state_of(phone)
    running = f", running {operation}" if operation else ""
    title = f"{phone.id} on server {phone.server}, {phone.model.sku}: {state.replace('_', ' ')}{running}"
    return f'<i class="{"busy" if operation else state}" title="{escape(title)}"></i>'


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], if_empty: str) -> str:
    if not rows:
        return f"<p>{if_empty}</p>"
    head = "".join(f"<th>{column}" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows)
    return f"<table><tr>{head}{body}</table>"
