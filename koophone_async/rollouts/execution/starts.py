"""Ways to begin driving a rollout: create it, or resume it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.polling import Deadline
from koophone_async.rollouts import events
from koophone_async.rollouts.execution.attempt_plans import UNDO, plan_of
from koophone_async.rollouts.execution.clients import Clients
from koophone_async.rollouts.execution.phones import IN_FLIGHT, PENDING
from koophone_async.rollouts.execution.runner import DEADLINE
from koophone_async.rollouts.execution.server_queues import needs_servers_apart
from koophone_async.rollouts.execution.targets import resolve, targets_of
from koophone_async.rollouts.journal import Kind, NewRollout, RolloutRecord, RolloutState
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from koophone_async.rollouts.plans.changes import with_value
from koophone_async.rollouts.plans.links import check_links
from koophone_async.rollouts.plans.plan import Plan
from koophone_async.rollouts.plans.waves import WavePlan
from koophone_async.rollouts.reports.forecast import Forecast, forecast
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from koophone_async.batches.chunks import Item
    from koophone_async.rollouts.journal import Database, Driver, Journal
    from koophone_async.session import Session


@frozen
class Start:
    """A rollout that this process drives from now on."""

    driver: Driver
    plan: Plan
    """Of the attempt: an undo has other steps than the rollout, and no gates."""

    attempt: int
    waves: Sequence[int]
    """How many phones are reached after each wave."""

    wave: int = 1
    """The wave that it has reached."""

    max_wait: float | Deadline | None = Deadline.DEFAULT
    """Seconds for which the jobs of each call are awaited."""

    ignores_stop: bool = False
    """Whether what was counted before this process does not stop it."""

    is_undo: bool = False
    is_resumed: bool = False


@frozen
class NewOptions:
    """How a new rollout is written down."""

    again: bool = False
    """Whether it may start though the newest rollout of the same name has not ended."""

    kind: Kind = Kind.PLAN
    keeps_output: bool = True
    """Whether outputs are kept, or only their size and hash."""

    may_be_empty: bool = False
    """Whether a selection may fit no phone."""

    max_wait: float | Deadline | None = Deadline.DEFAULT
    """Seconds for which the jobs of each call are awaited; None for no limit."""

    items: Iterable[Item] | None = None
    """The phones that the plan selects, if they have been listed already."""

    account: str | None = None
    """The account that the credentials must be of; any by default."""

    record: Callable[[Database, str], None] | None = None
    """Called with the rollout's id in the transaction that makes it visible."""


async def create(
    journal: Journal,
    plan: Plan,
    session: Session | None = None,
    options: NewOptions = NewOptions(),
) -> Start:
    """Write a new rollout with its phones down, and become its driver.

    Raises:
        InvalidRequest: The selection is empty; or the newest rollout of the same name has not ended.
    """
    if plan.name and not options.again:
        await _refuse_unended(journal, plan.name)
    async with Clients(plan, session) as clients:
        account, edition = await clients.account(), await clients.edition()
        if options.account not in (None, account):
            problem = f"is {account}, and the plan was scheduled with {options.account}"
            raise InvalidRequest("", "account", problem, Rule.CONFLICT)
        if options.items is None:
            is_for_workers = isinstance(journal.place, PostgresLocation)
            with_servers = is_for_workers and needs_servers_apart(plan)
            targets = await resolve(plan, clients, with_states=with_servers)
        else:
            targets = targets_of(options.items, plan.order)
        now = utc_now() if session is None else session.now()
        foreseen = await forecast(plan, targets, clients, now, journal) if options.kind is Kind.PLAN else None
    if not targets and not options.may_be_empty:
        raise InvalidRequest("", "targets", "select no phone; nothing was sent", Rule.TOO_FEW, 1)
    if plan.stop is not None:
        plan.stop.check_total(len(targets))
    check_links(plan, now if foreseen is None else foreseen.likely_end)
    plan = plan.without_ids()
    new = NewRollout(
        plan.name or plan.steps[0].verb,
        plan.service,
        options.kind,
        plan.to_json(),
        account,
        edition,
        tuple(selection.project_id for selection in plan.selections if selection.project_id),
        waves=WavePlan.of(plan.waves, len(targets)).ends,
        forecast=None if foreseen is None else foreseen.to_json(),
        keep_output=options.keeps_output,
    )
    record = await journal.create(new, targets, options.record)
    driver = await journal.acquire(record.id)
    driver.log("start", {"targets": record.targets})
    return Start(driver, plan, 1, record.waves, max_wait=options.max_wait)


