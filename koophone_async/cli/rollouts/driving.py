"""Commands that drive a rollout in this process: start, resume, retry, undo."""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from koophone_async.batches import State
from koophone_async.cli import help_text
from koophone_async.cli.commands.confirmation import Consequence, Yes, confirm
from koophone_async.cli.commands.journalled import JournalledRun
from koophone_async.cli.errors import STOPPED, Exit, print_stderr
from koophone_async.cli.output.progress import Delay, Total, Work, quota_wait
from koophone_async.cli.output.summary import print_summary
from koophone_async.cli.parameters.input_files import secret_value
from koophone_async.cli.rollouts.findings import print_findings
from koophone_async.cli.rollouts.options import DespiteStop, JournalOption, Run, exit_of_record, seconds_of
from koophone_async.cli.rollouts.refusals import unless_refused
from koophone_async.cli.runner import execute, follow, with_option_names
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.rollouts import (
    Journal,
    LeaseHeld,
    NewOptions,
    Rollout,
    RolloutState,
)
from koophone_async.rollouts.execution.new_attempts import RETRIABLE, NewAttempt, plan_retry, plan_undo
from koophone_async.rollouts.execution.runner import DEADLINE
from koophone_async.rollouts.journal import WaitingFor
from koophone_async.rollouts.journal.postgresql.location import PostgresLocation
from koophone_async.rollouts.plans.file import load_plan_file
from koophone_async.rollouts.plans.fleets import RESOURCES
from koophone_async.rollouts.plans.stop_rule import LIMIT_NAMES
from koophone_async.rollouts.plans.waves import ALL, WavePlan
from koophone_async.rollouts.requests import go_on

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from koophone_async.rollouts.plans.waves import Wave
    from koophone_async.session import Session

_LIVING: Final = 60.0
"""Seconds since its last heartbeat after which a worker does not count as running."""

_OPTIONS_OF_UNDO: Final = {
    "window": "--window",
    **dict.fromkeys(("stop", "after", *LIMIT_NAMES, *(f"stop.{name}" for name in LIMIT_NAMES)), "--stop-at"),
}
"""By the field of the plan."""

_LEASE_MARGIN: Final = 1.0
"""Seconds after the end of a lease at which it is tried again."""


def start(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="PLAN", help="YAML file with the plan.")],
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Start though the newest rollout of this name has not ended.")
    ] = False,
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit with 0 if the targets select nothing.")
    ] = False,
    forget_output: Annotated[
        bool, typer.Option("--forget-output", help="Keep only size and hash of outputs, which may be secret.")
    ] = False,
    queue: Annotated[
        str | None,
        typer.Option(metavar="QUEUE", help="Hand it to workers of this queue, by a journal in PostgreSQL."),
    ] = None,
    journal: JournalOption = None,
) -> None:
    """Start a rollout, and follow it to its end; with a journal in PostgreSQL, hand it to workers.

    It waits at gates. Without a terminal it ends where approval is needed, with exit code 4; `approve` and
    `resume` go on. Ctrl-C leaves it: what was sent is in the journal, and `resume` goes on.
    """
    options = NewOptions(again=again, may_be_empty=allow_empty, keeps_output=not forget_output)

    async def work() -> Exit:
        file = load_plan_file(plan)

        async def rollout(opened: Journal, session: Session) -> Rollout:
            return Rollout(file.plan, opened, session, waits_at_gates=_has_terminal(), options=options)

        async def drive() -> Exit:
            with file.located():
                return await _drive(
                    current_settings(context), journal, rollout, waves=file.plan.waves, queue=queue
                )

        return await unless_refused(drive())

    execute(work())


def resume(
    context: typer.Context,
    run: Run = "last",
    *,
    despite_stop: DespiteStop = False,
    deadline: Annotated[
        float | None,
        typer.Option(
            parser=seconds_of, metavar="DURATION", help="Go on for so long, such as 2h, after a deadline."
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Another value of the plan, such as steps[0].install.url=@FILE; it is logged. For a value, "
            f"{help_text.HIDING}.",
        ),
    ] = None,
    reconcile: Annotated[
        bool,
        typer.Option(
            "--reconcile",
            help="First look whether unknown phones have executed their step, and settle those.",
        ),
    ] = False,
    journal: JournalOption = None,
) -> None:
    """Go on with a rollout that was interrupted, is paused, or has unfinished jobs.

    What was planned is sent, what was sent is awaited, and what may have been sent is never sent again.
    """
    assignments = [_assignment(text) for text in changes or ()]

    async def work() -> Exit:
        values = {path: secret_value(value, f"--set {path}") for path, value in assignments}

        async def rollout(opened: Journal, session: Session) -> Rollout:
            return Rollout.resume(
                run,
                opened,
                session,
                waits_at_gates=_has_terminal(),
                despite_stop=despite_stop,
                deadline=deadline,
                values=values,
                judges_anew=reconcile,
            )

        before = partial(print_findings, run) if reconcile else None
        return await unless_refused(
            _drive(current_settings(context), journal, rollout, run=run, before=before)
        )

    execute(with_option_names(work(), {"duration": "--deadline"}))


