"""The table of codes against an independent reading of the documents' error tables.

`error-codes.json` holds what a compiler of those tables wrote down for each code: its HTTP statuses,
a class, and whether repeating helps. The mapping from that to our errors is stated here, as are the
codes whose own text says more, or less, than their class.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import (
    AuthenticationFailed,
    Busy,
    Forbidden,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
)
from koophone_async.protocol.codes import Meaning, meaning, normalise

if TYPE_CHECKING:
    from collections.abc import Callable

Row = TypedDict("Row", {"code": str, "statuses": list[int], "class": str, "retry": str})

ROWS = cast("list[Row]", json.loads(Path(__file__).with_name("error-codes.json").read_text("utf-8")))
LISTED = [row for row in ROWS if row["class"] not in {"gateway", "unknown"}]
PATTERNS = [row for row in ROWS if row["class"] in {"gateway", "unknown"}]

BY_CLASS: dict[str, type[Refused]] = {
    "parameter": Refused,
    "too_many": Refused,
    "unsupported": Refused,
    "conflict": Refused,
    "quota": Refused,
    "wrong_state": Refused,
    "permission": Forbidden,
    "account": Forbidden,
    "frozen": Forbidden,
    "locked": Forbidden,
    "not_found": NotFound,
    "busy": Busy,
    "auth": AuthenticationFailed,
}
SAYS_BUSY = {"CPS.0042"}
RAN_PERHAPS = {
    "CPS.0191": "sync commands show it for a command that failed",
    "CPS.1105": "a restart under way was stopped",
    "KOOPHONE.API.62010": "found while an app is installed",
    "KOOPHONE.API.62017": "found while an app is downloaded",
    "KOOPHONE.API.62020": "found while an app is installed",
    "KOOPHONE.API.62021": "found while an app is installed",
}
CLOSED = {"CPS.0258"}

KOOPHONE_IDS = "1001 1002 1012 2004 2005 2006 2210 4001 5001 5005"
CPS_IDS = """0004 0005 0011 0015 0016 0018 0044 0050 0053 0080 0094 0097 0098 0099 0105 0121 0122 0123 0124
    0137 0141 0147 0156 0158 0159 0165 0195 0208 0213 0216 0219 0231 0232 0233 0245 0263 0264 0322 0338 0349
    0350 0354 0379 0380 0381 1027 1028 1102 1103 1104"""
ABOUT_IDS = {f"KOOPHONE.API.{n}" for n in KOOPHONE_IDS.split()} | {f"CPS.{n}" for n in CPS_IDS.split()}

codes = st.one_of(
    st.none(),
    st.text(),
    st.from_regex(r"(CPS|KOOPHONE\.API|APIG|APIGW)\.[0-9]{4,5}", fullmatch=True),
    st.sampled_from([row["code"] for row in ROWS]),
)
statuses = st.integers(100, 599)


def statuses_of(row: Row) -> list[int]:
    return row["statuses"] or [200, 400, 500]  # where no document states one


def expected_error(row: Row) -> type[Refused]:
    if row["code"] in SAYS_BUSY:
        return Busy
    if row["code"] in RAN_PERHAPS:
        return Refused
    if row["class"] == "service":
        return Unavailable if row["retry"] in {"after_wait", "after_condition"} else Refused
    if row["retry"] in {"after_condition", "next_day"}:
        return Busy
    return BY_CLASS[row["class"]]


def proves_nothing_ran(row: Row) -> bool:
    if row["code"] in SAYS_BUSY | CLOSED:
        return True
    return row["class"] != "service" and row["code"] not in RAN_PERHAPS


def by_code(row: Row) -> str:
    return "-".join([row["code"], *map(str, row["statuses"])])


def test_every_documented_code_is_classified() -> None:
    assert len(ROWS) == 356
    assert {row["class"] for row in LISTED} == {*BY_CLASS, "service"}
    assert {row["code"] for row in ROWS} - {row["code"] for row in LISTED} == {"APIGW.*", "common.00000xxx"}


def differing(read: Callable[[Meaning], object], expected: Callable[[Row], object]) -> list[str]:
    """Return each code whose meaning is not the expected one, with its status."""
    return [
        f"{row['code']} ({status})"
        for row in LISTED
        for status in statuses_of(row)
        if read(meaning(row["code"], status)) != expected(row)
    ]


def test_every_code_raises_the_error_of_its_class() -> None:
    assert differing(lambda code: code.error, expected_error) == []


def test_a_code_proves_that_nothing_ran_where_its_class_does() -> None:
    assert differing(lambda code: code.not_executed, proves_nothing_ran) == []


def test_only_busy_codes_are_retried() -> None:
    def says_busy(row: Row) -> bool:
        return row["code"] in SAYS_BUSY or (row["class"] == "busy" and row["code"] not in RAN_PERHAPS)

    assert differing(lambda code: code.retryable, says_busy) == []


def test_a_batch_is_bisected_only_for_codes_that_blame_ids() -> None:
    assert differing(lambda code: code.blames_ids, lambda row: normalise(row["code"]) in ABOUT_IDS) == []


def test_only_codes_of_an_expired_token_renew_it() -> None:
    assert differing(lambda code: code.renew, lambda row: row["retry"] == "after_new_token") == []


@pytest.mark.parametrize("row", PATTERNS, ids=by_code)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_a_code_documented_as_a_pattern_goes_by_its_status(row: Row, status: int) -> None:
    assert meaning(row["code"], status).error is meaning(None, status).error


def test_an_undocumented_number_goes_by_its_status() -> None:
    listed = {normalise(row["code"]) for row in LISTED}
    numbers = {"KOOPHONE.API": 70_000, "CPS": 10_000}
    unlisted = {f"{name}.{n:04}" for name, count in numbers.items() for n in range(count)} - listed

    assert {meaning(code, 400) for code in unlisted} == {meaning(None, 400)}


@pytest.mark.parametrize(
    "status, error, not_executed",
    [
        (200, Refused, False),
        (400, Refused, False),
        (401, AuthenticationFailed, True),
        (403, Forbidden, True),
        (404, NotFound, True),
        (405, Refused, True),
        (408, Refused, False),
        (413, Refused, True),
        (429, Throttled, True),
        (500, Refused, False),
        (502, Unavailable, False),
        (503, Unavailable, False),
        (504, Unavailable, False),
    ],
)
@pytest.mark.parametrize("code", [None, "", "CPS.7777", "KOOPHONE.API.7777", "common.00000400", "who knows"])
def test_an_unknown_code_goes_by_its_status(
    code: str | None, status: int, error: type[Refused], *, not_executed: bool
) -> None:
    expected = Meaning(error, not_executed=not_executed, retryable=status == 429, renew=status == 401)

    assert meaning(code, status) == expected


@pytest.mark.parametrize(
    "code, status, error, not_executed, again",
    [
        ("APIGW.0101", 404, NotFound, True, False),
        ("APIG.0201", 400, Refused, True, False),
        ("APIG.0201", 408, Refused, False, False),
        ("APIG.0201", 502, Unavailable, False, False),
        ("APIG.0201", 504, Unavailable, False, False),
        ("APIG.0302", 403, Forbidden, True, False),
        ("APIG.0303", 401, AuthenticationFailed, True, False),
        ("APIG.0308", 429, Throttled, True, True),
        ("APIGW.0308", 200, Throttled, True, True),
        ("APIGW.0502", 405, Refused, True, False),
        ("APIG.0601", 500, Refused, False, False),
        ("APIG.0606", 500, Unavailable, True, False),
        ("APIG.0613", 503, Unavailable, True, True),
    ],
)
def test_a_gateway_rejection_proves_that_nothing_ran(
    code: str, status: int, error: type[Refused], *, not_executed: bool, again: bool
) -> None:
    assert meaning(code, status) == Meaning(error, not_executed=not_executed, retryable=again)


@pytest.mark.parametrize("code", ["APIG.0301", "APIGW.0301", "APIG.0307", "APIGW.0307", None])
def test_a_gateway_or_plain_401_renews_the_token(code: str | None) -> None:
    assert meaning(code, 401).renew


@pytest.mark.parametrize("code", ["KOOPHONE.API.1001", "KOOPHONE.API.1003", "CPS.0001", "APIG.0303"])
def test_a_401_about_something_else_renews_no_token(code: str) -> None:
    assert not meaning(code, 401).renew


def test_the_status_decides_between_two_meanings() -> None:
    assert meaning("KOOPHONE.API.6002", 403) == Meaning(Forbidden, not_executed=True)
    assert meaning("KOOPHONE.API.6002", 500) == Meaning(AuthenticationFailed, not_executed=True, renew=True)


def test_429_is_throttled_whatever_the_code() -> None:
    assert meaning("KOOPHONE.API.9999", 429) == meaning("APIG.0308", 429)


@given(codes, statuses)
def test_retryable_codes_prove_that_nothing_ran(code: str | None, status: int) -> None:
    found = meaning(code, status)

    assert found.not_executed or not (found.retryable or found.blames_ids or found.renew)
    assert found.not_executed or found.error not in {Busy, Throttled}
    assert issubclass(found.error, Refused)


@pytest.mark.parametrize(
    "spelling, one",
    [
        ("KP.API.0001", "KOOPHONE.API.0001"),
        ("KooPhone.API.1001", "KOOPHONE.API.1001"),
        ("KOOPHONE.API.1001", "KOOPHONE.API.1001"),
        (" koophone.api.62021\n", "KOOPHONE.API.62021"),
        ("KPAPI.2209", "KOOPHONE.API.2209"),
        ("CPS0005", "CPS.0005"),
        ("cps.5", "CPS.0005"),
        ("APIGW.0308", "APIG.0308"),
        ("APIG.0308", "APIG.0308"),
        ("AS.0001", "AS.0001"),
        ("0", "0"),
        ("", ""),
        ("Unauthorized", "UNAUTHORIZED"),
        ("CPS." + "9" * 5_000, "CPS." + "9" * 5_000),
    ],
)
def test_all_spellings_of_a_code_normalise_to_one(spelling: str, one: str) -> None:
    assert normalise(spelling) == one


@given(codes, statuses)
def test_a_code_means_the_same_in_either_spelling(code: str | None, status: int) -> None:
    spelling = normalise(code or "")

    assert normalise(spelling) == spelling
    assert meaning(spelling, status) == meaning(code, status)
