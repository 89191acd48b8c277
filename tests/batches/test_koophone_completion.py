"""Pollers of KooPhone: tasks, and the states of instances where there is no task."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from attrs import astuple

from koophone_async import State
from koophone_async.emulator import Omit, Refuse
from koophone_async.polling import OpenJob
from koophone_async.services.koophone import instances, jobs
from koophone_async.services.koophone.completion import TaskOrStatePoller, TaskPoller, status_poller
from koophone_async.services.koophone.verdicts import ready

if TYPE_CHECKING:
    from koophone_async import KooPhone, Session
    from koophone_async.emulator import Emulator

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=5, newer=True)]


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_poller_forgets_a_call_that_has_ended(
    emulator: Emulator, session: Session, koophone: KooPhone, *, is_known: bool
) -> None:
    if not is_known:
        emulator.fault(Refuse(404, "KOOPHONE.API.1323"), jobs.LIST)
    sender = session.bind()
    states = status_poller(sender, ready)
    poller = TaskOrStatePoller(TaskPoller(sender), states)
    before = [str(astuple(part, recurse=False)) for part in (poller, states)]

    started = await koophone.instances.reset([phone.id for phone in emulator.phones])
    wait = poller.wait(started.id or "", {job.id: job.instance for job in started.jobs})
    open_jobs = set(wait.jobs)
    while open_jobs:
        await asyncio.sleep(1)
        results = (await poller.poll([wait.handle]))[wait.handle]
        open_jobs -= {job for job, end in results.items() if not isinstance(end, OpenJob | None)}

    assert [str(astuple(part, recurse=False)) for part in (poller, states)] == before


@pytest.mark.emulator(phones=1, newer=True)
async def test_a_task_without_jobs_is_awaited_by_its_instances(
    emulator: Emulator, koophone: KooPhone
) -> None:
    emulator.fault(Omit(), instances.RESET)

    report = await koophone.fleet(emulator.phones).reset()

    assert (report.one().state, report.one().error_message) == (State.SUCCEEDED, None)
