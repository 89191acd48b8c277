"""Outcomes of a rollout: that of a run, and where the phone was in the rollout."""

from __future__ import annotations

from attrs import frozen

from koophone_async.batches import Outcome


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
        return cls(
            id=outcome.id,
            state=outcome.state,
            job_id=outcome.job_id,
            error_code=outcome.error_code,
            error_message=outcome.error_message,
            output=outcome.output,
            seconds=outcome.seconds,
            value=outcome.value,
            resume_token=outcome.resume_token,
            step=step,
            wave=wave,
            attempt=attempt,
        )
