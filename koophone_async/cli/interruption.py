"""Signals that stop a command: Ctrl-C, SIGTERM, SIGHUP.

The first signal stops the work in progress, so that what is known can be printed; the second gives up waiting
for that. More are ignored, since a process that is asked to end by a terminal, a shell and a supervisor gets
several; only a command that cannot even print, because nobody reads its output, is ended by the fifth.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any, Final, NoReturn, TypeAlias, TypeVar

from attrs import define, field

from koophone_async.cli.errors import Exit

Result = TypeVar("Result")
Handler: TypeAlias = Callable[[int, FrameType | None], object]

_EXITS: Final = {
    signal.SIGINT: Exit.INTERRUPTED,
    signal.SIGTERM: Exit.TERMINATED,
    **({signal.SIGHUP: Exit.HUNG_UP} if hasattr(signal, "SIGHUP") else {}),  # Windows has none
}
_GRACE: Final = 5.0
"""Seconds that stopped work still has after the second signal; it takes milliseconds, unless it is stuck."""

_DEADLY: Final = 5


class Interrupted(BaseException):
    """A signal arrived while the process was blocked in a read."""

    def __init__(self, number: int) -> None:
        """Create the exception of a signal."""
        self.exit: Exit = _EXITS[signal.Signals(number)]


@define(eq=False)
class Interruption:
    """Signals received while some work was going on."""

    exit: Exit | None = None
    """The exit code of the first signal; None while there was none."""

    _count: int = 0
    _gave_up: asyncio.Event = field(factory=asyncio.Event, init=False)
    _stopping: asyncio.Future[None] | None = field(default=None, init=False)
    """A reference, which keeps the task alive."""

    async def wait(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """Wait for work, which the first signal stops; return None if it has not ended after the second."""
        task, gave_up = asyncio.ensure_future(work), asyncio.ensure_future(self._gave_up.wait())
        try:
            await asyncio.wait({task, gave_up}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({task}, timeout=_GRACE if gave_up.done() else None)
            return task.result() if task.done() else None
        finally:
            gave_up.cancel()
            task.cancel()

    def receive(self, number: int, stop: Callable[[], Awaitable[None]]) -> None:
        """Count a signal, and act on the first and the second."""
        self._count += 1
        loop = asyncio.get_running_loop()
        if self.exit is None:
            self.exit = _EXITS[signal.Signals(number)]
            loop.call_soon_threadsafe(self._start, stop)
        elif self._count < _DEADLY:
            loop.call_soon_threadsafe(self._gave_up.set)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def inherit(self, inner: Interruption) -> None:
        """Count the signals of inner work, so that the next one does not stop what prints its result."""
        self.exit = self.exit or inner.exit
        self._count += inner._count

    def _start(self, stop: Callable[[], Awaitable[None]]) -> None:
        self._stopping = asyncio.ensure_future(stop())


_CURRENT: Final = ContextVar[Interruption | None]("_CURRENT", default=None)


@contextmanager
def interruptible(stop: Callable[[], Awaitable[None]]) -> Generator[Interruption]:
    """Stop the work gracefully at the first signal, and give up waiting for it at the second.

    Args:
        stop: Stops the work.
    """
    interruption, outer = Interruption(), _CURRENT.get()
    token = _CURRENT.set(interruption)
    try:
        with _handled(lambda number, _: interruption.receive(number, stop)):
            yield interruption
            if outer is not None:
                outer.inherit(interruption)
    finally:
        _CURRENT.reset(token)


@contextmanager
def raising() -> Generator[None]:
    """Raise `Interrupted` in a blocking read, which would otherwise go on after a signal was handled."""

    def on_signal(number: int, _: FrameType | None) -> NoReturn:
        raise Interrupted(number)

    with _handled(on_signal):
        yield


@contextmanager
def _handled(handler: Handler) -> Generator[None]:
    """Handle the signals, except a SIGHUP that the caller ignores, as nohup does."""
    previous = {number: signal.signal(number, handler) for number in handled_signals()}
    try:
        yield
    finally:
        for number, former in previous.items():
            signal.signal(number, former)


def handled_signals() -> Iterator[signal.Signals]:
    """Return the signals that end a command: all but a SIGHUP that is ignored from the start."""
    for number in _EXITS:
        is_hangup = _EXITS[number] is Exit.HUNG_UP
        if not (is_hangup and signal.getsignal(number) is signal.SIG_IGN):
            yield number
