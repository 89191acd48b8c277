"""Settle phones that are `unknown`, where the service or the phone shows whether a step was executed.

Only what proves that the step has done its work settles a phone, as succeeded. Everything else, such as an
app that is not there yet, stays unknown: the call may still be on its way.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from attrs import frozen

from koophone_async.batches import Outcome, State
from koophone_async.errors import KooPhoneError
from koophone_async.rollouts.execution.attempt_plans import plan_of
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.execution.phones import IN_FLIGHT, PENDING
from koophone_async.rollouts.execution.restore import targets_at
from koophone_async.rollouts.execution.starts import check_account
from koophone_async.rollouts.journal import ChunkState, Result
from koophone_async.rollouts.plans.plan import Plan
from koophone_async.rollouts.plans.steps import next_step

if TYPE_CHECKING:
    from koophone_async.rollouts.journal import Driver, Journal, RolloutRecord, Target
    from koophone_async.rollouts.plans.steps import Step
    from koophone_async.session import Session

RECONCILE: Final = "reconcile"
"""What the log has of it."""

_CLOCK_MARGIN: Final = timedelta(seconds=2)
"""How far the clocks of this machine and of a phone may be apart."""

_BOOT_TIME: Final = re.compile(r"btime ([0-9]{1,12})")


@frozen
class Finding:
    """What was found out about a phone that was unknown."""

    id: str
    step: int
    """Number of the step, from 1."""

    verb: str
    is_settled: bool
    """Whether the step has certainly been executed."""

    reason: str
    """Why that is believed, or why it is not known."""


@frozen
class _Question:
    """An unknown phone."""

    target: Target
    step: int
    called_at: datetime | None
    """When the call was about to be sent."""

    chunk: int | None
    """Its chunk, if no outcome of it was written yet."""


@frozen
class _Look:
    """What a reconciler works with."""

    step: Step
    client: Any
    fleet: Callable[[Sequence[str]], Any]
    questions: Sequence[_Question]

    @property
    def ids(self) -> list[str]:
        return [question.target.id for question in self.questions]


_Answers: TypeAlias = Mapping[str, "tuple[bool, str]"]
"""By id, whether the step has certainly been executed, and why."""


async def reconcile(journal: Journal, name: str, session: Session | None = None) -> list[Finding]:
    """Look whether steps whose outcome is unknown were executed, and settle what is certain.

    Nothing is sent that changes phones. Resume the rollout afterwards: phones that were settled go on.

    Args:
        journal: Its journal.
        name: Its id, name, or `last`.
        session: The session to look with; its account must be that of the rollout.

    Raises:
        InvalidRequest: There is no such rollout, or it is of another account or edition.
        LeaseHeld: Another process drives it.
    """
    record = await journal.find(name)
    plan = Plan.from_json(record.plan)
    await check_account(record, plan, session)
    attempt = (await journal.attempts(record.id))[-1]
    plan = plan_of(plan, attempt.kind)
    driver = await journal.acquire(record.id)
    try:
        questions = await _questions(journal, driver, attempt.attempt)
        async with Clients(plan, session) as clients:
            answers = await _answers(plan, clients, questions)
        findings = [_finding(plan, question, answers) for question in questions]
        _settle(driver, record, plan, attempt.attempt, zip(questions, findings, strict=True))
        driver.log(RECONCILE, {"unknown": len(findings), "settled": sum(f.is_settled for f in findings)})
    finally:
        await driver.release()
    return findings


async def _questions(journal: Journal, driver: Driver, attempt: int) -> list[_Question]:
    """Return the phones whose last outcome in an attempt is unknown, or was never written down."""
    rollout = driver.rollout.id
    unknown = dict[int, int]()
    async for results in journal.results(rollout, attempt):
        for result in results:
            unknown.pop(result.position, None)
            if result.outcome.state is State.UNKNOWN:
                unknown[result.position] = result.step
    called, open_chunks = dict[tuple[int, int], datetime | None](), dict[int, int]()
    for chunk in await journal.chunks(rollout, attempt, open_only=False):
        for position in chunk.positions:
            called[position, chunk.step] = chunk.called_at
            if chunk.state is ChunkState.SENDING and position not in chunk.settled:
                unknown[position], open_chunks[position] = chunk.step, chunk.chunk
    return [
        _Question(target, step, called.get((target.position, step)), open_chunks.get(target.position))
        for target in await targets_at(journal, rollout, unknown)
        for step in (unknown[target.position],)
    ]


async def _answers(
    plan: Plan, clients: Clients, questions: Sequence[_Question]
) -> Mapping[tuple[int, int], tuple[bool, str]]:
    """Return what was found out, by position and step."""
    found = dict[tuple[int, int], tuple[bool, str]]()
    groups = dict[tuple[int, int], list[_Question]]()
    for question in questions:
        groups.setdefault((question.step, question.target.selection), []).append(question)
    for (index, selection), group in groups.items():
        step = plan.steps[index]
        reconciler = RECONCILERS.get(plan.verb(step).operation.name)
        answers: _Answers
        if reconciler is None:
            answers = dict.fromkeys(_ids(group), (False, f"nothing shows whether {step.verb} was executed"))
        elif step.expect is not None:
            answers = dict.fromkeys(_ids(group), (False, "the outcome that the step expects is not known"))
        else:
            look = _Look(step, await clients.get(selection), await clients.fleet(selection), group)
            answers = await reconciler(look)
        for question in group:
            answer = answers.get(question.target.id, (False, "the phone could not be looked at"))
            found[question.target.position, index] = answer
    return found


def _ids(questions: Sequence[_Question]) -> list[str]:
    return [question.target.id for question in questions]


def _finding(plan: Plan, question: _Question, answers: Mapping[tuple[int, int], tuple[bool, str]]) -> Finding:
    is_settled, reason = answers[question.target.position, question.step]
    verb = plan.steps[question.step].verb
    return Finding(question.target.id, question.step + 1, verb, is_settled, reason)


def _settle(
    driver: Driver,
    record: RolloutRecord,
    plan: Plan,
    attempt: int,
    found: Any,  # noqa: ANN401 - pairs of question and finding
) -> None:
    """Write the outcomes of phones that are certain now."""
    counts = dict(record.counts)
    for question, finding in found:
        if not finding.is_settled:
            continue
        id = question.target.id
        outcome = Outcome(id, State.SUCCEEDED, error_message=f"reconciled: {finding.reason}")
        before = State.UNKNOWN.value if question.chunk is None else IN_FLIGHT
        has_next = next_step(plan.steps, id, question.step + 1) is not None
        after = PENDING if has_next else State.SUCCEEDED.value
        counts[before] = max(0, counts.get(before, 0) - 1)
        counts[after] = counts.get(after, 0) + 1
        result = Result(question.target.position, attempt, question.step, outcome)
        driver.settle(question.chunk, [result], {name: count for name, count in counts.items() if count})


# Reconcilers


async def _installed_apps(look: _Look) -> _Answers:
    """Look whether the app is there, in the version that the step installs."""
    arguments = cast("Mapping[str, object]", look.step.arguments)
    name, version = arguments.get("name"), arguments.get("version")
    answers = dict[str, tuple[bool, str]]()
    async for outcome in look.fleet(look.ids).apps():
        if outcome.ok:
            versions = [app.version for app in outcome.value if app.package == name]
            shown = f"{name} is installed in version {', '.join(map(str, versions))}"
            answers[outcome.id] = version in versions, shown if versions else f"{name} is not installed"
    return answers


async def _properties(look: _Look) -> _Answers:
    """Look whether the phones have the properties that the step sets."""
    arguments = cast("Mapping[str, Any]", look.step.arguments)
    wanted = arguments.get("properties")
    if not isinstance(wanted, Mapping):
        return dict.fromkeys(look.ids, (False, "the properties are JSON text, which is not compared"))
    texts = {
        name: value if isinstance(value, str) else str(int(value))
        for name, value in cast("Mapping[str, Any]", wanted).items()
    }
    answers = dict[str, tuple[bool, str]]()
    for id in look.ids:
        try:
            present = (await look.client.phones.show(id)).properties
        except KooPhoneError as error:
            answers[id] = False, str(error)
            continue
        other = [name for name, text in texts.items() if present.get(name) != text]
        shown = ", ".join(f"{name} is {present.get(name)}" for name in other or texts)
        answers[id] = not other, shown
    return answers


async def _boot_times(look: _Look) -> _Answers:
    """Look whether the phones have started after the call."""
    called = {question.target.id: question.called_at for question in look.questions}
    answers = dict[str, tuple[bool, str]]()
    async for outcome in look.fleet(look.ids).run("grep btime /proc/stat"):
        at, match = called[outcome.id], _BOOT_TIME.search(outcome.output or "")
        if at is None or match is None:
            answers[outcome.id] = False, "it does not show when it has started"
            continue
        booted = datetime.fromtimestamp(int(match[1]), UTC)
        shown = f"it has started at {booted:%H:%M:%S}, and the call was sent at {at:%H:%M:%S} UTC"
        answers[outcome.id] = booted > at + _CLOCK_MARGIN, shown
    return answers


RECONCILERS: Final[Mapping[str, Callable[[_Look], Awaitable[_Answers]]]] = {
    "koophone.apps.install": _installed_apps,
    "koophone.instances.reboot": _boot_times,
    "cph.phones.restart": _boot_times,
    "cph.phones.update_properties": _properties,
}
"""How to find out whether an operation was executed; of others nothing shows it."""
