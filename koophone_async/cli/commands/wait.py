"""`jobs wait`: wait for jobs that another command or program started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

import typer
from attrs import define, evolve, field, frozen

from koophone_async.batches import Outcome, Report, State
from koophone_async.cli.commands.journalled import Timeout, deadline
from koophone_async.cli.commands.services import Entry
from koophone_async.cli.errors import Exit
from koophone_async.cli.output.outcome_printer import OutcomePrinter
from koophone_async.cli.output.progress import Total, Work
from koophone_async.cli.output.view import OUTCOMES, View, with_view
from koophone_async.cli.parameters.input_files import read_ids
from koophone_async.cli.runner import execute, print_outcomes, with_option_names
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.cli.targets.selection import IdsFile
from koophone_async.errors import InvalidRequest, KooPhoneError
from koophone_async.polling import Deadline, ResumeToken


def command(entry: Entry) -> Callable[..., None]:
    """Return the function of the `wait` command, for the resource of an operation."""

    @with_view(OUTCOMES)
    def run(
        context: typer.Context,
        resume_tokens: Annotated[
            list[str],
            typer.Argument(
                metavar="TOKEN...",
                help="Resume tokens, as in rows or printed with --no-wait; ids of tasks, requests or jobs.",
            ),
        ],
        *,
        ids_file: IdsFile = None,
        timeout: Timeout = None,
        view: View,
    ) -> None:
        """Wait for jobs that were started elsewhere, and print a row for each.

        The phones of a bare id are those of the call in the journal that started it. Of a KooPhone task that
        no journal has, the rows have the ids of its jobs, unless --ids-file has those of its phones, in the
        order of the call.
        """
        wait = WaitCommand(entry, resume_tokens, ids_file, deadline(timeout))
        execute(with_option_names(wait.work(current_settings(context), view), {"resume_token": "TOKEN"}))

    return run


@frozen
class WaitCommand:
    """Waits for the jobs of some tokens."""

    entry: Entry
    """An operation of the resource that waits."""

    tokens: Sequence[str]
    ids_file: str | None
    timeout: float | Deadline | None

    async def work(self, settings: Settings, view: View) -> Exit:
        """Wait, and print a row for each job."""
        out = OutcomePrinter.of(view)
        phones = self._phones()
        tokens = dict.fromkeys(self.tokens)
        if not phones:
            tokens = dict.fromkeys([await self._known(token) for token in tokens])
        parts = [part for token in tokens for part in split(token)]
        async with settings.session() as session:
            wait = self.entry.resource(self.entry.service.client(session)).wait
            label = " ".join((*self.entry.words[:-1], "wait"))
            waits = Waits(partial(wait, ids=phones) if phones else wait, parts, self.timeout)
            return await print_outcomes(waits, out, Work(label, "jobs", lambda: Total(len(parts))))

    async def _known(self, token: str) -> str:
        """Return the resume token of a bare id that the journal knows, else the text itself."""
        if ResumeToken.is_token(token):
            return token
        # Imported here, because a wait for tokens needs none of it.
        from koophone_async.rollouts.execution.sent_calls import find_token  # noqa: PLC0415
        from koophone_async.rollouts.journal import Journal, JournalError  # noqa: PLC0415
        from koophone_async.rollouts.journal.location import default_location  # noqa: PLC0415

        if default_location() is None:
            return token
        with suppress(JournalError, InvalidRequest):  # the service knows the id, too
            async with await Journal.open() as journal:
                found = await find_token(journal, self.entry.operation.service, token)
                return token if found is None else str(found)
        return token

    def _phones(self) -> Sequence[str]:
        """Return the phones of a bare task, from the file."""
        if self.ids_file is None:
            return ()
        is_task = len(self.tokens) == 1 and not ResumeToken.is_token(self.tokens[0])
        if self.entry.operation.service != "koophone" or not is_task:
            problem = "names the phones of one bare KooPhone task, and of nothing else"
            raise InvalidRequest("", "--ids-file", problem)
        return tuple(read_ids(self.ids_file))


def split(text: str) -> Iterator[ResumeToken | str]:
    """Return a token for each id. Waits of a session share their polls, so that this costs no request."""
    try:
        token = ResumeToken.parse(text)
    except InvalidRequest:
        yield text  # the service's own id, or an error of the wait
        return
    for id in dict.fromkeys(token.jobs.values()):
        yield evolve(token, jobs={job: other for job, other in token.jobs.items() if other == id})


@define(eq=False)
class Waits:
    """Waits for jobs: iterate over it for outcomes as they arrive, like a run."""

    _wait: Callable[..., Awaitable[Report]]
    _tokens: Iterable[ResumeToken | str]
    _timeout: float | Deadline | None
    _known: Iterable[Outcome] = ()
    """Outcomes that there are already."""

    _tasks: dict[asyncio.Future[Report], ResumeToken | str] = field(factory=dict[Any, Any], init=False)

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over outcomes as they arrive; those of jobs that are no longer awaited have their token.

        Raises:
            KooPhoneError: Some jobs could not be awaited; the outcomes of all others came before.
        """
        for outcome in self._known:
            yield outcome
        ended, errors = asyncio.Queue[asyncio.Future[Report]](), list[KooPhoneError]()
        for token in self._tokens:
            started = asyncio.ensure_future(self._wait(token, timeout=self._timeout))
            self._tasks[started] = token
            started.add_done_callback(ended.put_nowait)
        try:
            for _ in self._tasks:
                task = await ended.get()
                try:
                    for outcome in _stopped(self._tasks[task]) if task.cancelled() else task.result():
                        yield outcome
                except KooPhoneError as error:
                    errors.append(error)
        finally:
            await self.cancel()
        if errors:
            raise errors[0]

    async def cancel(self) -> None:
        """Stop waiting; the jobs go on."""
        for task in self._tasks:
            task.cancel()


def _stopped(token: ResumeToken | str) -> Iterator[Outcome]:
    """Return the outcome of the jobs of one id that were not awaited to their end."""
    job, id = (None, token) if isinstance(token, str) else next(iter(token.jobs.items()))
    message = "the wait was stopped"
    yield Outcome(id, State.UNFINISHED, job, error_message=message, resume_token=str(token))
