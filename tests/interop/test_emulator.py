"""The vendor's own client can work with the emulator, and reads what it answers."""

from __future__ import annotations

import asyncio

import pytest

from koophone_async import AccessKey
from koophone_async.emulator import Emulator
from tests.interop.recorded_calls import CALLS
from tests.interop.vendor import Answer, Refusal, Vendor
from tests.interop.vendor_run import Verdict, driven, judged, looked_up_project

# The vendor's signer takes the time in a way that Python 3.12 and newer warn of.
pytestmark = pytest.mark.filterwarnings(
    "ignore:datetime.datetime.utcnow:DeprecationWarning:huaweicloudsdkcore"
)


@pytest.mark.parametrize("name", [call.ours for call in CALLS])
def test_the_vendors_client_reads_all_of_the_answer(name: str) -> None:
    assert driven()[name] == Verdict()


async def test_the_vendors_client_finds_its_project() -> None:
    found, true = await looked_up_project()

    assert found == true


async def test_the_vendors_signature_is_accepted_and_refusals_read() -> None:
    def refused(key: AccessKey, phone: str) -> Refusal:
        with (
            Vendor.at(emulator.cph_endpoint, key, emulator.project_id) as vendor,
            pytest.raises(Refusal) as caught,
        ):
            vendor("show_cloud_phone_detail", {"phone_id": phone})
        return caught.value

    async with Emulator(1) as emulator:
        known = emulator.access_key
        assert (await asyncio.to_thread(refused, known, "0" * 32)).code == "CPS.0005"
        stranger = AccessKey(known.access_key, "another")
        assert (await asyncio.to_thread(refused, stranger, "0" * 32)).status == 401


@pytest.mark.parametrize(
    "raw, read, verdict",
    [
        (None, {}, Verdict()),
        ({"count": 0, "phones": []}, {"phones": []}, Verdict(empty=("phones",), lost=("count",))),
        ({"a": [{"b": 1}, {"b": 2, "c": None}]}, {"a": [{"b": 1}, {}]}, Verdict(lost=("a.#.b",))),
        ({"a": ["1"]}, {"a": [1]}, Verdict(lost=("a.#",))),
        ({"jobs": [{"error_code": "CPS.0005"}]}, {}, Verdict("in the answer CPS.0005")),
        ({"error_code": None, "jobs": [{"id": "1"}]}, {"jobs": [{"id": "1"}]}, Verdict()),
    ],
)
def test_an_answer_must_be_kept_by_the_vendors_model(raw: object, read: object, verdict: Verdict) -> None:
    assert judged(Answer(200, raw, read)) == verdict
