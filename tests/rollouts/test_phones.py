"""The states of phones, as they are counted and sent."""

from __future__ import annotations

from koophone_async.batches import State
from koophone_async.rollouts.execution.phones import PhoneTable


def test_a_phone_between_two_steps_is_not_read_again() -> None:
    phones = PhoneTable(2)
    phones.begin([0], 0)
    phones.advance(0, 1)

    assert [phones.is_pending(position) for position in range(2)] == [False, True]
    assert [phones.is_waiting(position) for position in range(2)] == [True, True]
    assert phones.counts == {"in_flight": 1, "pending": 1}


def test_phones_that_wait_end_together() -> None:
    phones = PhoneTable(3)
    phones.advance(0, 1)
    phones.end(1, 0, State.FAILED)

    phones.end_pending(State.NOT_SENT)

    assert phones.counts == {"failed": 1, "not_sent": 2}


def test_a_phone_that_is_not_sent_again_stays_what_it_was() -> None:
    phones = PhoneTable(3)
    for position in range(3):
        phones.end(position, 0, State.UNKNOWN)
        phones.take_again(position, 0)
    phones.begin([1], 0)
    phones.advance(1, 1)
    phones.begin([2], 0)
    phones.end(2, 0, State.FAILED)

    phones.end_pending(State.NOT_SENT)

    assert phones.counts == {"failed": 1, "not_sent": 1, "unknown": 1}
