"""Admission of calls: some at a time, none while the rollout is held, and none once it has stopped."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from attrs import Factory, define, field

from koophone_async.batches.call_log import SendingHeld, SendingStopped

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable


@define(eq=False)
class Admission:
    """Decides whether calls may be sent. All steps and selections of a rollout share one."""

    concurrency: int
    slots: asyncio.Semaphore = field(
        default=Factory(lambda self: asyncio.Semaphore(self.concurrency), takes_self=True)
    )
    """Those of calls; several can share them."""

    on_change: Callable[[], None] | None = None
    """Called when calls may no longer be sent, or may again."""

    stopped: str | None = field(default=None, init=False)
    """Why nothing more is sent; None as long as something may be."""

    _holds: set[str] = field(factory=set[str], init=False)
    _open: asyncio.Event = field(factory=asyncio.Event, init=False)
    """Set while calls may be sent, and again once none ever may: nobody waits for nothing."""

    _on_wire: set[object] = field(factory=set[object], init=False)
    """Calls that may have been sent, and have no answer."""

    _idle: asyncio.Event = field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._open.set()
        self._idle.set()

    def begin_call(self, call: object) -> None:
        """Record that a call is on the wire."""
        self._on_wire.add(call)
        self._idle.clear()

    def end_call(self, call: object) -> None:
        """Record that a call was answered, or was certainly not executed."""
        self._on_wire.discard(call)
        if not self._on_wire:
            self._idle.set()

    async def wait_until_answered(self) -> None:
        """Wait until no call is on the wire."""
        await self._idle.wait()

    def hold(self, reason: str) -> None:
        """Send nothing until the same reason is released."""
        self._holds.add(reason)
        self._open.clear()
        self._report()

    def release(self, reason: str) -> None:
        """End a hold; others may remain."""
        self._holds.discard(reason)
        if not self._holds:
            self._open.set()
        self._report()

    def stop(self, reason: str) -> None:
        """Send nothing any more. The first reason remains."""
        self.stopped = self.stopped or reason
        self._open.set()
        self._report()

    @property
    def is_held(self) -> bool:
        """Whether no call may be sent now."""
        return bool(self._holds)

    def _report(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def check(self) -> None:
        """Raise an error if no call may be sent now.

        Raises:
            SendingStopped: None may be sent any more.
            SendingHeld: None may be sent until `admit` returns.
        """
        if self.stopped is not None:
            raise SendingStopped(self.stopped)
        if self._holds:
            raise SendingHeld

    @asynccontextmanager
    async def admit(self) -> AsyncGenerator[None]:
        """Wait until a call may be sent, and occupy a slot during it.

        Raises:
            SendingStopped: None may be sent any more.
        """
        async with self.slots:
            while True:
                await self._open.wait()
                try:
                    self.check()
                except SendingHeld:
                    continue  # held again before this task had its turn
                break
            yield
