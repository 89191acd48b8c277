"""Find the call that started a task or a job, by its bare id, among those that a journal has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koophone_async.polling import ResumeToken
from koophone_async.rollouts.execution.attempt_plans import plan_of
from koophone_async.rollouts.execution.restore import targets_at
from koophone_async.rollouts.plans.plan import Plan
from koophone_async.rollouts.plans.verbs import verbs_of

if TYPE_CHECKING:
    from koophone_async.rollouts.journal import ChunkRecord, Journal, RolloutRecord


async def find_token(journal: Journal, service: str, id: str) -> ResumeToken | None:
    """Return a resume token for the jobs of a call, with the ids of their phones; None if no call has the id.

    Args:
        journal: Where the call may have been written down.
        service: The service that was called.
        id: Of a task or request, or of one of its jobs, which is the only one in the token then.
    """
    for record, chunk in await journal.calls_with(id):
        if record.service != service or chunk.handle is None or not chunk.has_jobs:
            continue
        jobs = await _phones_by_job(journal, record, chunk)
        if chunk.handle != id:
            jobs = {job: phone for job, phone in jobs.items() if job == id}
        if jobs:
            operation = await _operation_of(journal, record, chunk)
            return ResumeToken(operation, chunk.handle, jobs, chunk.called_at)
    return None


async def _phones_by_job(journal: Journal, record: RolloutRecord, chunk: ChunkRecord) -> dict[str, str]:
    """Return the phones by job id; once all jobs have ended, only the results have these."""
    if chunk.jobs is not None:
        positions = dict(chunk.jobs)
    else:
        own = set(chunk.positions)
        positions = {
            result.outcome.job_id: result.position
            async for results in journal.results(record.id, chunk.attempt)
            for result in results
            if result.step == chunk.step and result.position in own and result.outcome.job_id
        }
    ids = {target.position: target.id for target in await targets_at(journal, record.id, positions.values())}
    return {job: ids[position] for job, position in positions.items()}


async def _operation_of(journal: Journal, record: RolloutRecord, chunk: ChunkRecord) -> str:
    attempts = {attempt.attempt: attempt.kind for attempt in await journal.attempts(record.id)}
    plan = plan_of(Plan.from_json(record.plan), attempts[chunk.attempt])
    return verbs_of(plan.service, plan.resource)[plan.steps[chunk.step].verb].operation.name
