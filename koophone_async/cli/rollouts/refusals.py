"""Exit code of commands of rollouts that were refused before anything was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koophone_async.cli.errors import Exit, report_error
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import JournalError, LeaseHeld

if TYPE_CHECKING:
    from collections.abc import Awaitable


async def unless_refused(work: Awaitable[Exit]) -> Exit:
    """Return the exit code of a command; one whose journal or rollout cannot be used has not started."""
    try:
        return await work
    except (JournalError, InvalidRequest, LeaseHeld) as error:
        report_error(error)
        return Exit.NOT_STARTED
