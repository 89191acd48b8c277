"""The vendor's client and ours send the same requests."""

from __future__ import annotations

import pytest

from koophone_async.catalogue import OPERATIONS as OURS
from tests.interop.calls import an_id
from tests.interop.differences import DIFFERENT, NOT_SENT, ONLY_OURS
from tests.interop.json_paths import leaves, without_numbers
from tests.interop.recorded_calls import CALLS, VARIED, compared
from tests.interop.vendor import OPERATIONS, places

# The vendor's signer takes the time in a way that Python 3.12 and newer warn of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning:huaweicloudsdkcore"
)


@pytest.mark.parametrize("n", range(len(VARIED)), ids=[f"{call.ours}-{n}" for n, call in enumerate(VARIED)])
def test_requests_equal_the_vendors_but_for_listed_differences(n: int) -> None:
    both = compared()[n]
    expected = DIFFERENT.get(both.call.ours)

    assert both.differences in ({}, expected.places if expected else {})


def test_every_listed_difference_exists() -> None:
    assert sorted({both.call.ours for both in compared() if both.differences}) == sorted(DIFFERENT)
    assert all(difference.reason for difference in DIFFERENT.values())


def test_each_operation_of_the_vendors_client_is_called() -> None:
    assert len(OPERATIONS) == 59
    assert {call.vendor for call in CALLS} == set(OPERATIONS)


def test_each_operation_of_ours_is_called() -> None:
    ours = {operation.name for operation in OURS.of("cph")}
    called = {call.ours for call in CALLS}

    assert sorted(ours - called - ONLY_OURS) == [], (
        "add a Call to tests/interop/*_calls.py; if the vendor's client lacks it, end its source in `only`"
    )
    assert called <= ours - ONLY_OURS


def test_each_call_uses_its_operations_method_and_path() -> None:
    for both in compared():
        operation = OURS[both.call.ours]
        shape = operation.path.split("/")
        path = both.ours.path.split("/")

        assert both.ours.method == operation.method
        assert [a for a, b in zip(shape, path, strict=True) if a != b and not a.startswith("{")] == []


def test_every_field_of_the_vendors_requests_is_sent() -> None:
    sent = {
        f"{call.vendor} {without_numbers(place)}"
        for call in VARIED
        for place, _ in leaves(dict(call.fields(an_id)))
    }
    can_hold = {f"{name} {place}" for name in OPERATIONS for place in places(name)}

    left_out = {place for place in can_hold if not any(f"{one}.".startswith(f"{place}.") for one in sent)}
    assert left_out == NOT_SENT.keys()