def retry(
    context: typer.Context,
    run: Run = "last",
    *,
    only: Annotated[
        str,
        typer.Option(metavar="STATES", help="States to retry: failed, refused or not_sent."),
    ] = "failed,refused",
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Retry unknown phones too, which may run the steps a second time."),
    ] = False,
    yes: Yes = False,
    despite_stop: DespiteStop = False,
    journal: JournalOption = None,
) -> None:
    """Retry the phones that failed or were refused, from the step at which they did.

    Phones whose state is unknown may have executed the step, and are retried only if `--unknown` is used.
    """
    states = _states(only)
    if unknown:
        states.add(State.UNKNOWN)
    settings = current_settings(context)

    async def rollout(opened: Journal, session: Session) -> Rollout | Exit:
        attempt = await plan_retry(opened, run, session, only=states, despite_stop=despite_stop)
        verb = f"run the steps of {run}, perhaps for a second time, on"
        if attempt.unknown and (code := await _confirm(attempt, verb, attempt.unknown, settings, yes=yes)):
            return code
        return Rollout.retry(
            attempt.record.id,
            opened,
            session,
            waits_at_gates=_has_terminal(),
            only=states,
            despite_stop=despite_stop,
            ids=attempt.ids,
        )

    execute(unless_refused(_drive(settings, journal, rollout)))


def undo(
    context: typer.Context,
    run: Run = "last",
    *,
    stop_at: Annotated[
        str | None,
        typer.Option(
            metavar="RULE", help="Send nothing more once so many did not succeed, such as 2%,unknown=5."
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="TIMES", help="Send only then, such as '01:00-05:00 Asia/Shanghai'."),
    ] = None,
    yes: Yes = False,
    journal: JournalOption = None,
) -> None:
    """Run the undo steps of the plan on every phone that a step may have reached.

    It is one wave without gates, and the stop rule and window of the plan do not hold for it.
    """
    settings = current_settings(context)

    async def rollout(opened: Journal, session: Session) -> Rollout | Exit:
        attempt = await plan_undo(opened, run, session, stop=stop_at, window=window)
        verb = f"run the undo steps of {run} on"
        if attempt.targets and (code := await _confirm(attempt, verb, attempt.ids, settings, yes=yes)):
            return code
        return Rollout.undo(attempt.record.id, opened, session, ids=attempt.ids, stop=stop_at, window=window)

    driving = with_option_names(_drive(settings, journal, rollout), _OPTIONS_OF_UNDO)
    execute(unless_refused(driving))


async def _confirm(
    attempt: NewAttempt, verb: str, ids: Sequence[str], settings: Settings, *, yes: bool
) -> Exit | None:
    """Ask before an attempt begins; return the exit code if it must not."""
    plan = attempt.plan
    consequence = Consequence.of_change(verb, RESOURCES[plan.service][plan.resource].noun, ids)
    return confirm(consequence, str(await settings.account()), yes=yes)


def _has_terminal() -> bool:
    """Return whether somebody can approve here; without a terminal nobody sees the gate."""
    return sys.stderr.isatty()


def _assignment(text: str) -> tuple[str, str]:
    path, separator, value = text.partition("=")
    if not separator:
        raise typer.BadParameter(f"{text!r} has no `=`", param_hint="--set")
    return path.strip(), value


def _states(text: str) -> set[State]:
    names = [name.strip() for name in text.split(",")]
    allowed = RETRIABLE - {State.UNKNOWN}
    for name in names:
        if name == State.UNKNOWN:
            raise typer.BadParameter("unknown phones are retried by --unknown", param_hint="--only")
        if name not in allowed:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(sorted(allowed))}", param_hint="--only")
    return {State(name) for name in names}


async def _drive(
    settings: Settings,
    location: str | None,
    create: Callable[[Journal, Session], Awaitable[Rollout | Exit]],
    *,
    run: str | None = None,
    waves: Sequence[Wave] = (),
    before: Callable[[Journal, Session], Awaitable[None]] | None = None,
    queue: str | None = None,
) -> Exit:
    """Drive a rollout to its end, or to where it is left, and return the exit code.

    Args:
        settings: Options of all commands.
        location: Of the journal.
        create: Creates the rollout, or returns the exit code if it is not confirmed.
        run: The rollout that is taken up; None if it is new, or a new attempt.
        waves: Those of the plan, if it is new.
        before: Called before the rollout is created.
        queue: The queue of the workers that it is handed to.
    """
    async with await Journal.open(location) as journal, settings.session() as session:
        if before is not None:
            await before(journal, session)
        rollout = await create(journal, session)
        if isinstance(rollout, Exit):
            return rollout
        if (code := await _begin(rollout, journal, run)) is not None:
            return code
        _report_skipped(waves, (await rollout.status()).targets)
        if isinstance(journal.place, PostgresLocation):
            return await _hand_over(rollout, journal, queue)
        return await _follow(rollout, session)


