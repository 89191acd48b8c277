"""Wire format: the documented calls and malformed bodies."""

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
    INBOUND_CALLS,
    Access,
    Event,
    GameEntered,
    GameQuit,
    Grant,
    Heartbeat,
    Reason,
    Receiver,
    RequestHead,
    parse_access,
    parse_event,
    properties,
    serialize,
)
from koophone_async.events.errors import Rejected
from tests.events.samples import KEY, TICKET, access, chunks_of, entered, post, quit_event

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
    call = json.loads(serialize(quit_event()))
    call["event"].update(fields)
    return json.dumps(call).encode()


def reason(body: bytes) -> Reason:
    with pytest.raises(Rejected) as caught:
        parse_event(body)
    return caught.value.reason


def test_the_documented_enter_is_parsed() -> None:
    event = parse_event(example("enter_game_event"))

    assert isinstance(event, GameEntered)
    assert event.phone == "a7f3a1c5258347d6b6f1def79e11f2bc"
    assert event.at == datetime(2019, 11, 14, 19, 38, 49, tzinfo=UTC)
    assert event.error is None


def test_the_documented_quit_is_parsed_without_conversion() -> None:
    event = parse_event(example("quit_game_event"))

    assert isinstance(event, GameQuit)
    assert event.played == 41000


def test_the_documented_heartbeat_is_parsed() -> None:
    event = parse_event(example("heartbeat_event"))

    assert isinstance(event, Heartbeat)
    assert (event.app, event.session) == (
        "282fd613e04651a48225f1b2034de7",
        "36728337b89f22122af4a6e08bb1e7c0",
    )


def test_the_documented_access_is_parsed() -> None:
    request = parse_access(example("verify_access"))

    assert (request.session, request.timestamp) == ("xxxx", 128234892384)


def test_the_misspelling_encypted_data_is_accepted() -> None:
    body = example("verify_access").replace(b'"encrypted_data": ""', b'"encypted_data": "sealed"')

    assert parse_access(body).data == "sealed"


def test_every_documented_call_has_a_path_and_a_property() -> None:
    assert {inbound.name: inbound.path for inbound in INBOUND_CALLS} == {
        "events.verify": "/verify",
        "events.enter": "/events",
        "events.quit": "/events",
        "events.heartbeat": "/heartbeats",
    }


def test_phone_properties_contain_the_urls_to_call() -> None:
    assert properties("https://games.example.com/cph/", 30) == {
        "com.cph.cg.sign_check_url": "https://games.example.com/cph/verify",
        "com.cph.cg.event_notify_url": "https://games.example.com/cph/events",
        "com.cph.cg.heartbeat_url": "https://games.example.com/cph/heartbeats",
        "com.cph.cg.heartbeat_interval": "30",
    }


@pytest.mark.parametrize("address", ["ftp://x", "https://x?a=1", "https://" + "x" * 250])
def test_an_address_that_phones_do_not_accept_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest, match="256") as caught:
        properties(address, 30)

    assert address not in str(caught.value)


@given(events)
def test_events_survive_a_round_trip(event: Event) -> None:
    assert parse_event(serialize(event)) == event


def test_an_access_survives_a_round_trip() -> None:
    request = access(Receiver().cipher)

    assert parse_access(serialize(request)) == request


@pytest.mark.parametrize("event_type", ["app", "heartbeat"])
def test_a_heartbeat_has_its_own_type_or_no_status(event_type: str) -> None:
    body = {"event_type": event_type, "event": {"phone_id": "p", "time": "2026-01-01T00:00:00Z"}}

    assert isinstance(parse_event(json.dumps(body).encode()), Heartbeat)


def test_empty_and_null_fields_mean_that_no_game_is_running() -> None:
    content = {"phone_id": "p", "time": "2026-01-01T00:00:00Z", "app_id": "", "session_id": None}
    event = parse_event(json.dumps({"event_type": "heartbeat", "event": content}).encode())

    assert (event.app, event.session) == ("", "")


def test_numbers_as_text_and_unknown_fields_are_accepted() -> None:
    event = parse_event(changed(status="1", run_time="60", newly={"added": [True]}))

    assert event == quit_event()


