"""Outcomes of phones with their place in the rollout."""

from __future__ import annotations

import attrs
import pytest

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.reports.outcomes import PhoneOutcome

OUTCOME = Outcome("phone", State.FAILED, "job", "KOO.1", "in vain", "out", 1.5, ["value"], "token")


def test_a_phone_outcome_has_every_field_of_the_outcome() -> None:
    created = PhoneOutcome.of(OUTCOME, step=2, wave=3, attempt=4)

    fields = {field.name: getattr(OUTCOME, field.name) for field in attrs.fields(Outcome)}
    assert type(created) is PhoneOutcome
    assert created == PhoneOutcome(**fields, step=2, wave=3, attempt=4)


def test_a_phone_outcome_cannot_be_changed() -> None:
    created = PhoneOutcome.of(OUTCOME, step=2, wave=3, attempt=4)

    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(created, "step", 1)  # noqa: B010 - the checkers refuse an assignment
