"""Rows that no document describes spoil nothing but themselves."""

from __future__ import annotations

import copy
import functools
import json
import pickle
from datetime import datetime
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Final, Union, cast, get_args, get_origin

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async import Edition, UnreadableValue, catalogue, unreadable_values, wire
from koophone_async.errors import KooPhoneError, UnreadableAnswer
from koophone_async.koophone import JobState
from koophone_async.protocol.decoders import fallback
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.rows import Rows, dropped_rows
from koophone_async.services.cph import jobs as cph_jobs
from koophone_async.services.cph import phones
from koophone_async.services.koophone import commands, instances, jobs, orders, streaming
from tests.wire.documented import by_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from koophone_async.operation import AnyOperation
    from koophone_async.wire import Json

HERE: Final = Path(__file__).parent
OPERATIONS: Final = by_document("iam", "koophone", "cph", "gaming")
EXAMPLES: Final = sorted(
    path
    for folder in ("examples", "examples-cph", "examples-gaming")
    for path in (HERE / folder).glob("*__response*.json")
    if not path.stem.endswith("-400")
)
Keys = tuple[str | int, ...]


def operation_of(example: Path) -> AnyOperation:
    return OPERATIONS[example.name.split("__")[2]]


def answer(operation: AnyOperation, body: bytes, edition: Edition = Edition.CHINA) -> Any:  # noqa: ANN401 - of any operation
    """Read a body by both decoders, which must agree, and return the answer."""
    response = RawResponse(200, {"X-Subject-Token": "t"}, body)
    results: list[object] = []
    for decode in (read, fallback.decode):
        try:
            results.append(decode(operation, response, edition, None))
        except KooPhoneError as error:
            results.append(error)
    fast, tolerant = results
    assert repr(fast) == repr(tolerant)
    if isinstance(fast, KooPhoneError):
        raise fast
    return fast


def success(data: object) -> bytes:
    return json.dumps({"error_code": "0", "data": data}).encode()


def task_of(rows: list[Json]) -> bytes:
    return success({"jobs": rows})


def page_of(rows: list[Json]) -> bytes:
    return encoded({"jobs": rows})


BROKEN_TEXTS: Final = {
    b'"cut \\ud83d"': "cut \ufffd",
    b'"cut \\ude00 on"': "cut \ufffd on",
    b'"whole \\ud83d\\ude00, cut \\ud83d"': "whole \U0001f600, cut \ufffd",
    b'"cut \xe4\xb8"': "cut \ufffd",
    b'"cut \xf0\x9f\x98 on"': "cut \ufffd on",
    b'"\xff"': "\ufffd",
    b'"line\x1b[0m\x00\n\ttab"': "line\x1b[0m\x00\n\ttab",
}
"""Texts that are no valid JSON, and how they are read."""


@pytest.mark.parametrize("text, expected", BROKEN_TEXTS.items(), ids=lambda text: repr(text)[:24])
@pytest.mark.parametrize(
    "operation, body, field",
    [
        (
            jobs.LIST,
            b'{"error_code":"0","data":{"jobs":[{"job_id":"a","status":2,"execute_msg":%s}]}}',
            "jobs",
        ),
        (
            commands.RUN_SYNC,
            b'{"error_code":"0","data":{"cmd_results":[{"instance_id":"a","status":2,"execute_msg":%s}]}}',
            "results",
        ),
        (cph_jobs.LIST, b'{"jobs":[{"job_id":"a","status":2,"execute_msg":%s}]}', "items"),
    ],
)
def test_a_text_that_is_no_json_is_kept(
    operation: AnyOperation, body: bytes, field: str, text: bytes, expected: str
) -> None:
    (row,) = getattr(answer(operation, body % text), field)

    assert (row.state, row.output) == (JobState.SUCCEEDED, expected)


@pytest.mark.parametrize("text", [b'"\\ud83d"', b'"\xe4\xb8"', b'"\x1b"'])
def test_a_broken_name_in_a_list_keeps_the_row(text: bytes) -> None:
    phone = b'{"phones":[{"phone_id":"a","phone_name":%s},{"phone_id":"b"}]}' % text

    assert [row.id for row in answer(phones.LIST, phone).items] == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [b"<html>ok</html>", b"[]", b'"ok"', b"7", b"null", b'{"error_code":"0"', b'{"a":1}x', b"\xff\xfe{"],
)
def test_only_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableAnswer):
        answer(jobs.LIST, body)