@pytest.mark.parametrize("time", ["2026-01-01T08:01:00+08:00", "2026-01-01T00:01:00", 1767225660000])
def test_all_time_formats_are_parsed_as_utc(time: str | int) -> None:
    event = parse_event(changed(time=time))

    assert event.at == quit_event().at
    assert event.at.utcoffset() == timedelta(0)


def test_a_time_in_another_zone_is_converted_to_utc() -> None:
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
def test_a_body_that_is_not_an_event_is_refused(body: bytes) -> None:
    assert reason(body) is Reason.FIELDS


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'"\\ud800"', b"[" * 60_000, b"{}{}", b"\x00"]
)
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    assert reason(body) is Reason.JSON


def test_a_deeply_nested_field_is_refused() -> None:
    for depth in range(700, 1000, 3):
        body = b'{"session_id": "s", "ticket": "t", "encrypted_data": "", "aes_iv": "", "auth_ts": %s}'
        with pytest.raises(Rejected):
            parse_access(body % (b"[" * depth + b"]" * depth))


@pytest.mark.parametrize("status", [2, -1, "3", None, 0.5])
def test_an_unknown_status_is_an_unknown_event(status: object) -> None:
    assert reason(changed(status=status)) is Reason.UNKNOWN_EVENT


def test_an_unknown_event_type_is_an_unknown_event() -> None:
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
async def test_a_refused_head_leaves_the_body_unread(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    body = chunks_of(serialize(entered()))
    async with Receiver() as receiver:
        answer = await receiver.receive(RequestHead(method, path, headers), body)

    assert answer.status == status
    assert await anext(body)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json; charset=utf-8", "content-encoding": "identity"},
        {"content-type": "application/cloudevents+json", "content-length": "400"},
        {"content-type": "text/json", "content-length": "messages"},
        {"content-length": "65536"},
    ],
)
async def test_json_content_types_and_none_are_accepted(headers: dict[str, str]) -> None:
    async with Receiver() as receiver:
        answer = await post(receiver, "/events/", serialize(entered()), headers)

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
valid = st.sampled_from([serialize(entered()), serialize(quit_event()), serialize(access(Receiver().cipher))])


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Return a valid body with a random value in one field."""
    call: dict[str, Any] = json.loads(draw(valid))
    target = call["event"] if "event" in call and draw(st.booleans()) else call
    target[draw(st.sampled_from(sorted(target)))] = draw(values)
    return json.dumps(call).encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Return a valid body with random bytes in place of a slice."""
    body = draw(valid)
    begin, end = sorted((draw(st.integers(0, len(body))), draw(st.integers(0, len(body)))))
    return body[:begin] + draw(st.binary(max_size=20)) + body[end:]


BODIES: Final = {
    "bytes": st.binary(),
    "json": values.map(lambda value: json.dumps(value).encode()),
    "mutated": mutated(),
    "damaged": damaged(),
}


@pytest.mark.parametrize("count", [100, pytest.param(1_000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("kind", BODIES)
def test_every_body_is_answered(kind: str, count: int) -> None:
    receiver = Receiver()

    @receiver.on_verify
    async def lookup(_: Access) -> Grant:
        return Grant(KEY, ticket="another")

    @settings(max_examples=count, database=None)
    @given(BODIES[kind], st.sampled_from(["/events", "/heartbeats", "/verify"]))
    def fuzz(body: bytes, path: str) -> None:
        answer = runner.run(post(receiver, path, body))
        content = json.loads(answer.body)
        assert answer.status in (200, 400, 403, 422)
        assert set(content) == (
            {"request_id"} if answer.status == 200 else {"request_id", "error_code", "error_msg"}
        )
        assert TICKET.encode() not in answer.body
        if answer.status == 200:  # it was an event, which can be serialized again
            assert parse_event(serialize(parse_event(body))) == parse_event(body)

    with asyncio.Runner() as runner:
        runner.run(receiver.__aenter__())
        fuzz()
        runner.run(receiver.__aexit__(None, None, None))

    assert receiver.counts.verified == 0
    assert receiver.counts.accepted + receiver.counts.refused.total() >= count
