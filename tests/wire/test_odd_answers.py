"""Undocumented answers that a service may send: read if their meaning is clear, else an error."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Edition, wire
from koophone_async.errors import InvalidRequest, KooPhoneError, UnreadableAnswer
from koophone_async.koophone import JobState
from koophone_async.operation import AnyOperation, Operation
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.iam import CREATE_TOKEN
from koophone_async.services.koophone import apps, commands, instances, jobs, orders, streaming, video

if TYPE_CHECKING:
    from koophone_async.wire import Json


def answer(operation: AnyOperation, body: object, status: int = 200) -> Any:  # noqa: ANN401 - of any operation
    return read(operation, RawResponse(status, {}, wire.encode(body)), Edition.INTERNATIONAL, "r1")


TASK = {"task_id": "t1", "cmd_jobs": [{"instance_id": "a", "job_id": "j1"}]}


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "0", "data": TASK},
        {"error_code": "0", "data": {"data": TASK}},
        {"error_code": 0, "data": TASK},
        {"error_code": "", "data": TASK},
        {"error_code": None, "data": TASK},
        {"data": TASK},
        {"data": {"error_code": "0", **TASK}},
        {"error_code": "0", "data": TASK | {"new": {"unheard": "of"}}, "trace": 1},
    ],
)
def test_a_started_task_is_read_in_every_shape(body: object) -> None:
    assert answer(apps.INSTALL, body) == jobs.StartedTask("t1", (jobs.StartedJob("a", "j1"),))


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "KOOPHONE.API.4001", "error_msg": "gone"},
        {"error_code": "KOOPHONE.API.4001", "error_info": "gone"},
        {"data": {"error_code": "KOOPHONE.API.4001", "error_msg": "gone"}},
        {"error_code": None, "data": {"error_code": "KOOPHONE.API.4001", "error_info": "gone"}},
        {"error_code": "KP.API.4001", "error_msg": "gone", "data": None},
    ],
)
def test_an_error_code_is_found_at_any_level(body: object) -> None:
    with pytest.raises(KooPhoneError, match=r"4001: gone \(HTTP 200, request r1\)"):
        answer(instances.STATUS, body)


@pytest.mark.parametrize(
    "body",
    [
        {"error_code": "0", "data": {"result": [{"instance_id": "a"}]}, "page_no": 2, "total_count": "7"},
        {"data": {"result": [{"instance_id": "a"}], "page_no": 2, "total_count": 7, "error_code": "0"}},
        {"data": {"data": {"result": [{"instance_id": "a"}]}, "page_no": 2, "total_count": 7}},
        {
            "error_code": "0",
            "page_no": None,
            "data": {"result": [{"instance_id": "a"}], "page_no": 2, "total_count": 7},
        },
    ],
)
def test_paging_is_read_at_any_level(body: object) -> None:
    page = answer(instances.LIST, body)

    assert (page.page, page.total, [row.id for row in page.items]) == (2, 7, ["a"])


@pytest.mark.parametrize("rows", [{"data": [{"app_pkg": "p"}]}, {"data": {"apps": [{"app_pkg": "p"}]}}])
def test_rows_are_read_under_all_known_names(rows: Json) -> None:
    page = answer(apps.LIST, {"error_code": "0", "total_count": 1} | rows)

    assert [app.package for app in page.items] == ["p"]
    assert page.total == 1


@pytest.mark.parametrize("nothing", [None, ""], ids=repr)
def test_null_empty_and_missing_are_the_same(nothing: object) -> None:
    row = {"instance_id": "a", "region": None}
    odd = row | dict.fromkeys(
        ("frozen_status", "running_status", "backup_status", "backup_time", "restore_time", "sku"), nothing
    )

    read_rows = [answer(instances.LIST, {"data": {"result": [each]}}).items[0] for each in (row, odd)]

    assert read_rows[0] == read_rows[1] == instances.Instance("a")


def test_a_null_list_is_an_empty_one() -> None:
    assert answer(jobs.LIST, {"error_code": "0", "data": {"jobs": None}}).jobs == ()


@pytest.mark.parametrize("number", [2, "2", 2.0], ids=repr)
def test_a_number_may_be_a_string(number: object) -> None:
    job = {"job_id": 17, "status": number, "execute_msg": 3}

    found = answer(jobs.LIST, {"error_code": "0", "data": {"jobs": [job]}}).jobs[0]

    assert (found.id, found.state, found.output) == ("17", JobState.SUCCEEDED, "3")


def test_an_unknown_state_stays_a_number() -> None:
    body = {"error_code": "0", "data": {"jobs": [{"job_id": "j", "status": "4711"}]}}

    job = answer(jobs.LIST, body).jobs[0]

    assert (job.state, type(job.state), job.ended) == (4711, int, False)


@pytest.mark.parametrize("truth", [True, 1, "1", "true", "TRUE"], ids=repr)
def test_a_boolean_may_be_a_number_or_string(truth: object) -> None:
    image = {"version": "AOSP9", "enable": truth}
    sku = {"cbcSkuld": "s", "poolInfo": {"aosp": [image, image | {"enable": "false"}]}}

    body = {"error_code": "0", "data": {"skuSpecResponseList": [{"skuResponses": [sku]}]}}
    images = answer(orders.SKUS, body).regions[0].skus[0].pools.images

    assert [image.is_enabled for image in images] == [True, False]


@pytest.mark.parametrize(
    "operation, body",
    [
        (jobs.LIST, {"trace": 1}),
        (jobs.LIST, ["j"]),
        (jobs.LIST, "OK"),
        (streaming.AUTHORIZE, {"error_code": "0"}),
        (streaming.AUTHORIZE, {"error_code": "0", "data": {"device_token": None}}),
        (streaming.AUTHORIZE, {"error_code": "0", "data": {"device_token": "null"}}),
        (streaming.PROGRESS, {"error_code": "0", "data": {"status": "soon"}}),
    ],
)
def test_a_senseless_answer_is_unreadable_and_kept(operation: AnyOperation, body: object) -> None:
    with pytest.raises(UnreadableAnswer) as caught:
        answer(operation, body)

    assert caught.value.answer == wire.encode(body)
    assert (caught.value.operation, caught.value.status, caught.value.request_id) == (
        operation.name,
        200,
        "r1",
    )


@pytest.mark.parametrize(
    "body, reason",
    [
        (["j"], "it is a list, not a JSON object"),
        ("OK", "it is a text, not a JSON object"),
        (True, "it is a boolean, not a JSON object"),
        (5, "it is a number, not a JSON object"),
        (None, "it is null, not a JSON object"),
        ({"trace": 1}, "it has neither error_code nor data"),
    ],
)
def test_an_answer_that_is_no_envelope_is_described(body: object, reason: str) -> None:
    with pytest.raises(UnreadableAnswer, match=reason):
        answer(jobs.LIST, body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda deeper: (
            st.lists(deeper, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["data", "jobs", "job_id", "status", "error_code", "error_msg", "result", "instance_id"]
                ),
                deeper,
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.sampled_from([200, 201, 400, 401, 429, 500, 503]),
    st.sampled_from([jobs.LIST, instances.LIST, apps.LIST, commands.RUN, CREATE_TOKEN]),
)
def test_any_json_is_an_answer_or_a_koophone_error(
    body: object, status: int, operation: AnyOperation
) -> None:
    try:
        found = answer(operation, body, status)
    except KooPhoneError as error:
        assert str(error)  # noqa: PT017 - either end will do
    else:
        assert isinstance(found, operation.answer)
        assert status < 300


@given(st.binary(max_size=40), st.sampled_from([200, 404, 502]))
def test_any_bytes_are_a_koophone_error(body: bytes, status: int) -> None:
    with pytest.raises(KooPhoneError):
        read(commands.RUN, RawResponse(status, {}, b"\xff" + body), Edition.CHINA, None)


@pytest.mark.parametrize(
    "written, at",
    [
        ("2024-05-24 17:34:58", datetime(2024, 5, 24, 17, 34, 58, tzinfo=UTC)),
        ("2024-05-24T17:34:58Z", datetime(2024, 5, 24, 17, 34, 58, tzinfo=UTC)),
        ("2024-05-24T17:34:58+08:00", datetime(2024, 5, 24, 9, 34, 58, tzinfo=UTC)),
        (1716572098, datetime(2024, 5, 24, 17, 34, 58, tzinfo=UTC)),
        (1716572098000, datetime(2024, 5, 24, 17, 34, 58, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_every_format(written: object, at: datetime) -> None:
    body = {"error_code": "0", "data": {"result": [{"instance_id": "a", "backup_time": written}]}}

    assert answer(instances.LIST, body).items[0].backup_at == at


def test_a_time_is_sent_in_utc() -> None:
    at = datetime(2024, 5, 24, 17, 34, 58, tzinfo=timezone(timedelta(hours=8)))

    placed = wire.encode_request(instances.LIST, instances.InstanceQuery(since=at, request_id="r"))

    assert dict(placed.query)["query_start_time"] == "2024-05-24 09:34:58"


class Size(IntEnum):
    SMALL = 1


class Tint(StrEnum):
    RED = "red"


@frozen
class Everything:
    """Every kind of field in every place."""

    key: str = field(metadata=wire.wire("key"))
    sizes: tuple[Size | int, ...] = ()
    tint: Tint | str | None = None
    scene: Tint | None = None
    other: Tint | str = Tint.RED
    network: video.Network = video.Network.WIFI
    size: Size = Size.SMALL
    flag: bool | None = None
    tags: tuple[str, ...] = field(default=(), metadata=wire.wire("tag", place="query"))
    sealed: bool = field(default=True, metadata=wire.wire("sealed", place="query"))
    limit: int | None = field(default=None, metadata=wire.wire("limit", place="query"))


PUT = Operation(
    "koophone.test.put",
    "PUT",
    "/v1/{project_id}/things/{key}",
    Everything,
    Everything,
    source="made up",
    repeatable=True,
)


def test_every_field_goes_to_its_place() -> None:
    thing = Everything("a/b c~ü", (Size.SMALL,), tags=("x", "y"), limit=3)

    placed = wire.encode_request(PUT, thing, project_id="p1")

    assert placed.path == "/v1/p1/things/a%2Fb%20c~%C3%BC"
    assert placed.query == [("tag", "x"), ("tag", "y"), ("sealed", "true"), ("limit", "3")]
    assert wire.decode(placed.body or b"") == {"sizes": [1], "other": "red", "network": "WIFI", "size": 1}
    assert (
        wire.encode_request(jobs.LIST, jobs.TaskQuery("t1"), project_id="p1").path == "/v1/instances/tasks/t1"
    )
    assert ("sealed", "false") in wire.encode_request(
        PUT, Everything("a", sealed=False), project_id="p1"
    ).query


@pytest.mark.parametrize("key, project", [("", "p"), (".", "p"), ("..", "p"), ("a", ""), ("a", None)])
def test_a_path_value_is_never_empty(key: str, project: str | None) -> None:
    with pytest.raises(InvalidRequest, match="the path of this call needs it"):
        wire.encode_request(PUT, Everything(key), project_id=project)


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("sizes", [1, 7, "1"], (Size.SMALL, 7, Size.SMALL)),
        ("tint", "red", Tint.RED),
        ("tint", "pink", "pink"),
        ("tint", "", None),
        ("scene", "red", Tint.RED),
        ("scene", None, None),
        ("tint", None, None),
        ("other", "pink", "pink"),
        ("network", "WIRED", video.Network.WIRED),
        ("size", "1", Size.SMALL),
        ("flag", 0, False),
    ],
)
def test_a_field_is_read_by_its_type(name: str, value: object, expected: object) -> None:
    thing = wire.from_wire(Everything, {"key": 5, name: value})

    assert getattr(thing, name) == expected
    assert isinstance(getattr(thing, name), Enum) is isinstance(expected, Enum)
    assert thing.key == "5"


@frozen
class Renamed:
    text: str = field(metadata=wire.wire("new", "old"))


@pytest.mark.parametrize(
    "body", [{"new": "n"}, {"old": "n"}, {"new": "n", "old": "o"}, {"old": "o", "new": "n"}]
)
def test_a_former_name_is_read_if_the_present_one_is_missing(body: dict[str, str]) -> None:
    assert wire.from_wire(Renamed, body) == Renamed("n")


def test_an_unknown_value_of_a_closed_enum_is_refused() -> None:
    with pytest.raises(ValueError, match="5G"):
        wire.from_wire(Everything, {"key": "a", "network": "5G"})


def test_a_deeply_nested_value_spoils_at_most_its_answer() -> None:
    """At some depths JSON can be decoded, but its values cannot even be shown."""
    body = b'{"error_code":"0","data":{"jobs":[{"job_id":"j","status":%b%b},{"job_id":"i","status":2}]}}'
    for depth in (*range(800, 1_000), 5_000):
        answer = RawResponse(200, {}, body % (b"[" * depth, b"]" * depth))
        with suppress(UnreadableAnswer):
            assert [job.id for job in read(jobs.LIST, answer, Edition.CHINA, None).jobs] == ["i"]


def test_a_deeply_nested_answer_is_unreadable() -> None:
    deep = RawResponse(200, {}, b'{"data":' + b"[" * 100_000)

    with pytest.raises(UnreadableAnswer, match="it is nested too deeply"):
        read(jobs.LIST, deep, Edition.CHINA, None)


@pytest.mark.parametrize("time", [10**20, "soon", {}])
def test_a_time_of_a_request_that_is_none_is_refused(time: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        wire.from_wire(instances.InstanceQuery, {"query_start_time": time})