ODD_ROWS: Final[Sequence[tuple[Json, str, str]]] = [
    ({"job_id": None, "status": 2}, "job_id", "null"),
    ({"job_id": {"id": "a"}, "status": 2}, "job_id", "an object"),
    ({"status": 2}, "job_id", "missing"),
    ({"job_id": "b", "status": None}, "status", "null"),
    ({"job_id": "b"}, "status", "missing"),
    ({"job_id": "b", "status": "null"}, "status", '"null"'),
    ({"job_id": "b", "status": "done"}, "status", '"done"'),
    ({"job_id": "b", "status": 1.5}, "status", "1.5"),
    ({"job_id": "b", "status": []}, "status", "a list"),
]
"""Rows of a list of jobs, and the field and value that cannot be read."""


@pytest.mark.parametrize("row, field, value", ODD_ROWS)
@pytest.mark.parametrize(
    "operation, answered",
    [(jobs.LIST, task_of), (cph_jobs.LIST, page_of)],
)
def test_an_odd_row_is_left_out_and_recorded(
    operation: AnyOperation,
    answered: Callable[[list[Json]], bytes],
    row: Json,
    field: str,
    value: str,
) -> None:
    good = {"job_id": "a", "status": 2}

    page = answer(operation, answered([good, row, good | {"job_id": "c"}]))
    listed = page.jobs if operation is jobs.LIST else page.items

    assert [job.id for job in listed] == ["a", "c"]
    (recorded,) = unreadable_values(listed)
    assert (recorded.field, recorded.value, recorded.drops_row) == (field, value, True)
    assert recorded.ids == (("b",) if row.get("job_id") == "b" else ())


@pytest.mark.parametrize("row", [None, "j", 7, [], True], ids=repr)
def test_a_row_that_is_no_object_is_left_out(row: object) -> None:
    task = answer(jobs.LIST, success({"jobs": [row, {"job_id": "a", "status": 2}]}))

    assert [job.id for job in task.jobs] == ["a"]
    assert [value.field for value in unreadable_values(task.jobs)] == [""]


@pytest.mark.parametrize("time", ["yesterday", "2024-13-01 00:00:00", 10**20, "9" * 5000, {}, [1], 1e300])
def test_a_time_that_is_none_keeps_the_row(time: object) -> None:
    page = answer(instances.LIST, success({"result": [{"instance_id": "a", "backup_time": time}]}))

    assert page.items == (instances.Instance("a"),)
    (recorded,) = unreadable_values(page.items)
    assert (recorded.field, recorded.ids, recorded.drops_row) == ("backup_time", ("a",), False)


@pytest.mark.parametrize("null", [None, *wire.NULL_TEXTS, ""], ids=repr)
def test_the_text_null_is_an_absent_value(null: object) -> None:
    row = dict.fromkeys(("backup_time", "restore_status", "frozen_status", "phone_id"), null)
    port = {"aport": null, "atype": null}
    stream = {
        "device_token": "t",
        "resource": {
            "sdk": {"internal": port, "external": null},
            "rtc": {"ice_signaling": {"expired_time": null, "ice_servers": null}},
        },
    }

    (instance,) = answer(instances.LIST, success({"result": [{"instance_id": "a"} | row]})).items
    access = answer(streaming.AUTHORIZE, success(stream))

    assert instance == instances.Instance("a", phone_id="" if null == "" else None)
    assert access.resource.sdk == streaming.StreamAddresses(streaming.StreamAddress())
    assert access.resource.rtc.signaling == streaming.Signaling()


@pytest.mark.parametrize("number", ["9" * 5000, "NaN", "-Infinity", "1e999"], ids=lambda text: text[:9])
def test_a_number_that_is_none_spoils_no_broken_text(number: str) -> None:
    row = b'{"phone_id":"a","phone_name":"\x1b","status":%s}' % number.encode()

    (phone,) = answer(phones.LIST, b'{"phones":[%s]}' % row).items

    assert (phone.name, phone.state) == ("\x1b", None)


