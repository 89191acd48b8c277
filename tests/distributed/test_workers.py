"""Several worker processes run a rollout: each phone once, whatever becomes of them."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import psycopg
import pytest

from koophone_async.emulator import Durations
from koophone_async.rollouts import Step, events
from koophone_async.rollouts.journal import RolloutState, WaitingFor
from tests.distributed.conftest import plan

if TYPE_CHECKING:
    from pathlib import Path

    from tests.distributed.conftest import Workers

pytestmark = [
    pytest.mark.process,
    pytest.mark.emulator(phones=300, jobs=Durations(fixed=1)),
    pytest.mark.timeout(120),
]

RUN = "koophone.commands.run"


async def test_two_workers_run_every_step_once(workers: Workers) -> None:
    id = await workers.hand_over(plan(workers.emulator, Step("run", "id"), Step("run", "id")))
    record = await workers.journal.find(id)
    assert (record.state, record.waiting_for) == (RolloutState.WAITING, WaitingFor.WORKER)
    await asyncio.gather(workers.add(), workers.add())

    record = await workers.ended(id)

    assert record.counts == {"succeeded": 300}
    ids = [phone.id for phone in workers.emulator.phones]
    assert workers.emulator.ledger.executions(RUN) == dict.fromkeys(ids, 2)
    assert len(await workers.journal.workers.all()) == 2
    assert await workers.stop() == [143, 143]
    assert await workers.journal.workers.all() == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
async def test_what_a_worker_has_left_others_finish(workers: Workers, number: signal.Signals) -> None:
    first = await workers.add()
    id = await workers.hand_over(plan(workers.emulator, concurrency=1))
    await workers.executions(RUN)
    first.send_signal(number)
    await asyncio.gather(first.wait(), workers.add())

    record = await workers.ended(id)

    executions = workers.emulator.ledger.executions(RUN)
    assert max(executions.values()) == 1
    assert record.counts.get("succeeded", 0) + record.counts.get("unknown", 0) == 300
    assert len(executions) >= record.counts["succeeded"]


async def test_a_worker_ends_when_the_journal_has_a_later_version(
    workers: Workers, postgresql_url: str
) -> None:
    process = await workers.add("--heartbeat=0.5")
    with psycopg.connect(postgresql_url, autocommit=True) as db:
        db.execute("UPDATE koophone.journal_version SET version = version + 1")

    _, errors = await process.communicate()

    assert process.returncode == 3
    assert "this worker knows" in errors.decode()


@pytest.mark.parametrize(
    "options, problem",
    [
        (("--journal=rollouts.db",), "journal: is a file; workers need one in PostgreSQL"),
        (("--concurrency=0",), "--concurrency"),
    ],
)
async def test_wrong_options_of_a_worker_are_refused(
    workers: Workers, options: tuple[str, ...], problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(AssertionError, match=problem):
        await workers.add(*options)


async def test_a_worker_with_other_credentials_leaves_the_rollout_to_others(workers: Workers) -> None:
    await workers.add(HUAWEICLOUD_SDK_AK="another")
    id = await workers.hand_over(plan(workers.emulator))
    while True:
        entries = [entry for entry in await workers.journal.read_log(id) if entry.what == events.REFUSED]
        if entries:
            break
        await asyncio.sleep(0.1)
    assert "was started with access key" in str(entries[0].details["reason"])
    await workers.add()

    assert (await workers.ended(id)).counts == {"succeeded": 300}
