"""An event loop with virtual time: an hour of waiting takes no longer than the work done in it.

This package has no monotonic clock but that of the event loop, and the wall clock is a parameter: run
on `VirtualTimeLoop`, and pass its `now` to client and server.
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
"""The default start of a virtual loop's wall clock."""

_LONG: Final = 3.0
"""A jump of more seconds than this may fire the timeout of a request that is merely in flight."""


class _JumpingSelector(DefaultSelector):
    """Polls the real sockets, and moves the clock instead of waiting for a timer."""

    def __init__(self) -> None:
        """Start at 0 seconds, with the clock running."""
        super().__init__()
        self.now = 0.0
        self.pauses = 0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        """Return the ready sockets; if there are none, advance the clock by `timeout` seconds at once."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None or self.pauses:
            return super().select(None)
        if not (ready := self._in_flight(timeout)):
            self.now += timeout
        return ready

    def _in_flight(self, timeout: float) -> list[tuple[SelectorKey, int]]:
        """Wait a moment for bytes that another socket of this process has just sent."""
        if len(self.get_map()) == 1:  # only the loop's own pipe: nothing is in flight
            return []
        if timeout > _LONG:
            return super().select(0.005)
        time.sleep(0.0003)  # epoll rounds up to a whole millisecond
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next timer whenever nothing else can happen.

    The clock stands still while callbacks run, while bytes are in flight between sockets of this process, and
    while functions passed to `run_in_executor` run (name resolution too). An aiohttp server and its clients
    can share the loop, over real sockets on loopback. The same program sees the same times in each run,
    however slow the machine is.

    The loop cannot see work outside of it: a server in another process, a subprocess, a thread that was not
    started by `run_in_executor` (those of anyio and aiosqlite are not). Put such work inside
    `with loop.paused():`, where it must not wait for a timer of this loop. Timers of the kernel are real as
    well: a server needs a `backlog` for all connections that are opened at once.

    Args:
        start: The wall clock at the start, with a time zone.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        """Start at 0 seconds, and `start` by the wall clock."""
        self._start = start
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    @classmethod
    def running(cls) -> VirtualTimeLoop:
        """Return the virtual loop that is running.

        Raises:
            RuntimeError: The running loop has real time, or none is running.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, cls):
            raise RuntimeError(f"the running loop is a {type(loop).__name__}, whose time is real")  # noqa: TRY004 - the loop is of the wrong kind
        return loop

    def time(self) -> float:
        """Return the virtual seconds since the loop was created."""
        return self._clock.now

    def now(self) -> datetime:
        """Return the virtual wall clock. Pass this method wherever a clock is a parameter."""
        return self._start + timedelta(seconds=self.time())

    @contextmanager
    def paused(self) -> Generator[None]:
        """Stop the clock during work that the loop cannot see."""
        self._clock.pauses += 1
        try:
            yield
        finally:
            self._clock.pauses -= 1

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        """Run a function in a thread, with the clock stopped until it is done or cancelled."""
        future = super().run_in_executor(executor, func, *args)
        self._clock.pauses += 1
        future.add_done_callback(self._release)
        return future

    def _release(self, _: asyncio.Future[Any]) -> None:
        self._clock.pauses -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Wait for the threads. The clock is stopped meanwhile, so `timeout` never expires."""
        del timeout
        with self.paused():
            await super().shutdown_default_executor()


def run_virtually(main: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