@pytest.mark.parametrize("seconds", ["inf", "nan", "1e999", "soon"])
def test_a_duration_that_is_not_finite_is_absent(seconds: str) -> None:
    signaling = {"ice_signaling": {"expired_time": seconds, "ice_servers": 7}}

    access = answer(streaming.AUTHORIZE, success({"device_token": "t", "resource": {"rtc": signaling}}))

    assert access.resource.rtc.signaling == streaming.Signaling()


def test_an_output_may_be_the_text_null() -> None:
    body = success({"jobs": [{"job_id": "a", "status": 2, "execute_msg": "null"}]})

    assert answer(jobs.LIST, body).jobs[0].output == "null"


def test_ice_servers_may_be_objects() -> None:
    servers = ["stun:a", {"urls": ["turn:b"], "credential": "c"}]
    signaling = {"ice_signaling": {"ice_servers": servers, "expired_time": "x"}}

    access = answer(streaming.AUTHORIZE, success({"device_token": "t", "resource": {"rtc": signaling}}))

    assert access.resource.rtc.signaling.ice_servers == (
        "stun:a",
        '{"urls":["turn:b"],"credential":"c"}',
    )
    assert (access.token, access.resource.rtc.signaling.seconds) == ("t", None)


@pytest.mark.parametrize("name", ["cbcSkuId", "cbcSkuld"])
def test_the_list_of_skus_is_read_in_both_spellings(name: str) -> None:
    images = [{"version": None, "id": "i"}, {"version": "AOSP11", "resPoolld": "p"}]
    sku = {name: "s", "poolInfo": {"aosp": images}}
    body = {
        "bandInfo": {name: "band"},
        "skuSpecResponseList": [{"regionld": "r", "skuResponses": [sku, {name: None}]}],
    }

    skus = answer(orders.SKUS, success(body))

    assert skus.band == orders.BandwidthProduct("band")
    assert (skus.regions[0].region, [one.id for one in skus.regions[0].skus]) == ("r", ["s"])
    assert [one.version for one in skus.regions[0].skus[0].pools.images] == ["AOSP11"]
    assert [value.field for value in unreadable_values(skus.regions)] == ["version", name]


def test_a_started_task_keeps_its_id_whatever_its_jobs_are() -> None:
    rows = [{"instance_id": "a", "job_id": None}, {"instance_id": "b", "job_id": "j"}]

    some = answer(commands.RUN, success({"task_id": "t", "cmd_jobs": rows}))
    none = answer(commands.RUN, success({"task_id": "t", "cmd_jobs": "none"}))

    assert (some.id, some.instances_by_job) == ("t", {"j": "b"})
    assert (none.id, none.jobs) == ("t", ())
    assert str(unreadable_values(some.jobs)[0]) == "job_id is null (id a)"
    assert [(value.field, value.value) for value in unreadable_values(none.jobs)] == [("cmd_jobs", "a text")]


@pytest.mark.parametrize(
    "code, ended", [("0", False), ("", False), (None, False), ("null", False), ("KOOPHONE.API.62010", True)]
)
def test_a_job_of_status_3_has_ended_with_an_error_code(code: str | None, *, ended: bool) -> None:
    body = success({"jobs": [{"job_id": "a", "status": 3, "error_code": code}]})

    assert answer(jobs.LIST, body).jobs[0].ended is ended


def test_a_job_of_an_unknown_status_has_not_ended() -> None:
    row = {"job_id": "a", "status": 9, "error_code": "KOOPHONE.API.9999"}

    (job,) = answer(jobs.LIST, success({"jobs": [row]})).jobs

    assert (job.state, job.ended) == (9, False)


@pytest.mark.parametrize("code", [None, *wire.NULL_TEXTS, "", 0], ids=repr)
def test_an_error_code_that_is_none_is_no_error(code: object) -> None:
    page: Json = {"phones": [{"phone_id": "a"}], "error_code": code, "request_id": {}}

    assert [phone.id for phone in answer(phones.LIST, json.dumps(page).encode()).items] == ["a"]


