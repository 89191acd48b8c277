"""An event loop whose time is virtual: an hour of waiting takes no longer than the work done in it.

The clock of the event loop is the only monotonic clock of this package, and the wall clock is a
parameter: run on `VirtualTimeLoop` and hand its `now` to client and server.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from selectors import DefaultSelector
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from concurrent.futures import Executor
    from selectors import SelectorKey

Arguments = TypeVarTuple("Arguments")
Result = TypeVar("Result")

EPOCH: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Where the wall clock of a virtual loop starts unless it is told otherwise."""

_LONG: Final = 3.0
"""Seconds from which a jump may fire the time limit of a request that is only in flight."""


class _JumpingSelector(DefaultSelector):
    """Polls the real sockets, and answers a wait for a timer by moving the clock to it."""

    def __init__(self) -> None:
        """Start at 0 seconds, with nothing that holds time."""
        super().__init__()
        self.now = 0.0
        self.holds = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Report what is ready; when nothing is, let `timeout` virtual seconds pass at once."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.holds:
            return super().select(None)
        if not (ready := self._in_flight(timeout)):
            self.now += timeout
        return ready

    def _in_flight(self, timeout: float) -> list[tuple[SelectorKey, int]]:
        """Give bytes that another socket of this process has just sent the time to arrive."""
        if len(self.get_map()) == 1:  # only the loop's own pipe: there is nobody to wait for
            return []
        if timeout > _LONG:
            return super().select(0.005)
        time.sleep(0.0003)  # epoll rounds up to a whole millisecond
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever nothing else can happen.

    Time stands still while callbacks run, while bytes are on their way between sockets of this
    process, and while functions given to `run_in_executor` work (name look-ups too). An aiohttp
    server and its clients can share the loop, over real sockets on loopback. The same program
    sees the same times in each run, however slow the machine is.

    What the loop cannot see is work outside it: a server in another process, a subprocess, a
    thread that was not started by `run_in_executor` (anyio's and aiosqlite's are not). Put such
    work inside `with loop.paused():`, and do not let it wait for a timer of this loop. The kernel's own
    timers are real as well: give a server a `backlog` for all the connects that come at once.

    Args:
        start: What `now()` says at the start, with a time zone.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        """Start at 0 seconds, and at `start` on the wall."""
        self._start = start
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    @classmethod
    def running(cls) -> VirtualTimeLoop:
        """Find the virtual loop that the caller runs on.

        Raises:
            RuntimeError: The caller runs on a loop of real time, or on none.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, cls):
            raise RuntimeError(f"this runs on {type(loop).__name__}, where time is real")  # noqa: TRY004 - the loop is of the wrong kind
        return loop

    def time(self) -> float:
        """Tell the virtual seconds since the loop was made."""
        return self._clock.now

    def now(self) -> datetime:
        """Tell the virtual wall clock: pass this method wherever a clock is a parameter."""
        return self._start + timedelta(seconds=self.time())

    @contextmanager
    def paused(self) -> Generator[None]:
        """Keep time from passing while something works that the loop cannot see."""
        self._clock.holds += 1
        try:
            yield
        finally:
            self._clock.holds -= 1

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        """Run a function in a thread, with time held still until it is done or given up."""
        future = super().run_in_executor(executor, func, *args)
        self._clock.holds += 1
        future.add_done_callback(self._release)
        return future

    def _release(self, _: asyncio.Future[Any]) -> None:
        self._clock.holds -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait for the threads. No time passes meanwhile, so `timeout` cannot."""
        del timeout
        with self.paused():
            await super().shutdown_default_executor()


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end in virtual time, as `asyncio.run` would in real time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
