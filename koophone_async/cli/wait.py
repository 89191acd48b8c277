"""`jobs wait`: wait for jobs that another command or program started."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Annotated, Any

import typer
from attrs import define, evolve, field

from koophone_async.batches import Outcome, Report, State
from koophone_async.cli.errors import Exit
from koophone_async.cli.exec_command import Group, Output, Timeout, deadline
from koophone_async.cli.output import Format
from koophone_async.cli.runner import execute, print_outcomes, with_option_names
from koophone_async.cli.services import Entry
from koophone_async.cli.settings import Settings, current_settings
from koophone_async.errors import InvalidRequest, KooPhoneError
from koophone_async.polling import Deadline, ResumeToken


def command(entry: Entry) -> Callable[..., None]:
    """Return the function of the `wait` command, for the resource of an operation."""

    def run(
        context: typer.Context,
        resume_tokens: Annotated[
            list[str],
            typer.Argument(
                metavar="TOKEN...",
                help="Resume tokens, as in rows or printed with --no-wait; or ids of tasks, requests or jobs.",
            ),
        ],
        output: Output = Format.TABLE,
        group: Group = False,
        timeout: Timeout = None,
    ) -> None:
        """Wait for jobs that were started elsewhere, and print a row for each."""
        command = work(current_settings(context), resume_tokens, output, timeout, group=group)
        execute(with_option_names(command, {"resume_token": "TOKEN"}))

    async def work(
        settings: Settings, tokens: list[str], output: Format, seconds: float | None, *, group: bool
    ) -> Exit:
        parts = [part for token in dict.fromkeys(tokens) for part in split(token)]
        async with settings.session() as session:
            wait = entry.resource(entry.service.client(session)).wait
            label = " ".join((*entry.words[:-1], "wait"))
            waits = Waits(wait, parts, deadline(seconds))
            return await print_outcomes(
                waits, output, label=label, total=len(parts), group=group, noun="jobs"
            )

    return run


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
    _tasks: dict[asyncio.Future[Report], ResumeToken | str] = field(factory=dict[Any, Any], init=False)

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        """Iterate over outcomes as they arrive; those of jobs that are no longer awaited have their token.

        Raises:
            KooPhoneError: Some jobs could not be awaited; the outcomes of all others came before.
        """
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
