"""The page for people: phones, jobs as they run, requests and faults.

It is made anew for each look and holds no script: the browser asks for it again every other second.
"""

from __future__ import annotations

from collections import Counter
from html import escape
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from koophone_async.emulator.fleet import Copying, Phone
from koophone_async.emulator.server import faults
from koophone_async.wire import encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from koophone_async.emulator.world import World

HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
"""Whatever callers get into a path or a name, nothing of it runs."""

_MOST_PHONES: Final = 2_000
_MOST_ROWS: Final = 25
_OF_CALLS: Final = ("operation", "task or request", "waiting", "running", "succeeded", "failed", "lost")
_OF_VISITS: Final = ("at", "method", "path", "operation", "ids", "verdict", "status", "code", "reason", "ms")


class _Job(NamedTuple):
    operation: str
    call: str
    phone: str | None
    """By KooPhone's id or by CPH's; None where it is not about one phone."""

    stands: str


def page(world: World, first: int) -> str:
    """Write the page as HTML, with a grid that begins with the phone at this place, counted from 1."""
    jobs, visits = list(_jobs(world)), islice(reversed(world.ledger.recent_requests), _MOST_ROWS)
    plan = [[encode(fault).decode()] for fault in faults.to_json(world.plan.faults)]
    return _DOCUMENT.format(
        edition=world.edition.value,
        now=world.fleet.now().strftime("%Y-%m-%d %H:%M:%S"),
        phones=_phones(world, first, jobs),
        jobs=_table(_OF_CALLS, _calls(jobs)),
        count=f"{world.ledger.requests:,}",
        requests=_table(_OF_VISITS, map(attrgetter(*_OF_VISITS), visits)),
        faults=_table(("fault",), plan),
    )


def _jobs(world: World) -> Iterator[_Job]:
    now = world.clock()
    for task, jobs in world.tasks.items():
        for job in jobs.values():
            yield _Job(job.operation, task, job.phone, job.stands(now))
    for work in world.estate.works.by_id.values():
        yield _Job(work.operation, work.request, work.phone, work.stands(now))


def _phones(world: World, first: int, jobs: Iterable[_Job]) -> str:
    busy = {job.phone: job.operation for job in jobs if job.phone and job.stands == "running"}
    last = first + _MOST_PHONES - 1
    shown = islice(world.phones(), first - 1, last)
    squares = "".join(_square(phone, busy.get(phone.id) or busy.get(phone.cph_id)) for phone in shown)
    kinds = Counter(map(_kind, world.phones()))
    legend = "".join(f'<li><i class="{kind}"></i> {kind} {count:,}' for kind, count in sorted(kinds.items()))
    more = f'<a href="?from={last + 1}">from {last + 1:,} on</a>' if kinds.total() > last else ""
    return f"<ul>{legend}<li><i class=busy></i> with a job {len(busy):,}</ul><div>{squares}</div>{more}"


def _square(phone: Phone, operation: str | None) -> str:
    kind = "busy" if operation else _kind(phone)
    about = f"{phone.id}, server {phone.server}, {phone.model.sku}: {operation or kind}"
    return f'<i class="{kind}" title="{escape(about)}"></i>'


def _kind(phone: Phone) -> str:
    if not phone.drawer:
        return "running"
    if Copying.EXECUTING in (phone.backup, phone.restore):
        return "copying"
    if phone.resetting:
        return "resetting"
    return "frozen" if phone.frozen else phone.running.name.lower()


def _calls(jobs: Iterable[_Job]) -> Iterator[Sequence[object]]:
    """Give the calls that have open jobs, the newest first, with how many of their jobs stand how."""
    calls: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        calls.setdefault((job.operation, job.call), Counter())[job.stands] += 1
    running = [
        (*call, *(stands[state] for state in _OF_CALLS[2:]))
        for call, stands in calls.items()
        if stands["waiting"] or stands["running"]
    ]
    return islice(reversed(running), _MOST_ROWS)


def _table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th>{name}" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_text(cell)}" for cell in row) for row in rows)
    return f"<table><tr>{head}{body}</table>"


def _text(cell: object) -> str:
    return escape("" if cell is None else str(cell))


_DOCUMENT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="2">
<title>koophone emulator</title>
<style>
:root {{ color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif; }}
body {{ margin: 1.5rem; max-width: 90rem; }}
h1, h2 {{ font-size: 1.1rem; margin: 1.2rem 0 .4rem; }}
ul {{ display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; margin: .4rem 0; padding: 0; }}
div {{ display: flex; flex-wrap: wrap; gap: 2px; }}
i {{ background: #8884; border-radius: 2px; display: inline-block; height: 10px; width: 10px; }}
.running {{ background: #3a9d5d; }}
.busy {{ background: #2f6fde; }}
.starting, .going_offline, .copying, .resetting {{ background: #d99a1c; }}
.frozen {{ background: #c43d3d; }}
table {{ border-collapse: collapse; font-size: .85rem; }}
th, td {{ border-bottom: 1px solid #8884; padding: .15rem .9rem .15rem 0; text-align: left; }}
td {{ overflow-wrap: anywhere; }}
</style>
<h1>koophone emulator</h1>
{edition} edition, {now}
<h2>Phones</h2>
{phones}
<h2>Calls with open jobs</h2>
{jobs}
<h2>Requests: {count}</h2>
{requests}
<h2>Faults</h2>
{faults}
</html>
"""
