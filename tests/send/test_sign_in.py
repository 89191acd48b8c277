"""What calls are signed with: keys, temporary keys, tokens; when a new one is asked for, and how often."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import msgspec
import pytest
from attrs import define, field, frozen

from koophone_async import AccessKey, Password, Quota, Retries, Timeouts
from koophone_async.authentication import MAX_SIGNED_BODY
from koophone_async.call import SendTracker
from koophone_async.errors import (
    AuthenticationFailed,
    ConnectionLost,
    InvalidRequest,
    KooPhoneError,
    NotConnected,
    NotSent,
    Throttled,
)
from koophone_async.iam import AccessibleQuery
from koophone_async.operation import Operation
from koophone_async.protocol.signing import Request, parse_authorization, verify
from koophone_async.services.iam import LIST_ACCESSIBLE
from koophone_async.virtual_time import VirtualTimeLoop
from tests.fake_server import (
    Behaviour,
    Connection,
    FakeServer,
    ReceivedRequest,
    garbage,
    replies,
    reset_after_request,
    stall,
)
from tests.send.operations import BUY, KEY, READ, RUN, SET, Answer, Note, session

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator

USER: Final = Password("ann", "a password", "acme", "cn-north-4")
EXPIRED: Final = replies(401, "KOOPHONE.API.6001", "Authenticate Failed!")


@define(eq=False)
class Account:
    """IAM and KooPhone in one: issues tokens, and accepts all but expired ones."""

    server: FakeServer
    life: timedelta = timedelta(hours=24)
    dead: set[str] = field(factory=set[str])
    signed_in: int = 0
    iam: list[Behaviour] = field(factory=list[Behaviour])

    async def behaviour(self, connection: Connection) -> bool:
        received = await connection.request(executed=False)
        if received.target == "/v3/auth/tokens":
            return await self.issue_token(connection, received)
        if received.headers.get("x-auth-token") in self.dead:
            await connection.reply(
                401, b'{"error_code":"KOOPHONE.API.6001","error_msg":"Authenticate Failed!"}'
            )
        else:
            self.server.executions += 1
            await connection.reply(200, b'{"data":{"text":"done"},"projects":[]}')
        return True

    async def issue_token(self, connection: Connection, received: ReceivedRequest) -> bool:
        self.signed_in += 1
        if self.iam:
            return await self.iam.pop(0)(AfterRequest(connection, received))
        ends = VirtualTimeLoop.running().now() + self.life
        body = msgspec.json.encode({"token": {"expires_at": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ")}})
        await connection.reply(201, body, X_Subject_Token=f"token-{self.signed_in}")
        return True


class AfterRequest(Connection):
    """A connection whose request has been read."""

    def __init__(self, connection: Connection, received: ReceivedRequest) -> None:
        super().__init__(connection.server, connection.reader, connection.writer)
        self._received = received

    async def request(self, *, executed: bool) -> ReceivedRequest:
        return self._received


def account(**options: object) -> Account:
    server = FakeServer()
    served = Account(server, **options)  # type: ignore[arg-type]
    server.default = served.behaviour
    return served


def tokens(server: FakeServer) -> list[str]:
    return [a.headers["x-auth-token"] for a in server.received if a.target != "/v3/auth/tokens"]


async def test_a_hundred_calls_fetch_one_token() -> None:
    iam = account()
    async with iam.server as server, session(server.url, USER) as ours:
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(100)))

    assert (iam.signed_in, server.executions) == (1, 100)
    assert set(tokens(server)) == {"token-1"}


async def test_the_token_request_has_user_and_project_and_no_signature() -> None:
    iam = account()
    async with iam.server as server, session(server.url, USER) as ours:
        await ours.send(RUN, Note())

    asked = server.received[0]
    body = msgspec.json.decode(asked.body)["auth"]
    assert body["identity"]["password"]["user"] == {
        "name": "ann",
        "password": "a password",
        "domain": {"name": "acme"},
    }
    assert body["scope"] == {"project": {"name": "cn-north-4"}}
    assert not {"authorization", "x-auth-token"} & set(asked.headers)


async def test_a_token_is_renewed_before_it_expires() -> None:
    iam = account(life=timedelta(hours=1))
    async with iam.server as server, session(server.url, USER) as ours:
        for seconds in (0, 54 * 60, 2 * 60):
            await asyncio.sleep(seconds)
            await ours.send(RUN, Note())

    assert tokens(server) == ["token-1", "token-1", "token-2"]
    assert server.executions == 3


@pytest.mark.parametrize("operation", [READ, SET, RUN], ids=["read", "repeatable write", "other write"])
async def test_a_refused_token_is_renewed_and_the_call_retried(
    operation: Operation[Note, Answer],
) -> None:
    iam = account(dead={"token-1"})
    async with iam.server as server, session(server.url, USER) as ours:
        await ours.send(operation, Note())

    assert tokens(server) == ["token-1", "token-2"]
    assert (iam.signed_in, server.executions) == (2, 1)


async def test_a_hundred_calls_renew_a_refused_token_once() -> None:
    iam = account(dead={"token-1"})
    async with iam.server as server, session(server.url, USER) as ours:
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(100)))

    assert (iam.signed_in, server.executions) == (2, 100)


async def test_a_second_refused_token_is_an_error() -> None:
    iam = account(dead={"token-1", "token-2"})
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(AuthenticationFailed):
            await ours.send(RUN, Note())

    assert (iam.signed_in, server.executions) == (2, 0)


async def test_an_order_with_a_refused_token_is_not_retried() -> None:
    iam = account(dead={"token-1"})
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(AuthenticationFailed):
            await ours.send(BUY, Note())
        await ours.send(BUY, Note())

    assert tokens(server) == ["token-1", "token-2"]
    assert server.executions == 1


async def test_a_401_about_an_instance_renews_nothing() -> None:
    iam = account()
    async with iam.server as server:
        async with session(server.url, USER) as ours:
            await ours.send(RUN, Note())
        server.behaviours.append(replies(401, "KOOPHONE.API.1001"))
        async with ours:
            with pytest.raises(Exception, match=r"KOOPHONE\.API\.1001"):
                await ours.send(RUN, Note())
            await ours.send(RUN, Note())

    assert iam.signed_in == 1


@pytest.mark.parametrize("lost", [reset_after_request, garbage])
async def test_a_call_without_a_token_was_not_sent(
    lost: Behaviour,
) -> None:
    tracker = SendTracker()
    iam = account(iam=[lost] * 20)
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(NotConnected, match=r"run: not sent: no token: iam\.tokens\.create") as caught:
            await ours.send(RUN, Note(), tracker=tracker)

    assert (tracker.sent, caught.value.repeatable, tokens(server)) == (False, True, [])
    assert iam.signed_in == 3


OUTAGES: Final[dict[str, Behaviour]] = {
    "connection reset": reset_after_request,
    "no HTTP": garbage,
    "silence": stall,
    "429": replies(429, "APIG.0308", "throttled"),
    "429 with Retry-After": replies(429, "APIG.0308", "throttled", Retry_After="1"),
    "500": replies(500, "IAM.0011"),
    "503": replies(503),
    "503 with Retry-After": replies(503, Retry_After="1"),
    "HTML": replies(201, message="<html>"),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
@pytest.mark.parametrize("operation", [READ, SET, RUN, BUY, LIST_ACCESSIBLE], ids=lambda o: o.name)
async def test_a_call_that_signs_in_asks_iam_three_times(
    outage: Behaviour, operation: Operation[Any, Any]
) -> None:
    tracker = SendTracker()
    iam = account(iam=[outage] * 20)
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(KooPhoneError):
            await ours.send(operation, operation.request(), tracker=tracker)

    assert (iam.signed_in, tokens(server), tracker.sent) == (3, [], False)


async def test_calls_that_wait_for_one_sign_in_ask_iam_three_times() -> None:
    iam = account(iam=[reset_after_request] * 20)
    async with iam.server as server, session(server.url, USER) as ours:
        ends = await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(100)), return_exceptions=True)

    assert {type(end) for end in ends} == {NotConnected}
    assert iam.signed_in == 3


async def test_a_failed_sign_in_does_not_hide_an_attempt_in_doubt() -> None:
    tracker = SendTracker()
    iam = account(life=timedelta(minutes=1))
    throttled = replies(429, "APIG.0308", "throttled")

    async def lose_late(connection: Connection) -> bool:
        await connection.request(executed=True)
        iam.iam = [throttled] * 20
        await asyncio.sleep(120)  # the token expires meanwhile
        return connection.reset()

    async with iam.server as server:
        options = {"timeouts": Timeouts(read=None), "retries": Retries(deadline=1000)}
        async with session(server.url, USER, **options) as ours:
            await ours.send(SET, Note())
        server.behaviours.append(lose_late)
        async with ours:
            with pytest.raises(ConnectionLost):
                await ours.send(SET, Note(), tracker=tracker)

    assert tracker.sent


async def test_a_lost_token_request_is_retried() -> None:
    iam = account(iam=[reset_after_request])
    async with iam.server as server, session(server.url, USER) as ours:
        await ours.send(RUN, Note())

    assert (iam.signed_in, server.executions) == (2, 1)


async def test_a_wrong_password_is_tried_once() -> None:
    wrong = replies(401, message='{"error":{"code":401,"message":"The username or password is wrong."}}')
    iam = account(iam=[wrong] * 5)
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(AuthenticationFailed, match="password is wrong") as caught:
            await ours.send(RUN, Note())

    assert caught.value.operation == "iam.tokens.create"
    assert (iam.signed_in, tokens(server)) == (1, [])


async def test_a_throttled_token_request_slows_no_other_operation() -> None:
    words = "The throttling threshold has been reached: policy user over ratelimit,limit:1,time:1 minute"
    iam = account(iam=[replies(429, "APIG.0308", words)] * 20)
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(Throttled):
            await ours.send(RUN, Note())

        assert ours.limits.estimate(RUN.name, (), 50) == 0
    assert tokens(server) == []


async def test_a_token_answer_without_a_token_is_unreadable() -> None:
    iam = account(iam=[replies(201, message='{"token":{"expires_at":"2026-01-02T00:00:00.000000Z"}}')] * 20)
    async with iam.server as server, session(server.url, USER) as ours:
        with pytest.raises(NotSent, match="X-Subject-Token is missing"):
            await ours.send(RUN, Note())

    assert tokens(server) == []


@pytest.mark.parametrize("size", [9_120, 32_768])
@pytest.mark.parametrize("is_own", [True, False], ids=["own pool", "caller's session"])
async def test_a_long_token_is_received_and_sent(size: int, *, is_own: bool) -> None:
    async def issue(connection: Connection) -> bool:
        body = b'{"token":{"expires_at":"2099-01-01T00:00:00.000000Z"}}'
        await connection.reply(201, body, X_Subject_Token="T" * size)
        return True

    iam = account(iam=[issue])
    async with iam.server as server, aiohttp.ClientSession() as http:
        ours = session(server.url, USER, http=None if is_own else http)
        async with ours:
            await ours.send(RUN, Note())

    assert tokens(server) == ["T" * size]


async def test_the_emulator_accepts_a_header_of_32_kb(emulator: Emulator) -> None:
    async with aiohttp.ClientSession() as http:
        url = f"{emulator.endpoint}/v1/instances/batch-query"
        async with http.get(url, headers={"X-Auth-Token": "T" * 32_768}) as answer:
            assert answer.status == 401


def is_signed(received: ReceivedRequest, secret: str) -> bool:
    claim = parse_authorization(received.headers["authorization"])
    assert claim is not None
    path, _, query = received.target.partition("?")
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&")) if name]
    return verify(claim, secret, Request(received.method, path, pairs, received.headers, received.body))


@pytest.mark.parametrize("operation", [READ, RUN], ids=lambda o: o.name)
async def test_requests_arrive_with_a_valid_signature(operation: Operation[Note, Answer]) -> None:
    async with FakeServer() as server, session(server.url) as ours:
        await ours.send(operation, Note())

    assert is_signed(server.received[0], KEY.secret_key)
    assert server.received[0].headers["x-sdk-date"] == "20260101T000000Z"


async def test_every_attempt_is_signed_anew() -> None:
    async with FakeServer([replies(503, Retry_After="30")]) as server, session(server.url) as ours:
        await ours.send(RUN, Note())

    dates = [received.headers["x-sdk-date"] for received in server.received]
    assert dates[0] == "20260101T000000Z"
    assert dates[1] >= "20260101T000030Z"
    assert is_signed(server.received[1], KEY.secret_key)


@frozen
class Keys:
    """A provider of temporary keys, each valid for an hour."""

    issued: list[AccessKey] = field(factory=list[AccessKey])

    async def __call__(self) -> AccessKey:
        number = len(self.issued) + 1
        ends = VirtualTimeLoop.running().now() + timedelta(hours=1)
        self.issued.append(AccessKey(f"AK{number}", "secret", f"session-{number}", expires_at=ends))
        return self.issued[-1]


async def test_the_security_token_is_sent_and_signed() -> None:
    async with FakeServer() as server, session(server.url, Keys()) as ours:
        await ours.send(RUN, Note())

    received = server.received[0]
    assert received.headers["x-security-token"] == "session-1"
    assert "x-security-token" in received.headers["authorization"]
    assert is_signed(received, "secret")


async def test_a_temporary_key_is_renewed_early_and_when_refused() -> None:
    keys = Keys()
    async with FakeServer() as server:
        async with session(server.url, keys) as ours:
            await ours.send(RUN, Note())
        await asyncio.sleep(56 * 60)
        server.behaviours.append(EXPIRED)
        async with ours:
            await ours.send(RUN, Note())

    assert [a.headers["x-security-token"] for a in server.received] == ["session-1", "session-2", "session-3"]
    assert server.executions == 2


async def test_a_temporary_key_may_expire_during_a_quota_wait() -> None:
    quota = (Quota(1, 29 * 60),)
    async with FakeServer() as server, session(server.url, Keys(), quotas={RUN.name: quota}) as ours:
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(4)))

    used = [received.headers["x-security-token"] for received in server.received]
    assert used == ["session-1", "session-1", "session-2", "session-2"]


async def test_a_fixed_temporary_key_cannot_be_renewed() -> None:
    async with (
        FakeServer([EXPIRED]) as server,
        session(server.url, AccessKey("AK", "secret", "session")) as ours,
    ):
        with pytest.raises(AuthenticationFailed):
            await ours.send(RUN, Note())

    assert server.request_count == 1


async def test_a_refused_permanent_key_is_not_fetched_again() -> None:
    issued: list[AccessKey] = []

    async def provider() -> AccessKey:
        issued.append(KEY)
        return KEY

    async with FakeServer(default=EXPIRED) as server, session(server.url, provider) as ours:
        with pytest.raises(AuthenticationFailed):
            await ours.send(RUN, Note())

    assert (len(issued), server.request_count) == (1, 1)


async def test_services_get_the_project_and_iam_the_account() -> None:
    key = AccessKey("AK", "secret", project_id="p1", domain_id="d1")
    iam = account()
    async with iam.server as server, session(server.url, key) as ours:
        await ours.send(RUN, Note())
        await ours.send(LIST_ACCESSIBLE, AccessibleQuery())

    run, listed = (received.headers for received in server.received)
    assert (run.get("x-project-id"), run.get("x-domain-id")) == ("p1", None)
    assert (listed.get("x-project-id"), listed.get("x-domain-id")) == (None, "d1")
    assert all(is_signed(received, "secret") for received in server.received)


@frozen
class Long:
    text: str


LONG: Final = Operation(
    "koophone.notes.long", "POST", "/v1/notes", Long, Answer, source="made up", repeatable=False
)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("excess", [0, 1])
async def test_a_signed_body_has_at_most_12_megabytes(excess: int) -> None:
    note = Long("x" * (MAX_SIGNED_BODY + excess - len('{"text":""}')))
    async with FakeServer() as server, session(server.url) as ours:
        if excess:
            with pytest.raises(
                InvalidRequest, match="body: has 12,582,913 bytes; a signed one may have at most 12,582,912"
            ):
                await ours.send(LONG, note)
        else:
            await ours.send(LONG, note)

    assert server.request_count == 1 - excess


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_larger_body_is_sent_with_a_token() -> None:
    iam = account()
    async with iam.server as server, session(server.url, USER) as ours:
        await ours.send(LONG, Long("x" * MAX_SIGNED_BODY))

    assert server.executions == 1


async def test_a_token_request_may_share_the_quota_of_its_calls() -> None:
    iam = account()
    async with iam.server as server, session(server.url, USER, quotas={"*": (Quota(2, 1),)}) as ours:
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(3)))

    assert (iam.signed_in, server.executions) == (1, 3)


async def test_waiting_calls_do_not_use_a_refused_token() -> None:
    iam = account()
    async with iam.server as server, session(server.url, USER, quotas={RUN.name: (Quota(1, 60),)}) as ours:
        await ours.send(RUN, Note())
        iam.dead.add("token-1")
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(3)))

    assert tokens(server) == ["token-1", "token-1", "token-2", "token-2", "token-2"]


async def test_a_token_request_does_not_reopen_a_closed_session() -> None:
    iam = account(iam=[stall])
    async with iam.server as server:
        async with session(server.url, USER) as ours:
            call = asyncio.create_task(ours.send(RUN, Note()))
            await server.reached.wait()
            call.cancel()
        await asyncio.sleep(60)

        assert len(server.connections) == 1
