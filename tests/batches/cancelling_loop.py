"""A loop that interrupts work at any of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVarTuple

from koophone_async.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextvars import Context

Arguments = TypeVarTuple("Arguments")


class CancellingLoop(VirtualTimeLoop):
    """Calls a function before the n-th callback from now on is scheduled."""

    remaining = 0
    interrupt: Callable[[], object] = staticmethod(lambda: None)

    def call_soon(
        self, callback: Callable[[*Arguments], object], *args: *Arguments, context: Context | None = None
    ) -> asyncio.Handle:
        self.remaining -= 1
        if not self.remaining:
            self.interrupt()
        return super().call_soon(callback, *args, context=context)
