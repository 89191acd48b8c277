"""Errors of the journal of rollouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from koophone_async.errors import KooPhoneError

if TYPE_CHECKING:
    from koophone_async.rollouts.journal.records import Holder


@define(eq=False, slots=False)
class JournalError(KooPhoneError):
    """The journal cannot be read or written: whatever was to be recorded in it is not recorded."""

    location: str
    problem: str

    def __str__(self) -> str:
        """Return the location, and what is wrong with it."""
        return f"journal {self.location}: {self.problem}"


@define(eq=False, slots=False)
class LeaseHeld(KooPhoneError):
    """Another process drives this rollout."""

    rollout: str
    seconds: float
    """Seconds until the lease ends, unless that process renews it."""

    holder: Holder

    def __str__(self) -> str:
        """Return who drives the rollout, and how long the lease lasts."""
        return (
            f"rollout {self.rollout} is driven by process {self.holder.pid} of {self.holder.user} on"
            f" {self.holder.host}; its lease lasts {self.seconds:.0f} s unless it is renewed"
        )


@define(eq=False, slots=False)
class LeaseLost(KooPhoneError):
    """Another process has taken over this rollout: this one may not send anything more for it."""

    rollout: str

    def __str__(self) -> str:
        """Return which rollout was taken over."""
        return f"rollout {self.rollout} was taken over by another process"
