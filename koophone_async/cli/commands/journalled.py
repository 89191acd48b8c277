"""Commands that change phones, as rollouts of one wave: a closed terminal, a crash or a signal loses nothing.

The phones are listed and written down before the first call. Without a journal the same verb runs in this
process alone.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Annotated, Any, Final, Self

import attrs
import typer
from attrs import frozen

from koophone_async.batches import State
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.parameters.journal_option import warn_of_password
from koophone_async.errors import InvalidRequest
from koophone_async.polling import Deadline

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping

    from koophone_async.batches import Outcome, Report, Run
    from koophone_async.cli.commands.fleet_commands import Client
    from koophone_async.cli.targets.selection import Selection
    from koophone_async.rollouts.rollout import Rollout
    from koophone_async.session import Session

_KEPT: Final = timedelta(days=30)
_MAX_KEPT: Final = 1_000
"""How long, and how many, commands are kept in the journal."""

_OF_STOP: Final = ("", "stop", "after", "never", "not_succeeded", *(state.value for state in State))
"""Fields of the stop rule in errors; the empty one is the rule itself."""

_TAKEN: Final = frozenset({State.UNFINISHED, State.SUCCEEDED, State.ACCEPTED})
"""States of phones whose call the service took."""


def _parse_timeout(text: str) -> float:
    """Parse seconds, or `none` for no limit, which is infinity here: None means that the option is absent."""
    with suppress(ValueError):
        if (seconds := inf if text == "none" else float(text)) >= 0:
            return seconds
    raise typer.BadParameter(f"is {text!r}; expected seconds, or none for no limit")


def deadline(timeout: float | None) -> float | Deadline | None:
    """Return the deadline that an option stands for."""
    if timeout is None:
        return Deadline.DEFAULT
    return None if timeout == inf else timeout


Timeout = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        parser=_parse_timeout,
        help="Seconds to wait, or none for no limit; unfinished jobs go on running. Default: 30 minutes, "
        "1 hour for installs, 6 hours for backups, restores and purchases.",
    ),
]


@frozen
class RunOptions:
    """How a command goes over its phones, and where it is written down."""

    timeout: Timeout = None
    concurrency: Annotated[int, typer.Option(min=1, help="Maximum number of concurrent calls.")] = 32
    max_per_server: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum number of phones of one server with pending ADB jobs."),
    ] = None
    no_wait: Annotated[
        bool,
        typer.Option("--no-wait", help="Send everything, and print a resume token for each unfinished job."),
    ] = False
    waves: Annotated[
        str | None,
        typer.Option(
            metavar="1,5%,25%",
            help="Reach so many phones first, and go on only if some of them succeed.",
        ),
    ] = None
    stop_at: Annotated[
        str | None,
        typer.Option(
            metavar="RULE", help="Send nothing more once so many did not succeed, such as 2%,unknown=5."
        ),
    ] = None
    allow_empty: Annotated[
        bool, typer.Option("--allow-empty", help="Exit with 0 if the selection fits nothing.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show phones, calls and the likely duration; change nothing.")
    ] = False
    journal: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|URL",
            callback=warn_of_password,
            help="Journal, for `rollout resume`; default: KOOPHONE_JOURNAL, else one in ~/.local/state.",
        ),
    ] = None
    no_journal: Annotated[
        bool, typer.Option("--no-journal", help="Write nothing down: an interrupted run cannot be resumed.")
    ] = False

    @classmethod
    def of(cls, args: Mapping[str, Any]) -> Self:
        """Return the options in parsed arguments, which may have others, too."""
        return cls(**{name: value for name, value in args.items() if name in attrs.fields_dict(cls)})

    @property
    def is_journalled(self) -> bool:
        """Whether the command is written down.

        Raises:
            InvalidRequest: The options contradict each other, or need a journal.
        """
        from koophone_async.rollouts.journal.location import default_location  # noqa: PLC0415 - after help

        if self.no_journal and self.journal is not None:
            raise InvalidRequest("", "--no-journal", "contradicts --journal")
        if not self.no_journal and (self.journal or default_location()) is not None:
            return True
        for name, value in {"--waves": self.waves, "--stop-at": self.stop_at}.items():
            if value is not None:
                raise InvalidRequest("", name, "needs a journal, and it is turned off")
        return False

    @property
    def deadline(self) -> float | Deadline | None:
        """The deadline of a run without a journal."""
        return Deadline.NO_WAIT if self.no_wait else deadline(self.timeout)

    def nothing_matched(self, noun: str) -> Exit:
        """Print that nothing was selected, and return the exit code."""
        print_stderr(f"koophone: no {noun} matched; nothing was done")
        return Exit.DONE if self.allow_empty else Exit.NOT_STARTED

    def exit_of(self, report: Report, code: Exit) -> Exit:
        """Return the exit code of a command that ran to its end.

        Args:
            report: Its counts.
            code: The exit code for its outcomes.
        """
        if not report.total and code is Exit.DONE:
            return Exit.DONE if self.allow_empty else Exit.NOT_STARTED
        if self.no_wait and code is Exit.SOME_FAILED and _TAKEN.issuperset(+report.counts):
            return Exit.DONE
        return code

    @property
    def plan_fields(self) -> Mapping[str, Any]:
        """Fields of the plan of a run with one.

        Raises:
            InvalidRequest: No time is allowed.
        """
        if self.timeout == 0:
            problem = "is 0, in which nothing can be sent; --no-wait sends everything, and awaits nothing"
            raise InvalidRequest("", "--timeout", problem)
        fields = {
            "concurrency": self.concurrency,
            "max_per_server": self.max_per_server,
            "waves": None if self.waves is None else [wave.strip() for wave in self.waves.split(",")],
            "stop": self.stop_at,
            "deadline": None if self.no_wait or self.timeout == inf else self.timeout,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @contextmanager
    def named_in_errors(self) -> Generator[None]:
        """Name fields of the plan in errors as their options are typed.

        Raises:
            InvalidRequest: As raised by the plan.
        """
        try:
            yield
        except InvalidRequest as error:
            field, *_ = re.split(r"[.\[]", error.field)
            if field == "waves":
                error.field = f"--waves {self.waves}"
            elif field in ("deadline", "duration"):
                error.field = "--timeout"
            elif self.stop_at is not None and field in _OF_STOP:
                error.field = f"--stop-at {self.stop_at}"
            raise


NAMES: Final = (
    "timeout",
    "concurrency",
    "waves",
    "stop_at",
    "allow_empty",
    "dry_run",
    "journal",
    "no_journal",
)
"""Options of every command that changes phones."""


@frozen
class JournalledRun:
    """A rollout as a run that is printed."""

    _rollout: Rollout

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over the outcomes as they arrive."""
        async for outcome in self._rollout:
            yield outcome

    async def cancel(self) -> None:
        """Leave the rollout, so that it can be resumed; outcomes of all ids still arrive."""
        await self._rollout.interrupt()


