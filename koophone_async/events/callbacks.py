"""Run user callbacks: an error, a timeout or a cancellation in one never reaches the receiver."""

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
class CallbackFailed(Exception):
    """A user callback raised an error or timed out."""

    summary: str
    """Type and location of the error. Its message is left out: it may quote an event with its ticket."""

    def __str__(self) -> str:
        """Return the summary."""
        return self.summary


async def run_callback(seconds: float, callback: Awaitable[Result]) -> Result:
    """Await a user callback.

    Raises:
        CallbackFailed: It raised an error or took longer than `seconds`.
    """
    deadline, before = asyncio.timeout(seconds), _cancellations()
    try:
        async with deadline:
            return await callback
    except Rejected:
        raise
    except asyncio.CancelledError as error:
        if _cancellations() > before:
            raise
        raise CallbackFailed(describe(error)) from None  # something that it awaited was cancelled
    except Exception as error:  # noqa: BLE001 - a callback may raise anything
        late = f"timed out after {seconds:g} s"
        raise CallbackFailed(late if deadline.expired() else describe(error)) from None


def _cancellations() -> int:
    """Count the cancellations of this task; an earlier callback may have suppressed some."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


def describe(error: BaseException) -> str:
    """Return type and location of an error, without its message, which may quote a call."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    return type(error).__name__ + place
