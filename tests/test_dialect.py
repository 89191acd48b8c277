"""The envelopes, beside what the documents' own bodies show of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Edition
from koophone_async.errors import Throttled, Unavailable
from koophone_async.koophone import Accepted
from koophone_async.operation import Operation
from koophone_async.protocol.dialect import DIALECTS, Dialect, Unwrapped
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.koophone.commands import RUN
from koophone_async.services.koophone.jobs import LIST
from koophone_async.wire import encode

KOOPHONE, CPH, IAM = DIALECTS["koophone"], DIALECTS["cph"], DIALECTS["iam"]
REMOVE: Operation[Accepted, Accepted] = Operation(
    "cph.tags.remove", "DELETE", "/v1/tags", Accepted, Accepted, source="made up", repeatable=True
)
names = st.text("abc_", min_size=1, max_size=4)
payloads = st.dictionaries(names, st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@given(payloads, st.integers(0, 9))
def test_a_wrapped_payload_unwraps_to_itself(dialect: Dialect, payload: dict[str, Any], page: int) -> None:
    payload |= {"page_no": page}
    before = payload.copy()

    unwrapped = dialect.unwrap(dialect.wrap(payload, "r1"))

    assert unwrapped.code is None
    assert {name: value for name, value in unwrapped.payload.items() if name != "request_id"} == before
    assert payload == before


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("code", ["KOOPHONE.API.1001", "401", "CPS.0005"])
def test_a_wrapped_error_unwraps_to_itself(dialect: Dialect, code: str) -> None:
    unwrapped = dialect.unwrap(dialect.wrap_error(code, "no.", "r1"))

    assert (unwrapped.code, unwrapped.message) == (code, "no.")


@pytest.mark.parametrize("dialect", [KOOPHONE, CPH], ids=["koophone", "cph"])
@pytest.mark.parametrize("code", ["0", 0, "", None], ids=repr)
def test_an_empty_code_is_no_error(dialect: Dialect, code: object) -> None:
    assert dialect.unwrap({"error_code": code, "data": {"a": 1}}).code is None


def test_koophone_omits_empty_data() -> None:
    assert KOOPHONE.wrap({}, "r1") == {"error_code": "0", "error_msg": "OK"}


def test_cph_has_a_request_id_in_every_answer() -> None:
    assert CPH.unwrap({"request_id": "r1", "jobs": []}) == Unwrapped(
        {"request_id": "r1", "jobs": []}, request_id="r1"
    )
    assert CPH.unwrap({"request_id": "r1", "error_code": "CPS.1", "error_msg": "no"}) == Unwrapped(
        code="CPS.1", message="no", request_id="r1"
    )


@pytest.mark.parametrize("nothing", [{}, {"job_id": None}, {"job_id": ""}], ids=str)
def test_an_error_code_beside_a_job_id_is_that_of_the_job(nothing: dict[str, str | None]) -> None:
    refused = {"server_id": "s", "error_code": "CPS.0326", "error_msg": "too many"}

    assert CPH.unwrap(refused | nothing).code == "CPS.0326"
    assert CPH.unwrap(refused | {"job_id": "j"}).code is None


def test_an_empty_answer_of_cph_is_a_success() -> None:
    assert CPH.unwrap(None) == Unwrapped({})
    assert read(REMOVE, RawResponse(204, {}, b""), Edition.CHINA, "r1") == Accepted()


@pytest.mark.parametrize(
    "answer, code, message",
    [
        ({"error": {"code": 401, "message": "wrong"}}, "401", "wrong"),
        ({"error": {"code": None, "message": None}}, "", ""),
        ({"error": {}}, "", ""),
        ({"error_code": "APIG.0301", "error_msg": "wrong"}, "APIG.0301", "wrong"),
    ],
)
def test_iam_has_two_error_formats(answer: object, code: str, message: str) -> None:
    assert IAM.unwrap(answer) == Unwrapped(code=code, message=message)


def test_a_gateway_error_keeps_its_request_id() -> None:
    body = {"error_code": "APIG.0308", "error_msg": "slow down", "request_id": "gateway-1"}

    with pytest.raises(Throttled) as caught:
        read(RUN, RawResponse(429, {}, encode(body)), Edition.CHINA, "ours")

    assert caught.value.request_id == "gateway-1"


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:29:30 GMT", "Date": DATE}, 90),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:29:30 GMT"}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:29:30 -0000", "Date": DATE}, None),
        ({"Retry-After": "Wed, 21 Oct 2026 07:29:30 +99999999999999", "Date": DATE}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    with pytest.raises(Throttled) as caught:
        read(LIST, RawResponse(429, headers, b""), Edition.CHINA, None)

    assert caught.value.retry_after == seconds


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_retry_after_is_read_without_an_error(value: str, date: str) -> None:
    with pytest.raises(Unavailable):
        read(LIST, RawResponse(503, {"Retry-After": value, "Date": date}, b""), Edition.CHINA, None)


def test_only_the_beginning_of_a_web_page_is_kept() -> None:
    with pytest.raises(Unavailable) as caught:
        read(LIST, RawResponse(502, {}, b"<html>" + b"x" * 10_000), Edition.CHINA, None)

    assert len(caught.value.message) == 500
