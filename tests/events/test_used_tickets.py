"""Tickets that were used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.events.access import Grant, TimestampMeaning, Validity, milliseconds
from koophone_async.events.errors import Rejected
from koophone_async.events.used_tickets import UsedTicket, UsedTickets
from tests.events.samples import KEY, at


def ticket(name: bytes, end: int | None = None, session: bytes = b"s") -> UsedTicket:
    return UsedTicket(name, session, end)


def test_a_ticket_is_remembered_until_its_last_millisecond() -> None:
    used = UsedTickets(10, 10)
    used.spend(ticket(b"t", 1000), 0)

    with pytest.raises(Rejected, match="replayed"):
        used.spend(ticket(b"t", 1000), 1000)
    assert used.spend(ticket(b"t", 2000), 1001) == [ticket(b"t")]


def test_a_released_and_reused_ticket_has_its_new_end() -> None:
    used = UsedTickets(10, 10)
    used.spend(ticket(b"t", 1000), 0)
    used.release(ticket(b"t"))
    used.spend(ticket(b"t", 9000), 0)
    used.spend(ticket(b"u", 9000), 5000)

    with pytest.raises(Rejected, match="replayed"):
        used.spend(ticket(b"t", 9000), 6000)
    used.spend(ticket(b"v", 20_000), 9001)
    assert len(used) == 1


def test_tickets_without_an_end_make_room_in_the_order_of_their_use() -> None:
    used = UsedTickets(3, 9)
    used.load([ticket(b"a"), ticket(b"b", 9000), ticket(b"c")])

    assert used.spend(ticket(b"d"), 0) == [ticket(b"a")]
    assert used.spend(ticket(b"e"), 0) == [ticket(b"c")]


def test_a_ticket_with_an_end_is_never_forgotten_early() -> None:
    used = UsedTickets(2, 9)
    used.load([ticket(b"a", 9000), ticket(b"b", 9000)])

    with pytest.raises(Rejected, match="full"):
        used.spend(ticket(b"c"), 9000)
    assert used.spend(ticket(b"c"), 9001) == [ticket(b"a"), ticket(b"b")]


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=1),
            st.sampled_from([b"s", b"t"]),
            st.none() | st.integers(0, 50),
            st.integers(0, 9),
        )
    )
)
def test_bounds_hold_and_no_ticket_with_an_end_passes_twice(
    calls: list[tuple[bytes, bytes, int | None, int]],
) -> None:
    used, now, passed = UsedTickets(5, 3), 0, dict[bytes, int]()
    for name, session, seconds, later in calls:
        now += later
        end = None if seconds is None else now + seconds
        try:
            used.spend(ticket(name, end, session), now)
        except Rejected:
            continue
        assert passed.get(name, -1) < now
        assert len(used) <= 5
        passed.pop(name, None)
        if end is not None:
            passed[name] = end


@pytest.mark.parametrize(
    "grant, end",
    [
        (Grant(KEY), None),
        (Grant(KEY, until=at(500)), 500),
        (Grant(KEY, auth_ts=milliseconds(at(100))), 160),
        (Grant(KEY, until=at(120), auth_ts=milliseconds(at(100))), 120),
    ],
)
def test_a_ticket_is_remembered_while_its_grant_can_accept_it(grant: Grant, end: int | None) -> None:
    validity = Validity(TimestampMeaning.EXPIRES, skew=30)

    assert validity.end(grant) == (None if end is None else milliseconds(at(end)))
