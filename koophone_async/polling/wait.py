"""One wait: which jobs it waits for, and whom it tells."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType
    from typing import Self

J = TypeVar("J")


@define(eq=False)
class PendingJobs(Generic[J]):
    """A wait for some jobs of one handle. It tells of each job once, and costs no task."""

    handle: str
    operation: str
    _pending: dict[str, None]
    _on_end: Callable[[str, J | None], None]
    _on_done: Callable[[PendingJobs[J]], None] | None
    _leave: Callable[[PendingJobs[J]], None] | None = field(repr=False)
    timer: asyncio.TimerHandle | None = field(default=None, init=False, repr=False)
    """The deadline; set by the scheduler."""

    error: BaseException | None = field(default=None, init=False)
    """Why the service will not answer for these jobs, where that ended the wait."""

    @property
    def pending(self) -> Collection[str]:
        """The jobs of which nothing was told yet; what is left when the wait is over is unfinished."""
        return self._pending.keys()

    @property
    def done(self) -> bool:
        """Whether nothing more will be told: all ended, deadline, refused for good or cancelled."""
        return self._leave is None

    def cancel(self) -> None:
        """Stop waiting, and tell nobody. The jobs go on, and can be awaited again."""
        self._on_done = None
        self.finish()

    def tell(self, job: str, seen: J | None) -> None:
        """Tell of a job that ended, or with None that it is lost. For the scheduler."""
        if job not in self._pending or self.done:
            return
        del self._pending[job]
        _shielded(self._on_end, job, seen)
        if not self._pending:
            self.finish()

    def finish(self, error: BaseException | None = None) -> None:
        """End the wait with what is told so far. For the scheduler."""
        if self._leave is None:
            return
        leave, self._leave, self.error = self._leave, None, error
        if self.timer is not None:
            self.timer.cancel()
        leave(self)
        if self._on_done is not None:
            _shielded(self._on_done, self)


def _shielded(tell: Callable[..., None], *what: object) -> None:
    """Keep a mistake in the code that is told from stopping the waits of others."""
    try:
        tell(*what)
    except Exception as error:  # noqa: BLE001 - whatever it is, the loop's own handler reports it
        context = {"message": "a wait for jobs told of one, and failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)


@define(eq=False)
class JobStream(Generic[J]):
    """A wait to iterate: `async for job_id, job in wait`, each job as it ends, None for a lost one.

    Iteration stops when all have ended and at the deadline; `open` holds what is unfinished then.
    It raises what made the service refuse to answer. Leaving `async with` cancels the wait.
    """

    _watch: Callable[[Callable[[str, J | None], None], Callable[[PendingJobs[J]], None]], PendingJobs[J]]
    _told: deque[tuple[str, J | None]] = field(factory=deque[tuple[str, J | None]], init=False)
    _news: asyncio.Event = field(factory=asyncio.Event, init=False)
    _wait: PendingJobs[J] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._wait = self._watch(self._tell, lambda _: self._news.set())

    @property
    def pending(self) -> Collection[str]:
        """The jobs of which nothing was told yet."""
        return self._wait.pending

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[str, J | None]:
        while not self._told:
            if self._wait.done:
                raise self._wait.error or StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._told.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wait.cancel()

    def _tell(self, job: str, seen: J | None) -> None:
        self._told.append((job, seen))
        self._news.set()
