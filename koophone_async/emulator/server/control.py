"""The emulator's own interface, under a prefix that no documented path has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from koophone_async.emulator.fleet import RunningState
from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.server import faults, page
from koophone_async.emulator.server.same_origin import foreign
from koophone_async.emulator.server.turns import taking_turns
from koophone_async.emulator.world import World
from koophone_async.errors import InvalidRequest
from koophone_async.services.koophone.orders import BUY
from koophone_async.text_input import parse_json
from koophone_async.wire import encode

PREFIX: Final = "/_emulator/"


async def control(
    jobs: Jobs, reset: Callable[[], None], request: web.BaseRequest, listening: str
) -> web.Response:
    """Answer a request to the emulator's own interface, unless the page of another site sent it.

    Args:
        jobs: The jobs of all services, and with them the state.
        reset: Restores the initial state.
        request: The request.
        listening: The address that the emulator listens on.
    """
    if (problem := foreign(request.method, request.headers, listening)) is not None:
        return _json({"error": problem}, 403)
    path = request.path.removeprefix(PREFIX)
    if request.method == "GET" and path in _READS:
        return _json(await _READS[path](jobs))
    match request.method, path:
        case "GET", "":
            return await _page(jobs, request.query.get("from", "1"))
        case "PUT", "faults":
            return await _replace_faults(jobs.world.plan, request)
        case "POST", "reset":
            reset()
            return web.Response(status=204)
        case _:
            problem = f"the emulator has no {request.method} {request.path}; it has {', '.join(_OPERATIONS)}"
            return _json({"error": problem}, 404)


async def _state(jobs: Jobs) -> dict[str, Any]:
    """Return the numbers of phones, servers and jobs by state, and the orders."""
    world, now = jobs.world, jobs.world.clock()
    tasks, of_koophone, of_cph = set[str](), Counter[str](), Counter[str]()
    async for job in taking_turns(jobs.by_id.values()):
        if job.service == "koophone":
            tasks.add(job.request)
            of_koophone[job.status(now)] += 1
        else:
            of_cph[job.status(now)] += 1
    return {
        "edition": world.edition.value,
        "now": world.fleet.now().isoformat(),
        "phones": _running_states(world),
        "tasks": len(tasks),
        "jobs": of_koophone,
        "pending": len(jobs),
        "servers": Counter(server.state.name.lower() for server in world.cph.servers),
        "cph_jobs": of_cph,
        "orders": [
            {"id": o.id, "instances": len(o.resources), "cost": o.cost, "paid": o.paid}
            for o in world.orders.values()
            if o.operation == BUY.name
        ],
        "faults": len(world.plan.faults),
    }


def _running_states(world: World) -> Counter[str]:
    """Count the phones by running state, in time by the number of those that do not run."""
    column = world.fleet.overrides.running
    counts = Counter(state.name.lower() for state in column.values())
    counts[RunningState.RUNNING.name.lower()] += len(world.fleet) - len(column)
    for phone in world.undelivered:
        counts[world.fleet[phone].running.name.lower()] -= 1
    return +counts


async def _ledger(jobs: Jobs) -> object:
    return jobs.world.ledger.to_json()


async def _requests(jobs: Jobs) -> object:
    return {"requests": jobs.world.ledger.requests_to_json()}


async def _faults(jobs: Jobs) -> object:
    return faults.to_json(jobs.world.plan.faults)


_READS: Final[Mapping[str, Callable[[Jobs], Awaitable[object]]]] = {
    "ledger": _ledger,
    "requests": _requests,
    "state": _state,
    "faults": _faults,
}

_OPERATIONS: Final = [
    *(f"GET {PREFIX}{path}" for path in ("", *_READS)),
    f"PUT {PREFIX}faults",
    f"POST {PREFIX}reset",
]


async def _page(jobs: Jobs, first: str) -> web.Response:
    number = int(first) if re.fullmatch("[1-9][0-9]{0,8}", first) else 1
    html = await page.page(jobs, number)
    return web.Response(text=html, content_type="text/html", headers=page.HEADERS)


async def _replace_faults(plan: faults.Plan, request: web.BaseRequest) -> web.Response:
    """Replace the faults; the answer lists them with all fields, including defaults."""
    try:
        new = faults.from_json(parse_json(await request.read()))
    except InvalidRequest as error:
        return _json({"error": str(error)}, 400)
    except ValueError as error:
        return _json({"error": f"the body {error}"}, 400)
    plan.replace(new)
    return _json(faults.to_json(new))


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=encode(value), status=status, content_type="application/json")
