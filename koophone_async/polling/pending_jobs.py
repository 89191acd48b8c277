"""Waits for jobs: with callbacks, or as an async iterator."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, field

from koophone_async.polling.poller import LostJob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import TracebackType
    from typing import Self

J = TypeVar("J")


@define(eq=False)
class PendingJobs(Generic[J]):
    """A wait for jobs of one handle. It calls back with those that a poll shows as ended; it has no task."""

    handle: str
    operation: str
    _pending: dict[str, None]
    _on_end: Callable[[Mapping[str, J | LostJob]], None]
    _on_done: Callable[[PendingJobs[J]], None] | None
    _leave: Callable[[PendingJobs[J]], None] | None = field(repr=False)
    _notes: Mapping[str, str] = field(repr=False)
    """What the last poll found out about open jobs; kept up to date by their handle."""

    timer: asyncio.TimerHandle | None = field(default=None, init=False, repr=False)
    """The deadline; set by the scheduler."""

    error: BaseException | None = field(default=None, init=False)
    """The error that ended the wait, if polling these jobs cannot succeed."""

    @property
    def pending(self) -> Collection[str]:
        """The jobs that have not ended as far as is known; once the wait is done, the unfinished ones."""
        return self._pending.keys()

    @property
    def done(self) -> bool:
        """Whether the wait is over: all jobs ended, deadline reached, polling failed, or cancelled."""
        return self._leave is None

    def reason(self, job_id: str) -> str:
        """Return why a job has not ended, as far as is known."""
        if self.error is not None:
            return str(self.error)
        return f"still running: {self._notes[job_id]}" if job_id in self._notes else "still running"

    def cancel(self) -> None:
        """Stop waiting, without calling `on_done`. The jobs go on, and can be awaited again."""
        self._on_done = None
        self.finish()

    def notify(self, jobs: Mapping[str, J | LostJob]) -> None:
        """Report jobs that ended or are lost. Called by the scheduler."""
        ended = {id: job for id, job in jobs.items() if id in self._pending}
        if not ended or self.done:
            return
        for id in ended:
            del self._pending[id]
        _call(self._on_end, ended)
        if not self._pending:
            self.finish()

    def finish(self, error: BaseException | None = None) -> None:
        """End the wait, whatever is still pending. Called by the scheduler."""
        if self._leave is None:
            return
        leave, self._leave, self.error = self._leave, None, error
        if self.timer is not None:
            self.timer.cancel()
        leave(self)
        if self._on_done is not None:
            _call(self._on_done, self)


def _call(callback: Callable[..., None], *args: object) -> None:
    """Call back, and keep an exception in the callback from ending the waits of others."""
    try:
        callback(*args)
    except Exception as error:  # noqa: BLE001 - whatever it is, the loop's own handler reports it
        report_callback_error(error)


def report_callback_error(error: Exception) -> None:
    """Report an exception in a callback to the loop's handler, which logs it by default."""
    context = {"message": "unhandled exception in a job callback", "exception": error}
    asyncio.get_running_loop().call_exception_handler(context)


@define(eq=False)
class JobStream(Generic[J]):
    """Iterates over jobs as they end: `async for job_id, job in stream`; a lost one is a `LostJob`.

    Iteration stops when all jobs have ended or at the deadline; `pending` then has the unfinished ones. It
    raises the error if polling fails for good. Leaving `async with` cancels the wait.
    """

    _subscribe: Callable[
        [Callable[[Mapping[str, J | LostJob]], None], Callable[[PendingJobs[J]], None]], PendingJobs[J]
    ]
    _ended: deque[tuple[str, J | LostJob]] = field(factory=deque[tuple[str, J | LostJob]], init=False)
    _changed: asyncio.Event = field(factory=asyncio.Event, init=False)
    _wait: PendingJobs[J] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._wait = self._subscribe(self._add, lambda _: self._changed.set())

    @property
    def pending(self) -> Collection[str]:
        """The jobs that have not ended as far as is known."""
        return self._wait.pending

    def reason(self, job_id: str) -> str:
        """Return why a job has not ended, as far as is known."""
        return self._wait.reason(job_id)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, J | LostJob]:
        while not self._ended:
            if self._wait.done:
                raise self._wait.error or StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._ended.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait.cancel()

    def _add(self, jobs: Mapping[str, J | LostJob]) -> None:
        self._ended.extend(jobs.items())
        self._changed.set()
