"""The rules of the ledger, request by request; times are in milliseconds."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field

from koophone_async.limits.shared.ledger import Document, Lease, Request, WindowRequest, settle

NOW = 1_000_000


def window(**fields: Any) -> WindowRequest:  # noqa: ANN401 - the fields of a request
    window: Any = {
        "id": "1000", "permits": 4, "length": 1000, "horizon": 800, "valid": 2000, "term": "0.0", "held": 0,
        "first": 0, "used": [], "want": 0, "exhausted": False,
    }  # fmt: skip
    window |= fields
    one: WindowRequest = window
    return one


@define
class Ledger:
    """A document, and the number of requests."""

    document: Document = field(factory=dict[str, Any])
    since: int = 0
    serial: int = 0

    def settle(self, now: int, holder: str = "a", *, serial: int | None = None, **fields: Any) -> Lease:  # noqa: ANN401
        self.serial += 1
        request: Request = {
            "holder": holder,
            "serial": self.serial if serial is None else serial,
            "windows": [window(**fields)],
            "throttle": None,
        }
        return settle(self.document, request, NOW + now, self.since)["leases"][0]


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


def starts(lease: Lease) -> list[tuple[int, int]]:
    return [(start - NOW, count) for start, count in lease["starts"]]


def test_free_permits_are_leased_at_once(ledger: Ledger) -> None:
    assert starts(ledger.settle(0, want=3)) == [(0, 3)]
    assert starts(ledger.settle(0, "b", want=3)) == [(0, 1)]


def test_permits_are_leased_before_they_become_free(ledger: Ledger) -> None:
    ledger.settle(0, want=4)
    lease = ledger.settle(100, used=[NOW + 10, NOW + 20, NOW + 20, NOW + 30], want=9)
    assert starts(lease) == []
    assert lease["next"] == NOW + 1010

    assert starts(ledger.settle(220, first=4, want=9)) == [(1010, 1), (1020, 2)]


def test_when_calls_in_progress_end_is_unknown(ledger: Ledger) -> None:
    ledger.settle(0, want=4)

    assert ledger.settle(0, "b", want=1)["next"] == 0


def test_permits_that_are_no_longer_held_are_free(ledger: Ledger) -> None:
    ledger.settle(0, want=4)

    assert starts(ledger.settle(10, held=1, want=4)) == [(10, 3)]


def test_permits_leased_for_later_are_returned_for_later(ledger: Ledger) -> None:
    ledger.settle(0, want=4)
    ledger.settle(300, used=[NOW] * 4, want=4)
    ledger.settle(400, held=0, first=4)

    assert starts(ledger.settle(400, "b", want=4)) == [(1000, 4)]


def test_a_repeated_report_counts_once(ledger: Ledger) -> None:
    ledger.settle(0, want=2)
    for _ in range(2):
        ledger.settle(50, used=[NOW + 10, NOW + 20])

    assert starts(ledger.settle(60, "b", want=4)) == [(60, 2)]


def test_what_a_lost_answer_leased_is_free_again(ledger: Ledger) -> None:
    ledger.settle(0, want=4)

    assert starts(ledger.settle(10, want=4)) == [(10, 4)]


def test_a_late_request_changes_nothing(ledger: Ledger) -> None:
    ledger.settle(0, serial=2, want=3)

    assert starts(ledger.settle(1, serial=1, want=1)) == []
    assert starts(ledger.settle(2, "b", want=4)) == [(2, 1)]


def test_permits_of_a_dead_process_count_from_the_end_of_its_lease(ledger: Ledger) -> None:
    ledger.settle(0, want=4)

    assert starts(ledger.settle(1999, "b", want=4)) == []
    assert starts(ledger.settle(2200, "b", want=4)) == [(3000, 4)]


def test_everybody_who_waits_gets_a_share(ledger: Ledger) -> None:
    ledger.settle(0, want=4)
    ledger.settle(1, "b", want=1)
    lease = ledger.settle(300, used=[NOW] * 4, want=100)

    assert starts(lease) == [(1000, 3)]
    assert (lease["sharers"], lease["others"]) == (1, 1)
    assert starts(ledger.settle(2300, "b", want=1)) == [(2300, 1)]


def test_the_one_served_longest_ago_is_first(ledger: Ledger) -> None:
    ledger.settle(0, permits=1, want=1)
    ledger.settle(1, "b", permits=1, want=5)
    lease = ledger.settle(300, used=[NOW], permits=1, want=5)

    assert starts(lease) == []
    assert starts(ledger.settle(400, "b", permits=1, want=5)) == [(1000, 1)]


def test_the_share_of_a_dead_process_goes_to_the_others(ledger: Ledger) -> None:
    ledger.settle(0, permits=1, want=1)
    ledger.settle(1, "b", permits=1, want=5)
    ledger.settle(1900, used=[NOW], permits=1, want=5)

    assert starts(ledger.settle(2100, permits=1, first=1, want=5)) == [(2100, 1)]


def test_nothing_is_free_until_a_new_store_knows_a_window() -> None:
    ledger = Ledger(since=NOW)

    assert starts(ledger.settle(0, want=4)) == []
    assert starts(ledger.settle(2100, want=4)) == []
    assert starts(ledger.settle(2200, want=4)) == [(3000, 4)]


def test_a_restart_voids_what_was_leased(ledger: Ledger) -> None:
    before = ledger.settle(0, want=4)
    ledger.since = NOW + 100
    lease = ledger.settle(100, term=before["term"], held=4, want=4)

    assert lease["term"] != before["term"]
    assert starts(lease) == []


def test_more_calls_than_the_quota_delay_the_next(ledger: Ledger) -> None:
    ledger.settle(0, want=4)
    ledger.settle(300, used=[NOW, NOW + 100, NOW + 200, NOW + 250, NOW + 260])

    assert starts(ledger.settle(300, "b", want=4)) == [(1100, 1)]


def test_a_learned_quota_is_used_up_and_known_to_all(ledger: Ledger) -> None:
    held = ledger.settle(0, want=4)
    ledger.settle(10, "b", permits=2, exhausted=True)

    assert ledger.document["quotas"] == {"1000": 2}
    lease = ledger.settle(300, held=4, want=4)
    assert lease["term"] != held["term"]
    assert starts(lease) == [(1010, 2)]


def test_a_quota_that_is_known_is_not_used_up_again(ledger: Ledger) -> None:
    ledger.settle(0, "a", permits=2, exhausted=True)
    ledger.settle(500, "b", permits=2, exhausted=True)

    assert starts(ledger.settle(600, "b", permits=2, want=2)) == [(1000, 2)]


@pytest.mark.parametrize("back", [500, 3_600_000])
def test_a_clock_that_is_set_back_frees_nothing(ledger: Ledger, back: int) -> None:
    ledger.settle(0, want=4)
    ledger.settle(10, used=[NOW] * 4)

    assert starts(ledger.settle(10 - back, want=4)) == []


def test_after_a_clock_was_set_back_permits_become_free_in_its_time(ledger: Ledger) -> None:
    ledger.settle(0, want=4)
    ledger.since = NOW - 500_000  # stores do so too
    ledger.settle(-500_000, want=4)

    assert starts(ledger.settle(-497_500, want=4)) == [(-497_000, 4)]


def test_a_log_of_many_calls_is_rounded_up(ledger: Ledger) -> None:
    minute: dict[str, Any] = {"id": "60000", "length": 60_000, "permits": 6000, "valid": 60_000}
    ledger.settle(0, want=6000, **minute)
    ledger.settle(59_000, used=[NOW + 9 * number for number in range(6000)], **minute)

    log = ledger.document["windows"]["60000"]["log"]
    assert len(log) <= 1001
    assert sum(count for _, count in log) == 6000
    assert log[0][0] - NOW >= 60_000


def test_the_first_of_several_429s_counts(ledger: Ledger) -> None:
    def throttle(granted: int, at: int) -> object:
        one = {"granted": NOW + granted, "at": NOW + at, "pause": 0, "holder": "a"}
        request: Any = {"holder": "a", "serial": 1, "windows": [], "throttle": one}
        known: Any = settle(ledger.document, request, NOW + at, 0)["throttle"]
        return known["at"] - NOW

    assert [throttle(0, 50), throttle(20, 60), throttle(55, 90)] == [50, 50, 90]
