"""Hand a rollout to workers: they start, resume, retry or undo it wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.journal import RolloutState
from koophone_async.rollouts.journal.encoding import Codec
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation

if TYPE_CHECKING:
    from koophone_async.rollouts.distributed.executor import Dispatch
    from koophone_async.rollouts.execution.starts import Start
    from koophone_async.rollouts.journal import Journal

NEEDS_POSTGRESQL: Final = "is a file; workers need one in PostgreSQL"
QUEUE: Final = "koophone"
"""Queue of rollouts that name no other."""


@frozen
class Handover:
    """How workers go on with a rollout."""

    queue: str
    ignores_stop: bool = False
    """Whether what was counted before does not stop it."""


HANDOVER: Final = Codec[Handover](Handover)


async def hand_over(journal: Journal, start: Start, queue: str | None = None) -> str:
    """Release a rollout so that workers go on with it, and return its id.

    Raises:
        InvalidRequest: The journal is not in PostgreSQL.
        JournalError: It could not be written.
    """
    if not isinstance(journal.place, PostgresLocation):
        raise InvalidRequest("", "journal", NEEDS_POSTGRESQL, Rule.CONFLICT)
    from koophone_async.rollouts.distributed.jobs import Jobs  # noqa: PLC0415 - slow to import

    async with Jobs.open(journal.place) as jobs:
        return await release(start, jobs, queue)


async def release(start: Start, dispatch: Dispatch, queue: str | None = None) -> str:
    """Release a rollout, ask a worker to go on with it, and return its id.

    Should this process end before it asks, a worker finds the rollout in the journal.

    Raises:
        JournalError: It could not be written.
    """
    driver = start.driver
    if queue is None:
        before = driver.rollout.handover
        queue = QUEUE if before is None else HANDOVER.decode(before).queue
    if not start.is_undo:  # whose plan is made of that of the rollout
        driver.update(plan=start.plan.to_json())
    await driver.release(
        state=RolloutState.RUNNING,
        waiting_for=None,
        reason=None,
        ended_at=None,
        wave=start.wave,
        handover=HANDOVER.encode(Handover(queue, start.ignores_stop)),
    )
    await dispatch.drive(driver.rollout.id, queue)
    return driver.rollout.id
