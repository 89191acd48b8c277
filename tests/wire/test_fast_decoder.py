"""The contract of the decoders: the fast one gives the result of the fallback, or raises."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async import Edition, wire
from koophone_async.catalogue import OPERATIONS
from koophone_async.checks import Between
from koophone_async.errors import KooPhoneError
from koophone_async.koophone import JobState, StartedJob
from koophone_async.operation import Operation
from koophone_async.protocol.decoders import fallback
from koophone_async.protocol.decoders.fast import NOT_DECODED, fast_decoder
from koophone_async.protocol.reading import read
from koophone_async.protocol.response import RawResponse
from koophone_async.services.cph import jobs as cph_jobs
from koophone_async.services.cph import phones
from koophone_async.services.iam import CREATE_TOKEN
from koophone_async.services.koophone import commands, instances, jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.operation import AnyOperation
    from koophone_async.wire import Json

FAST: Final = {
    (operation.service == "koophone", operation.answer): operation
    for operation in OPERATIONS.values()
    if fast_decoder(operation, Edition.CHINA)
}
"""An operation for each model and envelope that has a fast decoder."""

ODDITIES: Final = st.sampled_from(
    [None, "", "null", "2", 2, -1, 10**20, 2.0, 2.5, True, False, "true", "yes", [], {}, ["x"], {"a": 1}]
)
TIMES: Final = st.sampled_from(
    ["2024-05-24 17:34:58", "2017-10-10T00:00:00Z", "2024-05-24T17:34:58.123456", "2024-05-24T17:34:58+08:00",
     "20240524T1734+08:00", "2024-05-24T17:34-05", "2024-05-24", "2024-05-24T24:00:00", "soon", "1716572098"]
)  # fmt: skip


PLAIN: Final[dict[Any, st.SearchStrategy[object]]] = {
    bool: st.sampled_from([0, 1, True, False, "true", "false"]),
    int: st.integers(-9, 2**40),
    datetime: TIMES,
}


def plain(kind: Any) -> st.SearchStrategy[object]:  # noqa: ANN401 - any type
    """Draw documented values of a type."""
    if kind in PLAIN:
        return PLAIN[kind]
    if isinstance(kind, type) and attrs.has(kind):
        return objects(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from([member.value for member in kind])
    members = [plain(part) for part in get_args(kind) if part not in (NoneType, ...)]
    if get_origin(kind) is tuple:
        return st.lists(members[0], max_size=3)
    return st.one_of(members) if members else st.text(max_size=4)


@cache
def objects(model: Any) -> st.SearchStrategy[Json]:  # noqa: ANN401 - any model
    """Draw JSON objects for a model: mostly documented, some with omitted, renamed or odd fields."""
    fields = attrs.fields(attrs.resolve_types(model))
    required = {a.name for a in fields if a.default is attrs.NOTHING}
    values = {
        name: st.one_of(plain(a.type), plain(a.type), plain(a.type), ODDITIES)
        for a in fields
        for name in (wire.spelling(a).name, *wire.spelling(a).also)
    }
    usual = {wire.spelling(a).name: plain(a.type) for a in fields if a.name in required}
    rest = {wire.spelling(a).name: plain(a.type) for a in fields if a.name not in required}
    return st.fixed_dictionaries(usual, optional=rest) | st.fixed_dictionaries({}, optional=values)


ZERO: Final = st.just({"error_code": "0"})
PAGING: Final = st.fixed_dictionaries({}, optional=dict.fromkeys(("page_no", "total_count"), ODDITIES))
CODE: Final = st.sampled_from([None, "", "0", 0, "1", False])
CODES: Final = st.one_of(ZERO, ZERO, ZERO, st.fixed_dictionaries({}, optional={"error_code": CODE}))


def in_data(payload: object) -> Json:
    return {"data": payload}


def together(*parts: Json) -> Json:
    return {name: value for part in parts for name, value in part.items()}


@cache
def answers(operation: AnyOperation) -> st.SearchStrategy[object]:
    """Draw bodies of a service, in its envelope or a similar one."""
    model: Any = operation.answer
    payload = objects(model)
    if operation.service != "koophone":
        return st.builds(together, payload, CODES)
    nested = st.builds(in_data, payload)
    data: st.SearchStrategy[object] = st.one_of(payload, payload, payload, nested, ODDITIES)
    return st.builds(together, st.builds(in_data, data), PAGING, CODES)


def result(decode: Callable[[], object]) -> object:
    """Return the result of a decoder, or the error that it raises."""
    try:
        return decode()
    except KooPhoneError as error:
        return repr(error)


@pytest.mark.parametrize("operation", FAST.values(), ids=lambda operation: operation.name)
@settings(max_examples=30)
@given(edition=st.sampled_from(Edition), data=st.data())
def test_both_decoders_give_the_same_result(
    operation: AnyOperation, edition: Edition, data: st.DataObject
) -> None:
    response = RawResponse(200, {}, wire.encode(data.draw(answers(operation))))

    fast = result(lambda: read(operation, response, edition, None))
    tolerant = result(lambda: fallback.decode(operation, response, edition, None))

    assert (fast, repr(fast)) == (tolerant, repr(tolerant))


HERE: Final = Path(__file__).parent


@pytest.mark.parametrize(
    "operation, example",
    [
        (instances.LIST, "examples/001__4.1.10__batch_query_instances__response-200.json"),
        (instances.STATUS, "examples/002__4.1.5__batch_query_status__response-200.json"),
        (commands.RUN_SYNC, "examples/001__4.1.1__sync_command__response-200.json"),
        (jobs.LIST, "examples/001__4.1.3__get_task__response-200.json"),
        (phones.LIST, "examples-cph/003__4.3.1__list_cloud_phones__response.json"),
    ],
)
def test_documented_examples_are_decoded_fast(operation: AnyOperation, example: str) -> None:
    body = (HERE / example).read_bytes()
    decode = fast_decoder(operation, Edition.INTERNATIONAL)

    assert decode is not None
    assert decode(body) == fallback.decode(operation, RawResponse(200, {}, body), Edition.INTERNATIONAL, None)


@pytest.mark.parametrize(
    "operation, body",
    [
        (instances.LIST, {"error_code": "0", "page_no": 2, "data": {"page_no": None}}),
        (instances.LIST, {"error_code": "0", "page_no": 2, "data": {"page_no": 1}}),
        (instances.LIST, {"error_code": "0", "page_no": 2, "data": {"data": {"page_no": 3}, "page_no": 1}}),
        (instances.LIST, {"error_code": "0", "data": {"result": [{"instance_id": 1}]}}),
        (
            instances.LIST,
            {"error_code": "0", "data": {"result": [{"instance_id": "a", "frozen_status": "y"}]}},
        ),
        (instances.LIST, {"error_code": "0", "data": {"result": [{"instance_id": "a", "frozen_status": 2}]}}),
        (instances.LIST, {"error_code": "0", "data": {"result": [{"instance_id": "a", "backup_time": ""}]}}),
        (
            instances.LIST,
            {"error_code": "0", "data": {"result": [{"instance_id": "a", "frozen_status": "null"}]}},
        ),
        (phones.LIST, {"phones": [{"phone_id": "a", "traffic_type": ""}]}),
        (phones.LIST, {"phones": [{"phone_id": "a", "create_time": "20240524T1734+08:00"}]}),
        (cph_jobs.LIST, {"jobs": [{"job_id": "a", "status": 1, "node_id": "s"}]}),
        (cph_jobs.LIST, {"jobs": [{"job_id": "a", "status": 1, "node_id": "s", "server_id": None}]}),
        (jobs.LIST, {"error_code": False, "data": {"jobs": []}}),
    ],
)
def test_unusual_answers_give_the_same_result(operation: AnyOperation, body: Json) -> None:
    response = RawResponse(200, {}, wire.encode(body))

    assert result(lambda: read(operation, response, Edition.CHINA, None)) == result(
        lambda: fallback.decode(operation, response, Edition.CHINA, None)
    )


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"error_code": "1", "error_msg": "no"}', b"\xff"])
def test_errors_are_left_to_the_fallback_decoder(body: bytes) -> None:
    decode = fast_decoder(jobs.LIST, Edition.CHINA)

    assert decode is not None
    with pytest.raises(NOT_DECODED):
        decode(body)
    with pytest.raises(KooPhoneError):
        fallback.decode(jobs.LIST, RawResponse(200, {}, body), Edition.CHINA, None)


def test_an_answer_with_headers_has_no_fast_decoder() -> None:
    assert fast_decoder(CREATE_TOKEN, Edition.CHINA) is None


@frozen
class Nothing:
    """A request without fields."""


def upper(name: str) -> str:
    return name.upper()


@frozen(kw_only=True)
class Port:
    """Has an `__init__` that validates and converts."""

    number: int = field(validator=Between(1, 65535), metadata=wire.wire("port"))
    state: JobState = JobState.RUNNING
    name: str = field(default="adb", converter=upper)


@frozen
class WithValidator:
    """Has a value that is validated."""

    number: int = field(validator=Between(1, 65535))


@frozen
class WithFactory:
    """Has a default that is created for each instance."""

    names: tuple[str, ...] = field(factory=tuple[str, ...])


@frozen
class WithMapping:
    """Has a field that only the fallback decoder can read."""

    labels: dict[str, str]


@frozen
class WithEither:
    """Has a field of two types."""

    value: int | str


def answering(model: type) -> AnyOperation:
    """Return an operation whose answer is the model."""
    return Operation("koophone.tests.ask", "GET", "/", Nothing, model, source="", repeatable=True)


@pytest.mark.parametrize("model", [Port, WithValidator, WithFactory, WithMapping, WithEither])
def test_a_model_that_is_not_plain_has_no_fast_decoder(model: type) -> None:
    assert fast_decoder(answering(model), Edition.CHINA) is None


@frozen
class WithGaps:
    """Has a list that may contain nulls."""

    jobs: tuple[StartedJob | None, ...]


def test_a_list_with_nulls_has_a_fast_decoder() -> None:
    decode = fast_decoder(answering(WithGaps), Edition.CHINA)

    assert decode is not None
    decoded = decode(b'{"error_code": "0", "data": {"jobs": [null, {"instance_id": "a", "job_id": "j"}]}}')
    assert decoded == WithGaps((None, StartedJob("a", "j")))


@frozen
class WithTimes:
    """Has a list of times without a zone."""

    times: tuple[datetime, ...]


def test_a_list_of_times_has_a_fast_decoder() -> None:
    decode = fast_decoder(answering(WithTimes), Edition.CHINA)

    assert decode is not None
    decoded = decode(b'{"error_code": "0", "data": {"times": ["2025-01-02 03:04:05"]}}')
    assert decoded == WithTimes((datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),))
