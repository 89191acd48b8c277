"""Calling what a user wrote: whatever it does, the caller goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from attrs import define

from koophone_async.events.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Awaitable

Result = TypeVar("Result")


@define(eq=False, slots=False)
class Failed(Exception):
    """What a user wrote raised an error, or took too long."""

    what: str
    """The kind of the error and its place. Its text may quote an event, and that holds a ticket."""

    def __str__(self) -> str:
        """Say what and where."""
        return self.what


async def within(seconds: float, work: Awaitable[Result]) -> Result:
    """Await what a user wrote.

    Raises:
        Failed: It failed in whatever way, or took longer than `seconds`.
    """
    limit, before = asyncio.timeout(seconds), _cancellations()
    try:
        async with limit:
            return await work
    except Rejected:
        raise
    except asyncio.CancelledError as error:
        if _cancellations() > before:
            raise
        raise Failed(_describe(error)) from None  # something that it awaited was cancelled
    except Exception as error:  # noqa: BLE001 - whatever it raises
        late = f"longer than {seconds:g} s"
        raise Failed(late if limit.expired() else _describe(error)) from None


def _cancellations() -> int:
    """Count what was asked of this task; what took no notice earlier may have left some."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def _describe(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
