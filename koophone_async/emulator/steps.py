"""How CPH's jobs and orders go on when something of them is due."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from koophone_async.emulator.agenda import Due
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.doings import DOINGS, Job
from koophone_async.emulator.server_doings import SERVER_DOINGS, ServerJob, populate
from koophone_async.emulator.works import END, TURN
from koophone_async.services.cph.server import ServerState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from koophone_async.emulator.cph.state import Bought
    from koophone_async.emulator.works import Work
    from koophone_async.emulator.world import World

DELIVER: Final = "deliver"
CHANGE_MODEL: Final = "change model"


def _turn(world: World, due: Due, at: datetime) -> None:
    world.estate.works.turn(due.details["server"], due.at, partial(_begin, world, at))


def _begin(world: World, at: datetime, work: Work) -> float:
    job = _job(world, work, at)
    if job is None:
        _fail(work, error_table.NO_PHONE if work.phone else error_table.NO_SUCH_SERVER)
        return 0.0
    more = 0.0
    if isinstance(job, Job):
        more = DOINGS[work.operation].begin(job)
    else:
        SERVER_DOINGS[work.operation].begin(job)
    if work.code != error_table.NOT_RUNNING:
        world.ledger.executed(work.operation, [work.target])
    return more


def _end(world: World, due: Due, at: datetime) -> None:
    work = world.estate.works.by_id[due.job or ""]
    job = _job(world, work, at)
    if job is None:
        _fail(work, error_table.NO_PHONE if work.phone else error_table.NO_SUCH_SERVER)
    elif isinstance(job, Job):
        _end_on_phone(job)
    else:
        _end_on_server(job)


def _end_on_phone(job: Job) -> None:
    doing = DOINGS[job.work.operation]
    if not job.work.code:
        _fail(job.work, doing.end(job))
    if job.work.code and doing.broken is not None:
        job.phone.resetting = False
        job.phone.drawer["broken"] = doing.broken.value


def _end_on_server(job: ServerJob) -> None:
    doing = SERVER_DOINGS[job.work.operation]
    if not job.work.code:
        _fail(job.work, doing.end(job))
    if job.work.code:
        doing.broken(job)


def _fail(work: Work, code: str | None) -> None:
    if code and not work.code:
        work.failed(code, error_table.CPS[code][1])


def _job(world: World, work: Work, at: datetime) -> Job | ServerJob | None:
    """Find what a job is about; None where it is gone."""
    if work.phone is None:
        server = world.estate.servers.by_id.get(work.server)
        return None if server is None else ServerJob(world, work, server, at)
    try:
        return Job(world, work, world.fleet.by_cph_id(work.phone), at)
    except KeyError:
        return None


def _deliver(world: World, due: Due, at: datetime) -> None:
    """Hand a server over, with its phones."""
    server = world.estate.servers.by_id[due.details["server"]]
    server.state, server.updated = ServerState.NORMAL, at
    if server.phone_model is not None:
        populate(world, server, due.details["image"], due.details["properties"])


def _change_model(world: World, due: Due, at: datetime) -> None:
    server = world.estate.servers.by_id.get(due.details["server"])
    if server is not None:
        server.model, server.phone_model = due.details["model"], due.details["phone_model"]
        server.updated = at


def pay(world: World, order: Bought) -> None:
    """Pay for an order, so that what was bought comes after a while."""
    if order.paid:
        return
    order.paid = True
    if step := order.details["step"]:
        for server in order.resources:
            world.estate.servers.by_id[server].is_ordered = False
            at = world.clock() + world.durations.draw(world.rng)
            world.agenda.add(Due(at, step, "", details={"server": server, **order.details["with"]}))


STEPS: Final[Mapping[str, Callable[[World, Due, datetime], None]]] = {
    TURN: _turn,
    END: _end,
    DELIVER: _deliver,
    CHANGE_MODEL: _change_model,
}
"""What happens next, by the name of what is due."""
