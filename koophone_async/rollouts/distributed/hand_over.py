"""Hand a rollout to workers: they start, resume, retry or undo it wherever they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.rollouts.journal import RolloutState
from koophone_async.rollouts.journal.encoding import Codec

if TYPE_CHECKING:
    from koophone_async.rollouts.distributed.executor import Dispatch
    from koophone_async.rollouts.starts import Start


@frozen
class Handover:
    """How workers go on with a rollout."""

    queue: str
    ignores_stop: bool = False
    """Whether what was counted before does not stop it."""


HANDOVER: Final = Codec[Handover](Handover)


async def hand_over(start: Start, dispatch: Dispatch, queue: str) -> str:
    """Release a rollout so that workers go on with it, and return its id.

    Should this process end before the job is written, a worker finds the rollout in the journal.

    Raises:
        JournalError: It could not be written.
    """
    driver = start.driver
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
