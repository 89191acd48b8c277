"""Validators of requests, and the errors that they raise."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import AccessKey, Endpoints, Session
from koophone_async.checks import IDS, Between, Check, Listed, OneOf, Text, aware, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.koophone import (
    AppQuery,
    Assignment,
    Assignments,
    BuyInstances,
    Charge,
    Encoding,
    InstallApp,
    InstanceQuery,
    InstanceRequest,
    InstancesRequest,
    Network,
    Package,
    PrepareInstances,
    ProgressQuery,
    RunCommand,
    SetVideo,
    VideoRate,
    VideoRates,
    VideoSetting,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


def broken(check: Callable[..., None], value: object) -> tuple[Rule, float | None]:
    model = attrs.make_class("Model", {"value": field(validator=check)})
    with pytest.raises(InvalidRequest) as caught:
        model(value)
    return caught.value.rule, caught.value.limit


def problem(check: Check, value: object, default: object = attrs.NOTHING) -> str | None:
    model = attrs.make_class("Model", {"value": field(default=default, validator=check)})
    try:
        model(value)
    except InvalidRequest as error:
        return error.problem if error.field == "value" else f"of {error.field}"
    return None


@pytest.mark.parametrize(
    "check, value, expected",
    [
        (Text(3), "abc", None),
        (Text(3), "abcd", "is 4 characters long; at most 3 characters"),
        (Text(3), "", "is empty; it must have at most 3 characters"),
        (Text(3, min=0), "", None),
        (Text(3), 5, "is a int; it must be a string"),
        (Text(3), None, "is a NoneType; it must be a string"),
        (Text(4, unit="bytes of UTF-8"), "éé", None),
        (Text(4, unit="bytes of UTF-8"), "ééé", "is 6 bytes of UTF-8 long; at most 4 bytes of UTF-8"),
        (Text(4), "\ud800", "contains a lone surrogate, which cannot be encoded as UTF-8"),
        (Text(9, ending=(".apk", ".xapk")), "a.apk", None),
        (Text(9, ending=(".apk", ".xapk")), "a.exe", "is 'a.exe'; it must end in .apk or .xapk"),
        (Text(9, pattern="[a-z]+"), "abc", None),
        (Text(9, pattern="[a-z]+"), "ab1", "does not match [a-z]+"),
        (Between(1, 9), 9, None),
        (Between(1, 9), 10, "is 10; it must be 1 to 9"),
        (Between(1, 9), 8.5, "is 8.5; it must be a whole number, 1 to 9"),
        (Between(1, 9), "5", "is '5'; it must be a whole number, 1 to 9"),
        (Between(1, 9), True, "is True; it must be a whole number, 1 to 9"),
        (Between(1, 9, has_fractions=True), 8.5, None),
        (Between(1, 9, has_fractions=True), 9.5, "is 9.5; it must be 1 to 9"),
        (Between(1, 9, has_fractions=True), "5", "is '5'; it must be a number, 1 to 9"),
        (Between(1, 9, has_fractions=True), float("nan"), "is nan; it must be 1 to 9"),
        (Between(100, 10_000, step=100, unit="kbit/s"), 10_000, None),
        (Between(100, 10_000, step=100), 150, "is 150; it must be 100 to 10,000 in steps of 100"),
        (OneOf((1, 2)), 2, None),
        (OneOf((1, 2)), 3, "is 3; it must be one of 1, 2"),
        (OneOf(tuple(Size)), 3, "is 3; it must be one of 1, 2"),
        (OneOf((1, 2)), None, "is None; it must be one of 1, 2"),
        (OneOf((0, 1)), True, "is True; it must be one of 0, 1"),
        (OneOf((True, None)), True, None),
        (Listed(2), (1, 2), None),
        (Listed(2), (), "has 0 items; it must have 1 to 2 items"),
        (Listed(2), (1, 2, 3), "has 3 items; it must have 1 to 2 items"),
        (Listed(), (), "has 0 items; it must have at least 1 items"),
        (Listed(each=Text(1)), ("a", "bc"), "is 2 characters long; at most 1 characters"),
    ],
)
def test_a_check_reports_the_problem_and_the_limit(check: Check, value: object, expected: str | None) -> None:
    assert problem(check, value) == expected


@pytest.mark.parametrize(
    "check, value, rule, limit",
    [
        (Text(3), 5, Rule.WRONG_TYPE, None),
        (Text(3, min=2), "a", Rule.TOO_SHORT, 2),
        (Text(3), "abcd", Rule.TOO_LONG, 3),
        (Text(9), "\ud800", Rule.BAD_FORMAT, None),
        (Text(9, ending=(".apk",)), "a.exe", Rule.BAD_FORMAT, None),
        (Text(9, pattern="[a-z]+"), "ab1", Rule.BAD_FORMAT, None),
        (Between(1, 9), "5", Rule.WRONG_TYPE, None),
        (Between(1, 9), 0, Rule.OUT_OF_RANGE, 1),
        (Between(1, 9), 10, Rule.OUT_OF_RANGE, 9),
        (Between(0, 9, step=3), 4, Rule.OUT_OF_RANGE, None),
        (OneOf((1, 2)), 3, Rule.NOT_A_CHOICE, None),
        (Listed(max=2), (), Rule.TOO_FEW, 1),
        (Listed(max=2), (1, 2, 3), Rule.TOO_MANY, 2),
        (Listed(each=Text(3)), ("abcd",), Rule.TOO_LONG, 3),
        (aware, "2026-01-01", Rule.WRONG_TYPE, None),
        (aware, datetime(2026, 1, 1), Rule.BAD_FORMAT, None),  # noqa: DTZ001 - the case under test
    ],
)
def test_a_broken_rule_is_named_with_its_limit(
    check: Callable[..., None], value: object, rule: Rule, limit: float | None
) -> None:
    assert broken(check, value) == (rule, limit)


@pytest.mark.parametrize("check", [Text(3), Between(1, 9), OneOf((1, 2))])
def test_optional_fields_may_be_omitted(check: Check) -> None:
    assert problem(check, None, default=None) is None
    assert problem(check, object(), default=None) is not None


@pytest.mark.parametrize(
    "check, limit",
    [
        (Text(1024, unit="bytes of UTF-8"), "at most 1,024 bytes of UTF-8"),
        (Text(100, ending=(".apk",), pattern=".+"), "at most 100 characters, ending in .apk, matching .+"),
        (Between(100, 10_000, step=100, unit="kbit/s"), "100 to 10,000 in steps of 100 kbit/s"),
        (OneOf((Size.SMALL, "x")), "one of 1, x"),
        (Listed(10, each=Text(32)), "1 to 10 items, each at most 32 characters"),
        (IDS, "at least 1 items, each at most 32 characters"),
    ],
)
def test_a_check_describes_its_limit(check: Check, limit: str) -> None:
    assert check.limit == limit


@given(st.text(max_size=20), st.integers(1, 12))
def test_bytes_are_counted_as_they_are_sent(text: str, limit: int) -> None:
    sound = 0 < len(text.encode(errors="surrogatepass")) <= limit

    assert (problem(Text(limit, unit="bytes of UTF-8"), text) is None) is sound


@given(
    st.lists(st.one_of(st.text(max_size=4), st.text("ab.", max_size=4), st.sampled_from([None, 3, b"a"]))),
    st.sampled_from([Text(3), Text(3, unit="bytes"), Text(3, ending=(".",)), Text(3, pattern="a+")]),
)
def test_a_list_is_refused_for_one_bad_item(items: list[Any], each: Text) -> None:
    refused = {problem(each, item) for item in items} - {None}

    assert (problem(Listed(min=0, each=each), items) in refused) == bool(refused)


def test_a_bare_string_is_not_a_list_of_ids() -> None:
    with pytest.raises(InvalidRequest, match="ids: is the string 'phone'; pass a list of ids"):
        ids("phone")


def test_ids_may_be_any_iterable() -> None:
    assert ids(x for x in "ab") == ids(["a", "b"]) == ids({"a": 1, "b": 2}) == ("a", "b")


SETTINGS: Final = [
    VideoSetting(n, e, [VideoRates(VideoRate(6000, 30), VideoRate(6000, 30), VideoRate(8000, 60))])
    for n in Network
    for e in Encoding
]
CHARGE: Final = Charge(2, 1)
PACKAGE: Final = Package("com.example", "a.apk", "1.0", "120", "https://obs.example/a.apk?Signature=x")


def order(**changes: Any) -> BuyInstances:  # noqa: ANN401 - of any field
    sound: dict[str, Any] = {
        "os": "AOSP11", "sku": "s", "band_sku": "b", "region": "cn-north-7", "prefix": "koophone",
        "bandwidth": 4, "count": 1, "charge": CHARGE,
    }  # fmt: skip
    return BuyInstances(**sound | changes)


@frozen
class Case:
    """A request that breaks one documented limit, and the words that must name it."""

    make: Callable[[], object]
    words: str


CASES: Final = [
    Case(lambda: RunCommand([], "id"), "instances: has 0 items"),
    Case(lambda: RunCommand(["x" * 33], "id"), "instances: is 33 characters long; at most 32"),
    Case(lambda: RunCommand(["a"], ""), "command: is empty"),
    Case(lambda: RunCommand(["a"], "é" * 513), "command: is 1,026 bytes of UTF-8 long; at most 1,024"),
    Case(lambda: RunCommand("abc", "id"), "ids: is the string"),
    Case(lambda: InstancesRequest([1]), "instances: is a int"),  # type: ignore[list-item]
    Case(lambda: InstanceRequest(""), "instance: is empty"),
    Case(lambda: PrepareInstances("", ["a"]), "user: is empty"),
    Case(lambda: ProgressQuery("u" * 33, "a"), "user: is 33 characters"),
    Case(lambda: Assignment("u", "i" * 33), "instance: is 33 characters"),
    Case(lambda: Assignments([]), "pairs: has 0 items"),
    Case(lambda: InstanceQuery(page=0), "page: is 0; it must be 1 to"),
    Case(lambda: InstanceQuery(scene="X"), "scene: is 'X'; it must be one of"),  # type: ignore[arg-type]
    Case(lambda: InstanceQuery(since=datetime(2026, 1, 2)), "since: .* an aware datetime"),  # noqa: DTZ001
    Case(
        lambda: InstanceQuery(since=date(2026, 1, 2)),  # type: ignore[arg-type]
        "since: is a date; it must be an aware datetime",
    ),
    Case(
        lambda: InstanceQuery(since=datetime(2026, 1, 2, tzinfo=UTC), until=datetime(2026, 1, 1, tzinfo=UTC)),
        "until: is 2026-01-01 00:00:00.*, before `since`, which is 2026-01-02",
    ),
    Case(lambda: AppQuery("a", size=201), "size: is 201; it must be 1 to 200"),
    Case(lambda: AppQuery("a", 3), "type: is 3; it must be one of 1, 2"),  # type: ignore[arg-type]
    Case(lambda: VideoRate(150, 30), "code_rate: is 150; it must be 100 to 10,000 in steps of 100 kbit/s"),
    Case(lambda: VideoRate(10_100, 30), "code_rate: is 10,100"),
    Case(lambda: VideoRate(100, 25), "fps: is 25; it must be one of 30, 60"),
    Case(lambda: SetVideo(["a"], SETTINGS[:5]), "settings: lacks WIRED with H265; one call sets all six"),
    Case(lambda: SetVideo(["a"], SETTINGS + SETTINGS[:1]), "settings: repeats MOBILE_NETWORK with H264; one"),
    Case(
        lambda: VideoSetting("5G", "H264", []), "network: is '5G'; it must be one of MOBILE_NETWORK, WIFI, WI"
    ),
    Case(lambda: VideoSetting("WIFI", "AV1", []), "encoding: is 'AV1'; it must be one of H264, H265"),
    Case(lambda: SetVideo(["a"], []), "lacks MOBILE_NETWORK with H264, MOBILE_NETWORK with H265, WIFI"),
    Case(lambda: Package("n", "a.apk", "1", "2049", "https://x"), "size: is 2049 MB; .* at most 2,048"),
    Case(lambda: Package("n", "a.apk", "1", "0", "https://x"), "size: is 0 MB"),
    Case(lambda: Package("n", "a.apk", "1", "big", "https://x"), "size: is 'big'; it must be a number of MB"),
    Case(lambda: Package("n", "a.apk", "1", "1_000", "https://x"), "size: is '1_000'; it must be a number"),
    Case(lambda: Package("n", "a.apk", "1", "1", "obs://x"), "url: is not an http"),
    Case(lambda: Package("n" * 101, "a.apk", "1", "1", "https://x"), "name: is 101 characters"),
    Case(lambda: InstallApp.of(PACKAGE, []), "instances: has 0 items; it must have at least 1"),
    Case(lambda: order(os="AOSP1"), "os: is 'AOSP1'; it must be one of AOSP9, AOSP11, AOSP14"),
    Case(lambda: order(count=1501), "count: is 1,501; it must be 1 to 1,500"),
    Case(lambda: order(prefix="x" * 15), "prefix: is 15 characters long; at most 14"),
    Case(lambda: Charge(2, 10), "count: is 10; it must be 1 to 9 months"),
    Case(lambda: Charge(3, 11), "count: is 11; it must be 1 to 10"),
    Case(lambda: Charge(2, 1, pay=True), "pay: is True; it must be one of 0, 1"),
    Case(lambda: Charge(4, 1), "period: is 4; it must be one of 2, 3"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
def test_an_invalid_request_has_field_and_limit(case: Case) -> None:
    with pytest.raises(InvalidRequest, match=case.words):
        case.make()


def test_requests_at_their_limits_are_accepted() -> None:
    RunCommand(["x" * 32], "é" * 512)
    SetVideo(["a"], SETTINGS)
    InstallApp.of(Package("n", "a.apk", "1", "2048", "https://x"), ["a"])
    order(count=1500, prefix="x" * 14, charge=Charge(3, 10))


@pytest.mark.parametrize(
    "address, words",
    [
        ("http://koophone.example", "it must be https"),
        ("http://127.0.0.1.example", "it must be https"),
        ("ftp://localhost", "it must be https"),
        ("koophone.example", "which is not a URL"),
        ("https://", "which is not a URL"),
        ("https://[::1", "which is not a URL"),
        ("https://xn--", "which is not a URL"),
        ("https://a.xn--b.example", "which is not a URL"),
        ("https://host:99999", "which is not a URL"),
        ("https://host%0d%0a", "whose host is not valid"),
        ("https://host/path", "it must have no path, query or fragment"),
        ("https://host//", "it must have no path, query or fragment"),
        ("https://host?project=1", "it must have no path, query or fragment"),
        ("https://host/?", "it must have no path, query or fragment"),
        ("https://host#", "it must have no path, query or fragment"),
    ],
)
def test_an_endpoint_is_an_https_host_or_on_loopback(address: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"endpoints\.koophone or KOOPHONE_ENDPOINT: is .*{words}"):
        Session(AccessKey("A", "B"), endpoints=Endpoints(koophone=address), environ={})


@pytest.mark.parametrize("address", ["https://ann@host", "https://ann:hunter2@host", "https://:hunter2@host"])
def test_an_endpoint_has_no_user(address: str) -> None:
    with pytest.raises(InvalidRequest, match="contains a user or password") as caught:
        Session(AccessKey("A", "B"), endpoints=Endpoints(koophone=address), environ={})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("named", ["emulator", "EMULATOR,other", "other, emulator", " other emulator "])
def test_plain_http_is_allowed_for_named_hosts(named: str) -> None:
    environ = {"KOOPHONE_ALLOW_HTTP": named, "KOOPHONE_ENDPOINT": "http://emulator:8080"}

    assert str(Session(AccessKey("A", "B"), environ=environ).origin("koophone")) == "http://emulator:8080"


@pytest.mark.parametrize("named", ["", ",", "*", "other", "emulator.example", "emulator:8080"])
def test_plain_http_is_refused_for_hosts_not_named(named: str) -> None:
    environ = {"KOOPHONE_ALLOW_HTTP": named, "KOOPHONE_ENDPOINT": "http://emulator:8080"}
    with pytest.raises(
        InvalidRequest, match=r"must be https \(http on loopback, and for hosts in KOOPHONE_ALLOW_HTTP"
    ):
        Session(AccessKey("A", "B"), environ=environ)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "[::1]"])
def test_plain_http_is_allowed_on_loopback(host: str) -> None:
    session = Session(AccessKey("A", "B"), endpoints=Endpoints(koophone=f"http://{host}:8080/"), environ={})

    assert str(session.origin("koophone")) == f"http://{host}:8080"


def test_an_absent_bound_is_not_described() -> None:
    assert Between(1, inf, unit="Mbit/s").limit == "at least 1 Mbit/s"
