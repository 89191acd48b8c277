"""New attempts of a rollout that has ended: retry what failed, undo what was done."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from attrs import evolve, field, frozen

from koophone_async.batches import State
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts import events
from koophone_async.rollouts.execution.attempt_plans import RETRY, UNDO, plan_of
from koophone_async.rollouts.execution.starts import Start, check_account
from koophone_async.rollouts.journal import ChunkState, RolloutState
from koophone_async.rollouts.plans.plan import Plan
from koophone_async.rollouts.plans.verbs import verbs_of
from koophone_async.rollouts.reports.last_outcomes import last_outcomes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from koophone_async.rollouts.journal import Journal, RolloutRecord, Target
    from koophone_async.session import Session

RETRIED: Final = frozenset({State.FAILED, State.REFUSED})
"""States that a retry takes unless others are named."""

RETRIABLE: Final = RETRIED | {State.NOT_SENT, State.UNKNOWN}
"""States that a retry can take; unfinished jobs are awaited by a resume."""

_RETRYING: Final = "a retry of the stopped rollout would send to the phones that the rule protects"


@frozen
class NewAttempt:
    """An attempt on some phones of a rollout; nothing is written or sent before `begin`."""

    record: RolloutRecord
    plan: Plan
    """Of the attempt."""

    kind: str
    targets: Sequence[tuple[Target, int]]
    """The phones, each with its first step."""

    unknown: Sequence[str] = ()
    """Ids of the phones that may execute a step a second time."""

    options: Mapping[str, str] = field(factory=dict[str, str])
    """Fields in which the plan differs from that of the kind."""

    @property
    def ids(self) -> list[str]:
        """The ids of the phones."""
        return [target.id for target, _ in self.targets]

    def restricted_to(self, ids: Collection[str] | None) -> NewAttempt:
        """Return the attempt on those of its phones that have one of these ids; None for all."""
        if ids is None:
            return self
        kept = frozenset(ids)
        return evolve(self, targets=[each for each in self.targets if each[0].id in kept])

    async def begin(self, journal: Journal) -> Start | None:
        """Begin it, as the driver of the rollout.

        Returns:
            The start; None if there is no phone.

        Raises:
            LeaseHeld: Another process drives the rollout.
        """
        if not self.targets:
            return None
        starts = [(target.position, step) for target, step in self.targets]
        is_undo = self.kind == UNDO
        waves = (self.record.targets,) if is_undo else self.record.waves
        first = bisect_right(waves, starts[0][0]) + 1
        driver = await journal.acquire(self.record.id)
        number = await driver.add_attempt(self.kind, starts, waves, self.options)
        driver.log(self.kind, {"targets": len(starts), **self.options})
        return Start(driver, self.plan, number, waves, first, is_undo=is_undo)


async def retry(  # noqa: PLR0913 - all but three are named, and have defaults
    journal: Journal,
    name: str,
    session: Session | None = None,
    *,
    only: Collection[State] = RETRIED,
    despite_stop: bool = False,
    ids: Collection[str] | None = None,
) -> Start | None:
    """Retry phones; those with some ids, or all that `plan_retry` returns."""
    attempt = await plan_retry(journal, name, session, only=only, despite_stop=despite_stop)
    return await attempt.restricted_to(ids).begin(journal)


async def undo(  # noqa: PLR0913 - all but three are named, and have defaults
    journal: Journal,
    name: str,
    session: Session | None = None,
    *,
    ids: Collection[str] | None = None,
    stop: str | None = None,
    window: str | None = None,
) -> Start | None:
    """Undo phones; those with some ids, or all that `plan_undo` returns."""
    attempt = await plan_undo(journal, name, session, stop=stop, window=window)
    return await attempt.restricted_to(ids).begin(journal)


async def plan_retry(
    journal: Journal,
    name: str,
    session: Session | None = None,
    *,
    only: Collection[State] = RETRIED,
    despite_stop: bool = False,
) -> NewAttempt:
    """Return an attempt on the phones that ended in some states, from the step at which they did.

    Raises:
        InvalidRequest: The rollout has not ended; or one of the states is not retried, or is `not_sent`
            though a rule or a person has stopped the rollout.
    """
    for state in sorted(set(only) - RETRIABLE):
        known = ", ".join(sorted(RETRIABLE))
        problem = f"has {state}; retried are {known}, and resume awaits unfinished jobs"
        raise InvalidRequest("", "only", problem, Rule.NOT_A_CHOICE)
    record = await _ended(journal, name, RETRY)
    if State.NOT_SENT in only and not despite_stop and await _was_stopped(journal, record):
        raise InvalidRequest("", "only", f"has not_sent, and {_RETRYING}; use --despite-stop", Rule.CONFLICT)
    plan = Plan.from_json(record.plan)
    await check_account(record, plan, session)
    verbs = verbs_of(plan.service, plan.resource)
    orders = frozenset(index for index, step in enumerate(plan.steps) if verbs[step.verb].costs_money)
    targets, unknown = list[tuple["Target", int]](), list[str]()
    async for target, outcome in last_outcomes(journal, record):
        step = outcome.step - 1
        if outcome.state not in only or (step in orders and outcome.state is not State.REFUSED):
            continue
        targets.append((target, step))
        if outcome.state is State.UNKNOWN:
            unknown.append(target.id)
    return NewAttempt(record, plan, RETRY, targets, unknown)


async def _was_stopped(journal: Journal, record: RolloutRecord) -> bool:
    """Return whether a rule or a person ever stopped a rollout: its state may be that of an undo since."""
    return any(entry.what in _STOPPED for entry in await journal.read_log(record.id))


_STOPPED: Final = frozenset({RolloutState.STOPPED, RolloutState.CANCELLED, events.CANCEL})
"""Entries of the log after which a rule or a person protects the phones that are left."""


async def plan_undo(
    journal: Journal,
    name: str,
    session: Session | None = None,
    *,
    stop: str | None = None,
    window: str | None = None,
) -> NewAttempt:
    """Return an attempt that runs the undo steps on every phone that a step may have reached.

    Phones that were undone already are left out.

    Args:
        journal: Its journal.
        name: Its id, name, or `last`.
        session: The session that it is undone with.
        stop: When nothing more is sent, as plans state it; by default never.
        window: When calls may be sent, as plans state it; by default always.

    Raises:
        InvalidRequest: The rollout has not ended, its plan has no undo steps, or the rule or window is wrong.
    """
    options = {name: text for name, text in {"stop": stop, "window": window}.items() if text is not None}
    record = await _ended(journal, name, UNDO)
    plan = Plan.from_json(record.plan)
    if not plan.undo:
        raise InvalidRequest("", "rollout", "has no undo steps in its plan", Rule.MISSING)
    of_undo = plan_of(plan, UNDO, options)
    await check_account(record, plan, session)
    reached = await _reached(journal, record, plan)
    targets = [
        (target, 0)
        async for block in journal.targets(record.id)
        for target in block
        if reached[target.position]
    ]
    if targets and of_undo.stop is not None:
        of_undo.stop.check_total(len(targets))
    return NewAttempt(record, of_undo, UNDO, targets, options=options)


async def _reached(journal: Journal, record: RolloutRecord, plan: Plan) -> Sequence[int]:
    """Return for each phone, by position, whether a step may have reached it that was not undone."""
    reached, undone = bytearray(record.targets), set[int]()
    kinds = {attempt.attempt: attempt.kind for attempt in await journal.attempts(record.id)}
    async for results in journal.results(record.id):
        for result in results:
            if kinds[result.attempt] != UNDO:
                reached[result.position] |= result.outcome.state not in _NOT_EXECUTED
                undone.discard(result.position)
            elif result.outcome.ok and result.step == len(plan.undo) - 1:
                undone.add(result.position)
    for chunk in await journal.chunks(record.id):
        if chunk.state is not ChunkState.PLANNED:
            for position in chunk.positions:
                reached[position] = True
    for position in undone:
        reached[position] = False
    return reached


_NOT_EXECUTED: Final = frozenset({State.REFUSED, State.NOT_SENT})


async def _ended(journal: Journal, name: str, action: str) -> RolloutRecord:
    record = await journal.find(name)
    if not record.has_ended:
        problem = f"is {record.state}; {action} needs one that has ended: cancel it first, or resume it"
        raise InvalidRequest("", "rollout", problem, Rule.CONFLICT)
    return record
