"""A timer of an event loop that knows when it is due."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable


@define(eq=False, repr=False)
class Timer:
    """Call a function once, at a time that can be changed.

    The handles of asyncio's loops know the time too. Those of uvloop round it to milliseconds, and the handle
    of a timer that is due at once has none.
    """

    due: float = field(default=inf, init=False)
    """By the clock of the loop; infinite while the timer is not set."""

    _handle: asyncio.Handle | None = field(default=None, init=False)

    def set(self, due: float, call: Callable[[], object]) -> None:
        """Set the timer, instead of any earlier time, on the running loop."""
        self.cancel()
        self.due, self._handle = due, asyncio.get_running_loop().call_at(due, self._fire, call)

    def cancel(self) -> None:
        """Prevent the call, if it is still due."""
        if self._handle is not None:
            self._handle.cancel()
        self.due, self._handle = inf, None

    def _fire(self, call: Callable[[], object]) -> None:
        self.due, self._handle = inf, None
        call()