@frozen
class FleetCall:
    """A fleet verb with its arguments, on a selection."""

    service: str
    verb: str
    arguments: Mapping[str, object]
    selection: Selection


async def run_journalled(
    call: FleetCall,
    client: Client,
    session: Session,
    options: RunOptions,
    print_run: Callable[..., Awaitable[Exit]],
) -> Exit:
    """Write a command and its phones down, run it, and print the outcomes.

    Raises:
        InvalidRequest: An option is wrong, or an argument is.
        JournalError: The journal cannot be written any more.
    """
    with options.named_in_errors():
        return await _run_journalled(call, client, session, options, print_run)


async def _run_journalled(
    call: FleetCall,
    client: Client,
    session: Session,
    options: RunOptions,
    print_run: Callable[..., Awaitable[Exit]],
) -> Exit:
    # Imported here, because help, usage errors and commands without a journal need none of it.
    from koophone_async.rollouts.execution.starts import NewOptions  # noqa: PLC0415
    from koophone_async.rollouts.journal import Journal, JournalError, Kind  # noqa: PLC0415
    from koophone_async.rollouts.plans.plan import Plan  # noqa: PLC0415
    from koophone_async.rollouts.plans.verbs import verbs_of  # noqa: PLC0415
    from koophone_async.rollouts.rollout import Rollout  # noqa: PLC0415

    selection, resource = call.selection, call.selection.inventory.operation.split(".")[1]
    data = verbs_of(call.service, resource)[call.verb].dump(call.arguments)
    plan = Plan.single(
        call.verb,
        data,
        targets=selection.to_plan(),
        service=call.service,
        resource=resource,
        **await _place(call.service, session),
        **options.plan_fields,
    )
    if options.dry_run:
        from koophone_async.cli.rollouts.checking import print_forecast  # noqa: PLC0415

        journal_of_durations = options.journal if options.is_journalled else None
        return await print_forecast(plan, session, journal=journal_of_durations, may_be_empty=True)
    async with AsyncExitStack() as stack:
        items = await selection.list_items(client)
        max_wait = (
            Deadline.NO_WAIT if options.no_wait else Deadline.DEFAULT if options.timeout is None else None
        )
        how = NewOptions(kind=Kind.COMMAND, may_be_empty=True, max_wait=max_wait, items=items)
        try:
            journal = await stack.enter_async_context(await Journal.open(options.journal))
            rollout = Rollout(plan, journal, session, options=how)
            print_stderr(f"koophone: rollout {await rollout.start()}")
        except JournalError as error:
            print_stderr(f"koophone: {error}. Nothing was sent.")
            print_stderr("  Use another journal with --journal PATH, or none with --no-journal.")
            return Exit.NOT_STARTED
        code = await print_run(JournalledRun(rollout))
        with suppress(JournalError):  # the next command deletes what is old, and this one has ended
            await journal.prune(session.now() - _KEPT, kind=Kind.COMMAND, keep=_MAX_KEPT)
    return _exit_of(rollout, code, options)


async def _place(service: str, session: Session) -> Mapping[str, str | None]:
    """Return the project and region that calls are made in now, and will be when the command is resumed."""
    if service == "koophone":
        return {}
    return {"project_id": await session.project_id(), "region": session.region}


async def run_directly(
    run: Run[Any, Any], options: RunOptions, print_run: Callable[[Run[Any, Any]], Awaitable[Exit]]
) -> Exit:
    """Run a command without a journal, and print its outcomes."""
    return options.exit_of(run.report, await print_run(run))


def _exit_of(rollout: Rollout, code: Exit, options: RunOptions) -> Exit:
    """Return the exit code of a rollout, and print how to go on."""
    from koophone_async.rollouts.execution.runner import DEADLINE  # noqa: PLC0415
    from koophone_async.rollouts.journal import RolloutState  # noqa: PLC0415

    if rollout.state is RolloutState.INTERRUPTED:
        print_stderr(f"koophone: to go on: koophone rollout resume {rollout.id}")
        return code
    if rollout.state is RolloutState.STOPPED and rollout.reason != DEADLINE:
        print_stderr(f"koophone: stopped: {rollout.reason}")
        return Exit.STOPPED
    return options.exit_of(rollout.report, code)
