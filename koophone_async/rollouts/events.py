"""What the log of a rollout has: names of entries, and of their details."""

from __future__ import annotations

from typing import Final

RESUME: Final = "resume"
APPROVE: Final = "approve"
CANCEL: Final = "cancel"
WAVE_BEGINS: Final = "wave begins"
WAVE_ENDS: Final = "wave ends"
WAIT: Final = "wait"
GO_ON: Final = "go on"
REFUSED: Final = "refused by a worker"

ATTEMPT: Final = "attempt"
WAVE: Final = "wave"
COUNTS: Final = "counts"
DEADLINE: Final = "deadline"
"""Seconds from a resume on."""

FOR: Final = "for"
"""What is waited for: a `WaitingFor`, or `PERSON`."""

PERSON: Final = "person"
"""A person has paused the rollout."""
