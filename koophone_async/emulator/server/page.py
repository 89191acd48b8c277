"""The page for people: phones, running jobs, requests and faults.

It is rendered anew for every request and has no script: the browser reloads it every two seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from html import escape
from importlib.resources import files
from itertools import islice
from operator import attrgetter
from string import Template
from typing import Final, NamedTuple

from koophone_async.emulator.fleet import CopyState, Phone
from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.server import faults
from koophone_async.emulator.world import World
from koophone_async.wire import encode

HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""Nothing that a caller puts into a path or a name is executed."""

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


class _Job(NamedTuple):
    operation: str
    call: str
    phone: str | None
    """Its id in KooPhone or in CPH; None for a job of a server."""

    state: str


def page(engine: Jobs, first: int) -> str:
    """Return the page as HTML, with the phones from this number on, counted from 1."""
    world, jobs = engine.world, list(_jobs(engine))
    requests = islice(reversed(world.ledger.recent_requests), _MAX_ROWS)
    plan = [[encode(fault).decode()] for fault in faults.to_json(world.plan.faults)]
    document = files("koophone_async.emulator.server").joinpath("page.html").read_text("utf-8")
    return Template(document).substitute(
        edition=world.edition.value.title(),
        now=world.fleet.now().astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S"),
        phones=_phones(world, first, jobs),
        jobs=_table(_CALL_COLUMNS, list(_calls(jobs)), "No jobs are waiting or running."),
        count=f"{world.ledger.requests:,}",
        max_rows=_MAX_ROWS,
        requests=_table(
            (*_REQUEST_COLUMNS,),
            [attrgetter(*_REQUEST_COLUMNS.values())(request) for request in requests],
            "No request has arrived yet.",
        ),
        faults=_table(("Fault",), plan, "No faults are set."),
    )


def _jobs(jobs: Jobs) -> Iterator[_Job]:
    now = jobs.world.clock()
    for job in jobs.by_id.values():
        yield _Job(job.operation, job.request, job.phone, job.status(now))


def _phones(world: World, first: int, jobs: Iterable[_Job]) -> str:
    busy = {job.phone: job.operation for job in jobs if job.phone and job.state == "running"}
    last = first + _MAX_PHONES - 1
    shown = islice(world.phones(), first - 1, last)
    squares = "".join(_square(phone, busy.get(phone.id) or busy.get(phone.cph_id)) for phone in shown)
    counts = Counter(map(_state, world.phones()))
    legend = "".join(
        f'<li><i class="{state}"></i> {count:,} {state.replace("_", " ")}'
        for state, count in sorted(counts.items())
    )
    previous = f'<a href="?from={max(first - _MAX_PHONES, 1)}">Previous phones</a>' if first > 1 else ""
    following = f'<a href="?from={last + 1}">Next phones</a>' if counts.total() > last else ""
    legend += f"<li><i class=busy></i> {len(busy):,} with a running job"
    return f"<ul>{legend}</ul><div>{squares}</div>{previous} {following}"


def _square(phone: Phone, operation: str | None) -> str:
    state = _state(phone)
    running = f", running {operation}" if operation else ""
    title = f"{phone.id} on server {phone.server}, {phone.model.sku}: {state.replace('_', ' ')}{running}"
    return f'<i class="{"busy" if operation else state}" title="{escape(title)}"></i>'


def _state(phone: Phone) -> str:
    if CopyState.EXECUTING in (phone.backup, phone.restore):
        return "copying"
    if phone.resetting:
        return "resetting"
    return "frozen" if phone.frozen else phone.running.name.lower()


def _calls(jobs: Iterable[_Job]) -> Iterator[Sequence[object]]:
    """Yield the calls with unfinished jobs, newest first, with the number of their jobs by state."""
    calls: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        calls.setdefault((job.operation, job.call), Counter())[job.state] += 1
    unfinished = [
        (*call, *(counts[state] for state in _JOB_STATES))
        for call, counts in calls.items()
        if counts["waiting"] or counts["running"]
    ]
    return islice(reversed(unfinished), _MAX_ROWS)


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]], if_empty: str) -> str:
    if not rows:
        return f"<p>{if_empty}</p>"
    head = "".join(f"<th>{column}" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in row) for row in rows)
    return f"<table><tr>{head}{body}</table>"
