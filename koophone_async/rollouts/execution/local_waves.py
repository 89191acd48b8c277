"""Send the waves of a rollout in this process: one pipeline of steps for each selection of phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
from attrs import define, field

from koophone_async.batches import State
from koophone_async.rollouts.execution.pipeline import Pipeline
from koophone_async.rollouts.plans.steps import bind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from koophone_async.batches import Outcome, Run
    from koophone_async.batches.chunks import Source
    from koophone_async.rollouts.execution.attempt import Attempt
    from koophone_async.rollouts.execution.clients import Clients
    from koophone_async.rollouts.execution.restore import SentChunk
    from koophone_async.rollouts.journal import Journal, Target
    from koophone_async.rollouts.plans.plan import Plan

_NOT_SENT: Final = State.NOT_SENT  # attributes of an enum are slow to read


class Waves(Protocol):
    """Sends and awaits the phones of waves, one wave after the other."""

    async def run(self, wave: int, chunks: Sequence[SentChunk]) -> None:
        """Run all steps on the phones of a wave.

        Args:
            wave: The wave, counted from 1.
            chunks: Calls that an earlier process sent, whose jobs are awaited.
        """
        ...

    async def cancel(self) -> None:
        """Leave everything running that was sent, and send nothing more, also of waves that run later."""
        ...


async def opener(
    attempt: Attempt, clients: Clients, selection: int
) -> Callable[[int, Source], Run[Any, Any]]:
    """Return a function that creates the run of a step on phones of a selection."""
    fleet = await clients.fleet(selection)
    return lambda step, source: bind(attempt.steps[step], fleet(source), path=f"steps[{step}]")


@define(eq=False)
class LocalWaves:
    """Waves that this process sends."""

    _journal: Journal
    _plan: Plan
    _attempt: Attempt
    _clients: Clients
    _on_end: Callable[[int, int, Sequence[Outcome]], None]
    """Called with a step, a wave, and the outcomes of phones that take no further step."""

    _pipelines: list[Pipeline] = field(factory=list[Pipeline], init=False)
    _is_left: bool = field(default=False, init=False)
    """Whether jobs are left running: those of an earlier process too, whose wait has not begun."""

    async def run(self, wave: int, chunks: Sequence[SentChunk]) -> None:
        """Run all steps on the phones of a wave."""
        async with anyio.create_task_group() as group:
            for selection in range(len(self._plan.targets)):
                open_run = await opener(self._attempt, self._clients, selection)
                pipeline = Pipeline(self._attempt, wave, selection, open_run, self._report(wave))
                self._pipelines.append(pipeline)
                if self._is_left:
                    await pipeline.cancel()
                own = [chunk for chunk in chunks if chunk[0].selection == selection]
                group.start_soon(pipeline.run, self._targets(wave, selection), own)
        self._pipelines.clear()
        self._attempt.write()

    async def cancel(self) -> None:
        """Leave everything running that was sent, and send nothing more, also of waves that run later."""
        self._is_left = True
        for pipeline in self._pipelines:
            await pipeline.cancel()

    async def _targets(self, wave: int, selection: int) -> AsyncIterator[Sequence[Target]]:
        """Read the phones of a wave that wait to be sent, block by block in their order."""
        first, end = self._attempt.range_of(wave)
        phones = self._attempt.phones
        async for block in self._journal.targets(self._attempt.driver.rollout.id, first, end):
            yield [
                target
                for target in block
                if target.selection == selection and phones.is_pending(target.position)
            ]

    def _report(self, wave: int) -> Callable[[int, Sequence[Outcome]], None]:
        def on_end(step: int, outcomes: Sequence[Outcome]) -> None:
            # Whatever is left to a resume is reported when the rollout has ended.
            is_left = self._attempt.is_left_to_resume
            ended = [one for one in outcomes if one.state is not _NOT_SENT or not is_left(one)]
            self._on_end(step, wave, ended)

        return on_end