def test_what_is_unreadable_is_logged_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    rows = [{"phone_id": None, "phone_name": f"p{n}"} for n in range(7)]
    secret = {"phone_id": "p", "phone_name": "n", "status": "https://host/path?Signature=s3cret"}

    answer(phones.LIST, json.dumps({"phones": [secret, *rows]}).encode())

    assert "cph.phones.list: unreadable values in the answer: status is" in caplog.text
    assert "(id p); phone_id is null; " in caplog.text
    assert "; 3 more" in caplog.text
    assert "s3cret" not in caplog.text


def test_an_error_names_the_ids_of_an_answer_that_cannot_be_read() -> None:
    rows = [{"instanceId": "i1"}, {"instanceId": None}, {"instanceId": "i2", "instanceName": "n"}]

    with pytest.raises(
        UnreadableAnswer, match=r"orderId is null; the answer has instanceId i1, instanceId i2$"
    ):
        answer(orders.BUY, success({"orderId": None, "instanceInfos": rows}))


def test_an_order_keeps_its_id_whatever_its_instances_are() -> None:
    spoilt: list[object] = ["none", [None], [{"instanceId": None}], 10**400]

    for rows in spoilt:
        assert answer(orders.BUY, success({"orderId": "o1", "instanceInfos": rows})) == orders.Order("o1")


def test_an_unreadable_secret_is_not_shown() -> None:
    with pytest.raises(UnreadableAnswer, match=r"device_token is \*\*\*") as raised:
        answer(streaming.AUTHORIZE, success({"device_token": {"value": "s3cret"}}))

    assert "s3cret" not in repr(raised.value)


def test_rows_are_a_tuple_that_can_be_copied_and_pickled() -> None:
    values = [UnreadableValue("status", "null", ("a",)), UnreadableValue("time", "{}", drops_row=False)]
    rows = Rows((1, 2), values, values[:1])

    for one in (copy.copy(rows), copy.deepcopy(rows), pickle.loads(pickle.dumps(rows))):  # noqa: S301 - our own
        assert (one, unreadable_values(one), dropped_rows(one)) == ((1, 2), tuple(values), (values[0],))


ODD: Final = st.sampled_from(
    [None, "null", "NULL", "None", "", "odd", "yesterday", "\x1b", 0, 7, -1, 1.5, 1e300, 10**30, 10**400,
     True, False, [], {}, [None], ["odd"], {"a": {"b": 1}}]
)  # fmt: skip
MISSING: Final = object()


def places(value: object, at: Keys = ()) -> Iterator[Keys]:
    """Yield the keys of every value inside a body."""
    if isinstance(value, dict | list):
        rows = dict[Any, object](enumerate(cast("list[object]", value)))
        for key, inside in (cast("Json", value) if isinstance(value, dict) else rows).items():
            yield (*at, key)
            yield from places(inside, (*at, key))


def replaced(body: Any, at: Keys, value: object) -> Any:  # noqa: ANN401 - any JSON
    """Return a body with one value replaced, or removed if MISSING."""
    body = copy.deepcopy(body)
    parent = body
    for key in at[:-1]:
        parent = parent[key]
    if value is MISSING:
        del parent[at[-1]]
    else:
        parent[at[-1]] = value
    return body


def encoded(body: object) -> bytes:
    """Encode a body, which may have a number with more digits than msgspec encodes."""
    return json.dumps(body).encode()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
@settings(max_examples=40)
@given(data=st.data())
def test_one_odd_value_spoils_at_most_its_answer(example: Path, data: st.DataObject) -> None:
    body = json.loads(example.read_text("utf-8"))
    at = data.draw(st.sampled_from([*places(body)] or [()]))
    value = data.draw(ODD | st.just(MISSING))
    if at:
        body = replaced(body, at, value)

    try:
        found = answer(operation_of(example), encoded(body), data.draw(st.sampled_from(Edition)))
    except KooPhoneError as error:
        assert str(error)  # noqa: PT017 - an error is one of two good ends
    else:
        assert isinstance(found, operation_of(example).answer)


