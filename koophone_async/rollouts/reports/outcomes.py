"""Outcomes of a rollout: that of a run, and where the phone was in the rollout."""

from __future__ import annotations

from typing import Final

from attrs import frozen

from koophone_async.batches import Outcome
from koophone_async.drafts import draft_class


@frozen(kw_only=True)
class PhoneOutcome(Outcome):
    """Outcome of a phone at the last step that it reached in its last attempt."""

    step: int = 1
    """The number of the step, from 1."""

    wave: int = 1
    attempt: int = 1

    def to_rollout_row(self) -> dict[str, object]:
        """Return the row of a run's outcome with its place in the rollout."""
        return self.to_row() | {"step": self.step, "wave": self.wave, "attempt": self.attempt}

    @classmethod
    def of(cls, outcome: Outcome, *, step: int, wave: int, attempt: int) -> PhoneOutcome:
        """Return an outcome of a run with its place in the rollout."""
        draft = _Draft()
        draft.id = outcome.id
        draft.state = outcome.state
        draft.job_id = outcome.job_id
        draft.error_code = outcome.error_code
        draft.error_message = outcome.error_message
        draft.output = outcome.output
        draft.seconds = outcome.seconds
        draft.value = outcome.value
        draft.resume_token = outcome.resume_token
        draft.step = step
        draft.wave = wave
        draft.attempt = attempt
        draft.__class__ = cls
        created: PhoneOutcome = draft
        return created


_Draft: Final = draft_class(PhoneOutcome)
"""The constructor of a frozen class sets each field by a call, and a rollout creates one for each phone."""
