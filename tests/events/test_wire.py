"""The documented calls as bytes, and everything that is none of them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.events import (
    INBOUND,
    Access,
    Event,
    GameEntered,
    GameQuit,
    Grant,
    Head,
    Heartbeat,
    Reason,
    Receiver,
    properties,
    read_access,
    read_event,
    write,
)
from koophone_async.events.errors import Rejected
from tests.events.service import KEY, TICKET, access, entered, pieces, post, quitted

EXAMPLES: Final = Path(__file__).parent / "examples"

ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)
times = st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds it
texts = st.none() | st.text(st.characters(codec="utf-8"), min_size=1)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(GameEntered, ids, ids, ids, times, texts, texts),
    st.builds(GameQuit, ids, ids, ids, times, st.integers(0, 10**9), texts, texts),
    st.builds(Heartbeat, phone=ids, at=times, app=st.just("") | ids, session=st.just("") | ids),
)


def example(name: str) -> bytes:
    return (EXAMPLES / f"{name}.json").read_bytes()


def changed(**fields: object) -> bytes:
    told = json.loads(write(quitted()))
    told["event"].update(fields)
    return json.dumps(told).encode()


def reason(body: bytes) -> Reason:
    with pytest.raises(Rejected) as caught:
        read_event(body)
    return caught.value.reason


def test_the_documents_enter_is_read() -> None:
    event = read_event(example("enter_game_event"))

    assert isinstance(event, GameEntered)
    assert event.phone == "a7f3a1c5258347d6b6f1def79e11f2bc"
    assert event.at == datetime(2019, 11, 14, 19, 38, 49, tzinfo=UTC)
    assert event.error is None


def test_the_documents_quit_is_read_with_its_seconds_as_they_came() -> None:
    event = read_event(example("quit_game_event"))

    assert isinstance(event, GameQuit)
    assert event.played == 41000


def test_the_documents_heartbeat_is_read() -> None:
    event = read_event(example("heartbeat_event"))

    assert isinstance(event, Heartbeat)
    assert (event.app, event.session) == (
        "282fd613e04651a48225f1b2034de7",
        "36728337b89f22122af4a6e08bb1e7c0",
    )


def test_the_documents_access_is_read() -> None:
    question = read_access(example("verify_access"))

    assert (question.session, question.stamp) == ("xxxx", 128234892384)


def test_the_vendors_misspelling_of_encrypted_data_is_read() -> None:
    body = example("verify_access").replace(b'"encrypted_data": ""', b'"encypted_data": "sealed"')

    assert read_access(body).data == "sealed"


def test_every_documented_call_has_a_path_and_a_property() -> None:
    assert {inbound.name: inbound.path for inbound in INBOUND} == {
        "events.verify": "/verify",
        "events.enter": "/events",
        "events.quit": "/events",
        "events.heartbeat": "/heartbeats",
    }


def test_a_phone_is_told_where_to_call_by_its_properties() -> None:
    assert properties("https://games.example.com/cph/", 30) == {
        "com.cph.cg.sign_check_url": "https://games.example.com/cph/verify",
        "com.cph.cg.event_notify_url": "https://games.example.com/cph/events",
        "com.cph.cg.heartbeat_url": "https://games.example.com/cph/heartbeats",
        "com.cph.cg.heartbeat_interval": "30",
    }


@pytest.mark.parametrize("address", ["ftp://x", "https://x?a=1", "https://" + "x" * 250])
def test_an_address_that_no_phone_takes_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest, match="256") as caught:
        properties(address, 30)

    assert address not in str(caught.value)


@given(events)
def test_what_is_written_is_read_again(event: Event) -> None:
    assert read_event(write(event)) == event


def test_an_access_that_is_written_is_read_again() -> None:
    question = access(Receiver().cipher)

    assert read_access(write(question)) == question


@pytest.mark.parametrize("event_type", ["app", "heartbeat"])
def test_a_heartbeat_is_known_by_its_type_or_by_having_no_status(event_type: str) -> None:
    body = {"event_type": event_type, "event": {"phone_id": "p", "time": "2026-01-01T00:00:00Z"}}

    assert isinstance(read_event(json.dumps(body).encode()), Heartbeat)


def test_blank_and_null_in_a_heartbeat_mean_that_no_game_runs() -> None:
    content = {"phone_id": "p", "time": "2026-01-01T00:00:00Z", "app_id": "", "session_id": None}
    event = read_event(json.dumps({"event_type": "heartbeat", "event": content}).encode())

    assert (event.app, event.session) == ("", "")


def test_numbers_as_text_and_unknown_fields_are_read() -> None:
    event = read_event(changed(status="1", run_time="60", newly={"added": [True]}))

    assert event == quitted()


@pytest.mark.parametrize("time", ["2026-01-01T08:01:00+08:00", "2026-01-01T00:01:00", 1767225660000])
def test_times_are_aware_and_utc_however_they_are_written(time: str | int) -> None:
    event = read_event(changed(time=time))

    assert event.at == quitted().at
    assert event.at.utcoffset() == timedelta(0)


def test_a_time_of_another_zone_becomes_utc() -> None:
    there = timezone(timedelta(hours=8))

    assert GameEntered("p", "a", "s", datetime(2026, 1, 1, 8, tzinfo=there)).at.tzinfo is UTC


@pytest.mark.parametrize(
    "fields",
    [
        {"phone_id": None},
        {"phone_id": ""},
        {"phone_id": "x" * 129},
        {"phone_id": True},
        {"phone_id": ["p"]},
        {"app_id": {}},
        {"session_id": 1.5e300, "time": "yesterday"},
        {"time": True},
        {"time": 10**400},
        {"time": "0001-01-01T00:00:00+14:00"},
        {"run_time": -1},
        {"run_time": "long"},
        {"run_time": None},
        {"status": True},
        {"status": [1]},
        {"error_msg": []},
    ],
)
def test_wrong_fields_are_refused(fields: dict[str, Any]) -> None:
    assert reason(changed(**fields)) is Reason.FIELDS


@pytest.mark.parametrize(
    "body",
    [b"[]", b"null", b"{}", b'{"event_type": "app"}', b'{"event_type": "app", "event": []}',
     b'{"event_type": 1, "event": {"status": 0}}', b'{"event": {"status": 0}}'],
)  # fmt: skip
def test_what_is_no_event_is_refused(body: bytes) -> None:
    assert reason(body) is Reason.FIELDS


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"', b"[" * 60_000, b"{}{}", b"\x00"]
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert reason(body) is Reason.JSON


def test_depth_in_a_field_is_refused() -> None:
    for depth in range(700, 1000, 3):
        body = b'{"session_id": "s", "ticket": "t", "encrypted_data": "", "aes_iv": "", "auth_ts": %s}'
        with pytest.raises(Rejected):
            read_access(body % (b"[" * depth + b"]" * depth))


@pytest.mark.parametrize("status", [2, -1, "3", None, 0.5])
def test_a_status_of_a_later_version_is_an_unknown_event(status: object) -> None:
    assert reason(changed(status=status)) is Reason.UNKNOWN_EVENT


def test_a_type_of_a_later_version_is_an_unknown_event() -> None:
    assert reason(b'{"event_type": "network", "event": {}}') is Reason.UNKNOWN_EVENT
    assert reason(b'{"event_type": "network", "event": {"status": 0}}') is Reason.UNKNOWN_EVENT


@pytest.mark.parametrize(
    "method, path, headers, status",
    [
        ("POST", "/", {}, 404),
        ("POST", "/events/more", {}, 404),
        ("GET", "/events", {}, 405),
        ("POST", "/events", {"content-type": "text/html"}, 415),
        ("POST", "/events", {"content-encoding": "gzip"}, 415),
        ("POST", "/events", {"content-length": "65537"}, 413),
    ],
)
async def test_a_head_is_refused_before_its_body_is_read(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    body = pieces(write(entered()))
    async with Receiver() as receiver:
        answer = await receiver.receive(Head(method, path, headers), body)

    assert answer.status == status
    assert await anext(body)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json; charset=utf-8", "content-encoding": "identity"},
        {"content-type": "application/cloudevents+json", "content-length": "400"},
        {"content-type": "text/json", "content-length": "unsaid"},
        {"content-length": "65536"},
    ],
)
async def test_json_is_taken_under_its_names_and_under_none(headers: dict[str, str]) -> None:
    async with Receiver() as receiver:
        answer = await post(receiver, "/events/", write(entered()), headers)

    assert answer.status == 200
    assert len(json.loads(answer.body)["request_id"]) == 32


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["app", "heartbeat"])
)
names = st.text() | st.sampled_from(
    ["event_type", "event", "status", "phone_id", "app_id", "time", "session_id", "run_time", "error_msg",
     "ticket", "auth_ts", "aes_iv", "encrypted_data"]
)  # fmt: skip
values = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)
valid = st.sampled_from([write(entered()), write(quitted()), write(access(Receiver().cipher))])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid body with one field that holds anything."""
    told: dict[str, Any] = json.loads(draw(valid))
    place = told["event"] if "event" in told and draw(st.booleans()) else told
    place[draw(st.sampled_from(sorted(place)))] = draw(values)
    return json.dumps(told).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A valid body with a piece cut out and another put in."""
    body = draw(valid)
    begin, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
    return body[:begin] + draw(st.binary(max_size=20)) + body[end:]


BODIES: Final = {
    "bytes": st.binary(),
    "json": values.map(lambda value: json.dumps(value).encode()),
    "mutated": mutated(),
    "damaged": damaged(),
}


@pytest.mark.parametrize("count", [100, pytest.param(2_500, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", BODIES)
def test_no_body_causes_anything_but_an_answer(kind: str, count: int) -> None:
    receiver = Receiver()

    @receiver.on_verify
    async def look_up(_: Access) -> Grant:
        return Grant(KEY, ticket="another")

    @settings(max_examples=count, database=None)
    @given(BODIES[kind], st.sampled_from(["/events", "/heartbeats", "/verify"]))
    def fuzz(body: bytes, path: str) -> None:
        answer = runner.run(post(receiver, path, body))
        told = json.loads(answer.body)
        assert answer.status in (200, 400, 403, 422)
        assert set(told) == (
            {"request_id"} if answer.status == 200 else {"request_id", "error_code", "error_msg"}
        )
        assert TICKET.encode() not in answer.body
        if answer.status == 200:  # then it was an event, and one that can be told again
            assert read_event(write(read_event(body))) == read_event(body)

    with asyncio.Runner() as runner:
        runner.run(receiver.__aenter__())
        fuzz()
        runner.run(receiver.__aexit__(None, None, None))

    assert receiver.counts.admitted == 0
    assert receiver.counts.accepted + receiver.counts.refused.total() >= count