async def check_account(record: RolloutRecord, plan: Plan, session: Session | None) -> None:
    """Refuse to go on with other credentials: ids mean other phones there, or none."""
    async with Clients(plan, session) as clients:
        present = {"account": await clients.account(), "edition": await clients.edition()}
    for field, value in present.items():
        recorded = getattr(record, field)
        if recorded is not None and recorded != value:
            problem = f"is {value}, and rollout {record.id} was started with {recorded}"
            raise InvalidRequest("", field, problem, Rule.CONFLICT)


async def find_unended(journal: Journal, name: str) -> RolloutRecord | None:
    """Return the newest rollout of a name, unless it has ended."""
    newest = next(iter(await journal.rollouts(limit=1, name=name)), None)
    return None if newest is None or newest.has_ended else newest


async def _refuse_unended(journal: Journal, name: str) -> None:
    if (record := await find_unended(journal, name)) is not None:
        problem = f"is that of rollout {record.id}, which is {record.state} and has not ended"
        raise InvalidRequest("", "name", problem, Rule.NOT_UNIQUE)


async def resume(  # noqa: PLR0913 - all but three are named, and have defaults
    journal: Journal,
    name: str,
    session: Session | None = None,
    *,
    despite_stop: bool = False,
    deadline: float | None = None,
    values: Mapping[str, str] | None = None,
    judges_anew: bool = False,
) -> Start:
    """Resume a rollout that was left, stopped, or has unfinished phones, as its driver.

    Args:
        journal: Its journal.
        name: Its id, name, or `last`.
        session: The session that it goes on with.
        despite_stop: Whether to go on though its rule has stopped it, or somebody has cancelled it.
        deadline: Seconds from now, for one that has reached its deadline.
        values: Other values of the plan by path, such as a link that expired: `steps[0].install.url`.
        judges_anew: Whether one that its rule has stopped goes on if the rule, with what `reconcile` has
            settled, does not stop it again.

    Raises:
        InvalidRequest: It was stopped or cancelled, or is of another account or edition; or a value is wrong.
        LeaseHeld: Another process drives it.
    """
    record = await journal.find(name)
    is_late = record.state is RolloutState.STOPPED and record.reason == DEADLINE
    goes_on = deadline is not None if is_late else despite_stop or judges_anew
    if record.state is RolloutState.STOPPED and not goes_on:
        option = "--deadline" if is_late else "--despite-stop"
        problem = f"was stopped: {record.reason}; {option} goes on"
        raise InvalidRequest("", "rollout", problem, Rule.CONFLICT)
    if record.state is RolloutState.CANCELLED and not despite_stop:
        raise InvalidRequest("", "rollout", "was cancelled; --despite-stop goes on", Rule.CONFLICT)
    plan = Plan.from_json(record.plan)
    for path, text in (values or {}).items():
        plan = with_value(plan, path, text)
    await check_account(record, plan, session)
    check_links(plan, _likely_end(record, utc_now() if session is None else session.now()))
    driver = await journal.acquire(record.id)
    if values:
        driver.update(plan=plan.to_json())
    anew = {} if deadline is None else {events.DEADLINE: deadline}
    driver.log(events.RESUME, {"despite_stop": despite_stop, "changed": sorted(values or ()), **anew})
    start = await last_attempt(journal, driver, plan, ignores_stop=despite_stop)
    return start if deadline is None else evolve(start, plan=evolve(start.plan, deadline=deadline))


async def last_attempt(journal: Journal, driver: Driver, plan: Plan, *, ignores_stop: bool) -> Start:
    """Return the last attempt of a rollout, to be resumed where it was left."""
    record = driver.rollout
    last = (await journal.attempts(record.id))[-1]
    waves = last.waves or record.waves
    # An undo that was left while it awaited earlier jobs is at a wave of theirs.
    reached = min(max(1, record.wave), max(1, len(waves)))
    return Start(
        driver,
        plan_of(plan, last.kind, last.options),
        last.attempt,
        waves,
        reached,
        ignores_stop=ignores_stop,
        is_undo=last.kind == UNDO,
        is_resumed=True,
    )


def _likely_end(record: RolloutRecord, now: datetime) -> datetime:
    """Return when a rollout is likely to end that goes on now with the phones that are left."""
    left = sum(record.counts.get(name, 0) for name in (PENDING, IN_FLIGHT))
    if record.forecast is None or not record.targets or not left:
        return now
    return now + timedelta(seconds=Forecast.from_json(record.forecast).seconds * left / record.targets)