async def _hand_over(rollout: Rollout, journal: Journal, queue: str | None) -> Exit:
    """Have workers go on with a rollout, and print whether there are any."""
    await rollout.hand_over(queue)
    living = [worker for worker in await journal.workers.all() if worker.seconds_since_beat < _LIVING]
    if living:
        print_stderr(f"koophone: handed to {len(living):,} workers; `koophone rollout watch` follows it")
    else:
        print_stderr("koophone: waiting for a worker: none is running; start `koophone rollout worker`")
    return Exit.DONE


def _report_skipped(waves: Sequence[Wave], targets: int) -> None:
    """Print which waves add no phone to those before them."""
    for wave in WavePlan.of(waves, targets).skipped:
        if wave != ALL:  # appended to waves that reach all phones already
            print_stderr(f"koophone: wave {wave} adds no phone, and is skipped")


async def _begin(rollout: Rollout, journal: Journal, run: str | None) -> Exit | None:
    """Write the rollout down or take it over; return the exit code if there is nothing to drive here."""
    try:
        id = await rollout.start()
    except LeaseHeld as error:
        if run is None:
            raise
        record = await journal.find(run)
        if record.state is RolloutState.PAUSED:
            await go_on(journal, record.id)
            print_stderr(f"koophone: rollout {record.id} goes on, in the process that drives it")
            return Exit.DONE
        print_stderr(f"koophone: {error}; waiting for its end")
        await asyncio.sleep(error.seconds + _LEASE_MARGIN)
        try:
            id = await rollout.start()
        except LeaseHeld as held:
            print_stderr(f"koophone: {held}: it is alive, and goes on by itself")
            return Exit.NOT_STARTED
    if id is None:
        print_stderr("koophone: nothing to do: no phone is in such a state")
        return Exit.DONE
    print_stderr(f"koophone: rollout {id}")
    if count := rollout.left_unknown:
        print_stderr(
            f"koophone: {count:,} phones are unknown: an earlier process ended while it sent to them"
        )
    return None


async def _follow(rollout: Rollout, session: Session) -> Exit:
    record = await rollout.status()
    work = Work("rollout", total=lambda: Total(record.targets), waits_for=delay_of(rollout, session))
    tally, code = await follow(JournalledRun(rollout), lambda _: None, work)
    if tally.total or not record.targets:
        print_summary(tally, code, is_resumable=True)
    elif code in STOPPED:
        print_stderr(f"koophone: {STOPPED[code]}")
    return await _exit_of(rollout, code)


def delay_of(rollout: Rollout, session: Session) -> Callable[[], Delay | None]:
    """Return a function that returns what delays the rollout now: a gate, its window, or a quota."""
    quota = quota_wait(session)

    def waits_for() -> Delay | None:
        if rollout.waiting_for is WaitingFor.WINDOW and rollout.window_opens_at:
            return Delay(f"window, opens {rollout.window_opens_at:%H:%M}")
        return Delay(rollout.waiting_for.value) if rollout.waiting_for else quota()

    return waits_for


async def _exit_of(rollout: Rollout, code: Exit) -> Exit:
    """Return the exit code for how a rollout was left, and print how to go on.

    Args:
        rollout: The rollout.
        code: The exit code for the outcomes in this process, by which an undo ends.
    """
    record = await rollout.status()
    resume = f"koophone: to go on: koophone rollout resume {record.id}"
    match rollout.state:
        case RolloutState.INTERRUPTED:
            print_stderr(resume)
            return code
        case RolloutState.WAITING:
            print_stderr(f"koophone: {rollout.reason}")
            print_stderr(
                f"koophone: to go on: koophone rollout approve {record.id}"
                f" && koophone rollout resume {record.id}"
            )
            return Exit.STOPPED
        case RolloutState.STOPPED:
            option = "--deadline DURATION" if rollout.reason == DEADLINE else "--despite-stop"
            print_stderr(f"koophone: stopped: {rollout.reason}")
            print_stderr(f"{resume} {option}")
            return Exit.STOPPED
        case _:
            counts = " · ".join(f"{count:,} {state}" for state, count in record.counts.items())
            print_stderr(f"koophone: rollout {record.id} {record.state}: {counts or 'no phones'}")
            return code if rollout.is_undo else exit_of_record(record)
