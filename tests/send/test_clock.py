"""A clock that is wrong: what the error says, and which time the next signature has."""

from __future__ import annotations

import asyncio
import logging
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest
from attrs import define
from yarl import URL

from koophone_async import KooPhone, Session
from koophone_async.connection_pool import ConnectionPool
from koophone_async.errors import AuthenticationFailed
from koophone_async.virtual_time import VirtualTimeLoop
from tests.fake_server import FakeServer, ReceivedRequest, Reply
from tests.send.network import ScriptedResolver
from tests.send.operations import BUY, KEY, READ, RUN, SET, Note, session

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator
    from koophone_async.operation import Operation
    from tests.send.network import Certificate

UNVERIFIED: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
UNVERIFIED.check_hostname = False
UNVERIFIED.verify_mode = ssl.CERT_NONE
EXPIRED: Final = {"error_code": "APIGW.0301", "error_msg": "signature expired"}
WRONG_KEY: Final = {"error_code": "APIGW.0301", "error_msg": "verify aksk signature fail"}
DONE: Final = {"error_code": "0", "data": {"text": "done"}}


@define
class Service:
    """A service that refuses signatures that are more than fifteen minutes off, and all with `wrong_key`."""

    wrong_key: bool = False
    date: str | None = None
    """Instead of the right one."""

    executions: int = 0

    def handle(self, request: ReceivedRequest) -> Reply:
        now = VirtualTimeLoop.running().now()
        signed = datetime.strptime(request.headers["x-sdk-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        headers = {
            "Date": format_datetime(now.astimezone(UTC), usegmt=True) if self.date is None else self.date
        }
        if self.wrong_key:
            return Reply(WRONG_KEY, 401, headers)
        if abs(signed - now) > timedelta(minutes=15):
            return Reply(EXPIRED, 401, headers)
        self.executions += 1
        return Reply(DONE, 200, headers)


@define
class WrongClock:
    """The clock of this machine, which can be set right."""

    ahead: timedelta

    def __call__(self) -> datetime:
        return VirtualTimeLoop.running().now() + self.ahead


def with_clock(session: Session, **ahead: float) -> WrongClock:
    """Set the clock of a session wrong."""
    clock = session.now = WrongClock(timedelta(**ahead))
    return clock


@pytest.mark.parametrize("operation", [READ, SET, RUN], ids=lambda o: o.name)
@pytest.mark.parametrize("minutes", [20, -20, 16, -1439, 1439])
async def test_a_wrong_clock_is_corrected_and_logged_once(
    operation: Operation[Any, Any], minutes: int, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service()
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        with_clock(ours, minutes=minutes)
        for _ in range(3):
            await ours.send(operation, Note())

    assert (server.request_count, service.executions) == (4, 3)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    direction = "ahead of" if minutes > 0 else "behind"
    assert len(warnings) == 1
    assert f"{abs(minutes) * 60:,} s {direction}" in warnings[0]


async def test_a_clock_that_is_set_right_is_not_corrected_any_more() -> None:
    service = Service()
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        clock = with_clock(ours, minutes=60)
        await ours.send(RUN, Note())
        for clock.ahead in (timedelta(0), timedelta(minutes=-30), timedelta(minutes=3)):
            await ours.send(RUN, Note())

    assert service.executions == 4
    assert [r.headers["x-sdk-date"] for r in server.received][-1] == "20260101T000300Z"


async def test_an_order_is_not_repeated_but_the_next_one_is_right() -> None:
    service = Service()
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        with_clock(ours, minutes=20)
        with pytest.raises(AuthenticationFailed, match="is 1,200 s ahead of the service's"):
            await ours.send(BUY, Note())
        await ours.send(BUY, Note())

    assert (server.request_count, service.executions) == (2, 1)


async def test_many_calls_are_all_repeated_with_the_right_time() -> None:
    service = Service()
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        with_clock(ours, minutes=20)
        await asyncio.gather(*(ours.send(RUN, Note()) for _ in range(50)))

    assert service.executions == 50


async def test_a_wrong_key_is_tried_once_more_at_most() -> None:
    service = Service(wrong_key=True)
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        with pytest.raises(AuthenticationFailed) as caught:
            await ours.send(RUN, Note())
        assert (server.request_count, caught.value.clock_ahead) == (1, None)
        with_clock(ours, minutes=20)
        with pytest.raises(AuthenticationFailed) as caught:
            await ours.send(RUN, Note())

    assert (server.request_count, caught.value.clock_ahead) == (3, None)


@pytest.mark.parametrize("minutes", [1441, -1441, 60 * 24 * 365])
async def test_more_than_a_day_is_said_and_not_corrected(minutes: int) -> None:
    service = Service()
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        with_clock(ours, minutes=minutes)
        with pytest.raises(AuthenticationFailed) as caught:
            await ours.send(RUN, Note())

    assert caught.value.clock_ahead == minutes * 60
    assert server.request_count == 1


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Thu, 99 Jan 2026 00:00:00 GMT", "0", "Thu, 01 Jan 99999 00:00:00 GMT"]
)
async def test_a_date_that_is_none_changes_nothing(date: str) -> None:
    service = Service(date=date)
    async with FakeServer.handling(service.handle) as server, session(server.url) as ours:
        with_clock(ours, minutes=20)
        with pytest.raises(AuthenticationFailed) as caught:
            await ours.send(RUN, Note())

    assert (server.request_count, caught.value.clock_ahead) == (1, None)


async def test_a_date_over_plain_http_is_said_and_not_used() -> None:
    service = Service()
    async with FakeServer.handling(service.handle) as server, ScriptedResolver().session() as http:
        environ = {
            "KOOPHONE_ENDPOINT": f"http://koophone.test:{server.port}",
            "KOOPHONE_ALLOW_HTTP": "koophone.test",
        }
        ours = Session(KEY, environ=environ, http=http)
        with_clock(ours, minutes=20)
        with pytest.raises(AuthenticationFailed, match="is 1,200 s ahead of the service's"):
            await ours.send(RUN, Note())

    assert server.request_count == 1


async def test_a_date_over_verified_tls_is_used(certificate: Certificate) -> None:
    service = Service()
    server = FakeServer.handling(service.handle)
    server.tls = certificate.server
    async with server, ScriptedResolver().session(certificate.trust) as http:
        ours = session(server.url, http=http)
        with_clock(ours, minutes=20)
        await ours.send(RUN, Note())

    assert service.executions == 1


@pytest.mark.parametrize(
    "url, trust, verified",
    [
        ("https://koophone.test", True, True),
        ("https://koophone.test", ssl.create_default_context(), True),
        ("https://koophone.test", UNVERIFIED, False),
        ("https://koophone.test", False, False),
        ("https://koophone.test", aiohttp.Fingerprint(b"0" * 32), False),
        ("http://koophone.test", True, False),
        ("http://127.0.0.1", True, True),
    ],
)
async def test_only_a_verified_certificate_vouches_for_a_date(
    url: str,
    trust: Any,  # noqa: ANN401 - what aiohttp accepts
    *,
    verified: bool,
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as http:
        pool = ConnectionPool(1, aiohttp.ClientTimeout(), None, 1, shared=http)
        assert pool.verifies(URL(url)) is verified


async def test_a_signature_at_the_emulator_is_corrected(emulator: Emulator) -> None:
    async with emulator.session() as ours:
        with_clock(ours, minutes=-30)
        await KooPhone(ours).commands.run(["phone0001"], "id")

    assert emulator.ledger.executions("koophone.commands.run") == {"phone0001": 1}
