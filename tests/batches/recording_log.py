"""A log of calls that checks how a run uses it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from koophone_async import Outcome, State
from koophone_async.batches import SendingHeld, SendingStopped, StartedCall
from koophone_async.virtual_time import EPOCH, VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from koophone_async.emulator import Emulator

STOPPED = "the rollout was stopped"


@define(eq=False)
class RecordedCall:
    """The entry of a call, with what was written to it."""

    log: RecordingLog
    ids: tuple[str, ...]
    events: list[str] = field(factory=list[str])
    outcomes: dict[str, Outcome] = field(factory=dict[str, Outcome])
    handle: str = ""
    jobs: Mapping[str, str] = field(factory=dict[str, str])
    has_jobs: bool = False
    started_at: datetime = EPOCH
    planned_at: float = field(factory=lambda: asyncio.get_running_loop().time())

    @property
    def open_jobs(self) -> dict[str, str]:
        return {job: id for job, id in self.jobs.items() if self.outcomes[id].state is State.UNFINISHED}

    @property
    def last(self) -> str:
        return self.events[-1] if self.events else "planned"

    async def before_send(self) -> None:
        self.log.check(self.last in {"planned", "sending", "not executed"}, self, "sent")
        await self.log.write("before_send")
        self.events.append("sending")
        self.started_at = VirtualTimeLoop.running().now()
        self.log.may_send += 1

    async def not_executed(self) -> None:
        self.log.check(self.last == "sending", self, "not executed")
        await self.log.write("not_executed")
        self.events.append("not executed")

    def split(self, parts: Sequence[Sequence[str]]) -> Sequence[RecordedCall]:
        self.log.check(sorted(id for part in parts for id in part) == sorted(self.ids), self, "split")
        self._close("split")
        return [self.log.plan(part) for part in parts]

    def dissolve(self) -> None:
        self._close("dissolved")

    def started(self, handle: str, jobs: Mapping[str, str], *, has_jobs: bool) -> None:
        self.log.check(self.last == "sending" and not self.outcomes, self, "started")
        self.log.check(set(jobs.values()) <= {*self.ids}, self, "started")
        self.events.append("started")
        self.handle, self.jobs, self.has_jobs = handle, dict(jobs), has_jobs

    def settle(self, outcome: Outcome) -> Outcome:
        self.log.check(outcome.id in self.ids and outcome.id not in self.outcomes, self, "settled")
        self.log.check(self.last not in {"split", "dissolved"}, self, "settled")
        self.log.check("sending" in self.events or outcome.state is State.NOT_SENT, self, "settled")
        self.outcomes[outcome.id] = outcome
        return self.log.expect(outcome)

    def _close(self, event: str) -> None:
        self.log.check(self.last in {"planned", "sending"} and not self.outcomes, self, event)
        self.events.append(event)


@define(eq=False)
class RecordingLog:
    """A log in memory; what a run does wrong is collected in `mistakes`."""

    emulator: Emulator | None = None
    operation: str = "koophone.commands.run"
    verdicts: list[str] = field(factory=list[str])
    """What the next awaited methods do: `hold` or `stop` sending, or anything else to let it go on."""

    slots: int = 32
    delay: float = 0.001
    """Seconds that an awaited method takes."""

    is_stopped: bool = False
    may_send: int = 0
    """How many attempts may have been sent."""

    expect: Callable[[Outcome], Outcome] = lambda outcome: outcome
    calls: list[RecordedCall] = field(factory=list[RecordedCall])
    rejected: dict[str, Outcome] = field(factory=dict[str, Outcome])
    mistakes: list[str] = field(factory=list[str])
    _free_slots: asyncio.Semaphore = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._free_slots = asyncio.Semaphore(self.slots)

    def check(self, is_right: bool, call: RecordedCall, event: str) -> None:  # noqa: FBT001 - as `assert`
        if not is_right:
            self.mistakes.append(f"{event} after {call.events} and {[*call.outcomes]} of {call.ids}")

    async def write(self, method: str) -> None:
        """Wait, while nothing may be sent, and then return or raise as the next verdict demands."""
        await asyncio.sleep(self.delay)
        if self.emulator is not None:
            requests = [
                one for one in self.emulator.ledger.recent_requests if one.operation == self.operation
            ]
            if len(requests) > self.may_send:
                self.mistakes.append(f"{len(requests)} requests, and {self.may_send} were to be sent")
        verdict = self.verdicts.pop(0) if self.verdicts else ""
        self.is_stopped = self.is_stopped or verdict == "stop"
        if self.is_stopped:
            raise SendingStopped(STOPPED)
        if verdict == "hold" and method == "before_send":
            raise SendingHeld

    @asynccontextmanager
    async def admission(self) -> AsyncGenerator[None]:
        async with self._free_slots:
            await self.write("admission")
            yield

    def plan(self, ids: Sequence[str]) -> RecordedCall:
        call = RecordedCall(self, tuple(ids))
        self.calls.append(call)
        return call

    def unsendable(self, outcome: Outcome) -> Outcome:
        self.rejected[outcome.id] = outcome
        return self.expect(outcome)

    def check_complete(self) -> None:
        """Check that every id of every entry was settled, or moved on to another entry."""
        for call in self.calls:
            is_closed = call.last in {"split", "dissolved"}
            self.check(is_closed or call.outcomes.keys() == {*call.ids}, call, "the end")
        assert not self.mistakes

    def resume(self, calls: Iterable[RecordedCall]) -> list[StartedCall]:
        """Return what another log has of calls whose jobs have not all ended, with entries of this one."""
        return [
            StartedCall(self._resumed(call), call.handle, call.open_jobs, call.has_jobs, call.started_at)
            for call in calls
            if call.open_jobs
        ]

    def _resumed(self, call: RecordedCall) -> RecordedCall:
        entry = self.plan([*dict.fromkeys(call.open_jobs.values())])
        entry.events += call.events
        return entry

    @property
    def open_ids(self) -> list[str]:
        return [id for id, outcome in self.outcomes.items() if outcome.state is State.UNFINISHED]

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {id: outcome for call in self.calls for id, outcome in call.outcomes.items()}


def failing(outcome: Outcome) -> Outcome:
    """Return a failure in place of a success, as an expectation of a rollout does."""
    return evolve(outcome, state=State.FAILED) if outcome.ok else outcome