def row_lists(value: object, at: Keys = ()) -> Iterator[Keys]:
    """Yield the keys of the lists of objects that are in no other list."""
    if isinstance(value, list):
        if value and all(isinstance(row, dict) for row in cast("list[object]", value)):
            yield at
    elif isinstance(value, dict):
        for key, inside in cast("Json", value).items():
            yield from row_lists(inside, (*at, key))


def list_of(operation: AnyOperation, name: str) -> str | None:
    """Return the field of an answer that has the rows of a list in a body."""
    fields = attrs.fields(attrs.resolve_types(operation.answer))
    spelt = {name: a.name for a in fields for name in (wire.spelling(a).name, *wire.spelling(a).also)}
    return spelt.get(name)


LISTS: Final = [
    (path, at)
    for path in EXAMPLES
    for at in row_lists(json.loads(path.read_text("utf-8")))
    if list_of(operation_of(path), str(at[-1]))
]
"""Each list of rows in an example."""


@pytest.mark.parametrize("example, at", LISTS, ids=lambda value: getattr(value, "stem", None))
@settings(max_examples=40)
@given(data=st.data())
def test_an_odd_row_spoils_no_other_row(example: Path, at: Keys, data: st.DataObject) -> None:
    operation, body = operation_of(example), json.loads(example.read_text("utf-8"))
    row = functools.reduce(lambda value, key: value[key], at, body)[0]
    odd = replaced(row, data.draw(st.sampled_from([*places(row)])), data.draw(ODD | st.just(MISSING)))

    good, spoilt = (
        getattr(answer(operation, encoded(replaced(body, at, rows))), list_of(operation, str(at[-1])) or "")
        for rows in ([row, row], [row, odd, row])
    )

    assert (spoilt[0], spoilt[-1]) == good
    assert len(spoilt) + len(dropped_rows(spoilt)) == 3


def sample(kind: Any) -> object:  # noqa: ANN401 - any type
    """Return a JSON value of a type."""
    plain: dict[Any, object] = {str: "text", int: 1, float: 1.5, bool: True, datetime: "2024-05-24 17:34:58"}
    if kind in plain:
        return plain[kind]
    if isinstance(kind, type) and attrs.has(kind):
        return {wire.spelling(a).name: sample(a.type) for a in attrs.fields(attrs.resolve_types(kind))}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind)).value
    if get_origin(kind) is tuple:
        return [sample(get_args(kind)[0])]
    members = [member for member in get_args(kind) if member is not NoneType]
    return sample(members[0]) if get_origin(kind) in (Union, UnionType) else {"name": "text"}


MODELS: Final = {
    (operation.answer, wire.spelling(attribute).name): (operation, attribute)
    for operation in catalogue.OPERATIONS.values()
    for attribute in attrs.fields(attrs.resolve_types(operation.answer))
    if get_origin(attribute.type) is tuple and attrs.has(get_args(attribute.type)[0])
}
"""Every list of rows in an answer of the catalogue, by class and name on the wire."""


@pytest.mark.parametrize("operation, attribute", MODELS.values(), ids=lambda value: value.name)
@settings(max_examples=40)
@given(data=st.data())
def test_an_odd_row_of_any_list_of_the_catalogue_spoils_no_other(
    operation: AnyOperation, attribute: attrs.Attribute[Any], data: st.DataObject
) -> None:
    row = sample(get_args(attribute.type)[0])
    odd = replaced(row, data.draw(st.sampled_from([*places(row)])), data.draw(ODD | st.just(MISSING)))

    good, spoilt = (
        getattr(answer(operation, body_of(operation, {wire.spelling(attribute).name: rows})), attribute.name)
        for rows in ([row, row], [row, odd, row])
    )

    assert (spoilt[0], spoilt[-1]) == good
    assert len(spoilt) + len(dropped_rows(spoilt)) == 3


def body_of(operation: AnyOperation, payload: Json) -> bytes:
    """Return an answer with a sample of every field, and these."""
    body = cast("Json", sample(operation.answer)) | {"error_code": "0"} | payload
    return encoded({"error_code": "0", "data": body} if operation.service == "koophone" else body)
