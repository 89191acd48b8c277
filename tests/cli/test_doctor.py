"""`koophone doctor` finds the trouble, and the next step."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cli.commands.checkup import Check, Verdict, examine
from koophone_async.cli.settings import Settings
from koophone_async.emulator import Emulator
from koophone_async.emulator.server.faults import from_json
from koophone_async.session import utc_now
from tests.cli.conftest import settings_of
from tests.fake_server import FakeServer, Reply
from tests.send.network import Certificate

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunMain
    from tests.fake_server import ReceivedRequest

KEY: Final = {"HUAWEICLOUD_SDK_AK": "A", "HUAWEICLOUD_SDK_SK": "B"}


async def found(environ: dict[str, str], **options: str) -> dict[str, Check]:
    """Return the checks that were made, by name."""
    return {check.check: check async for check in examine(Settings.of(environ, **options), utc_now)}


def koophone_at(url: str) -> dict[str, str]:
    return KEY | {"KOOPHONE_ENDPOINT": url}


def trouble(checks: dict[str, Check]) -> dict[str, tuple[str, str]]:
    return {name: (c.found, c.advice) for name, c in checks.items() if c.verdict is Verdict.FAILED}


async def test_all_is_well_with_an_emulator() -> None:
    async with Emulator(3) as emulator:
        checks = await found(settings_of(emulator.banner()))

    assert trouble(checks) == {}
    assert [name.split()[0] for name in checks] == [
        "credentials",
        "region",
        *(["endpoint", "connection", "clock", "permissions"] * 3),
    ]


async def test_without_an_account_the_network_is_checked_all_the_same() -> None:
    async with Emulator(3) as emulator:
        environ = settings_of(emulator.banner()) | {"HUAWEICLOUD_SDK_AK": "", "HUAWEICLOUD_SDK_SK": ""}
        checks = await found(environ | {"KOOPHONE_REGION": "cn-north-4", "KOOPHONE_PROFILE": "none"})

    assert [*trouble(checks)] == ["credentials"]
    assert checks["connection koophone"].verdict is Verdict.OK
    assert checks["permissions koophone"] == Check(
        "permissions koophone", Verdict.SKIPPED, "needs credentials"
    )


async def test_a_wrong_key_is_tried_once() -> None:
    async with Emulator(3) as emulator:
        checks = await found(settings_of(emulator.banner()) | {"HUAWEICLOUD_SDK_SK": "wrong"})

    assert [*trouble(checks)] == ["permissions koophone"]
    assert "Check the credentials" in checks["permissions koophone"].advice
    assert checks["permissions cph"].found == "the credentials were refused"


async def test_throttling_is_a_matter_of_the_quota() -> None:
    plan = [{"operation": "koophone.instances.list", "action": "throttle"}]
    async with Emulator(3, faults=from_json(plan)) as emulator:
        checks = await found(settings_of(emulator.banner()))

    assert [*trouble(checks)] == ["quota koophone"]


@pytest.mark.parametrize("ahead", [timedelta(days=2), timedelta(minutes=-6)])
async def test_a_wrong_clock_is_found(ahead: timedelta) -> None:
    def reply(_: ReceivedRequest) -> Reply:
        return Reply({}, 404, {"Date": format_datetime(datetime.now(UTC) - ahead, usegmt=True)})

    async with FakeServer.handling(reply) as server:
        clock = (await found(koophone_at(server.url)))["clock koophone"]

    assert clock.verdict is Verdict.FAILED
    assert ("ahead of" if ahead > timedelta(0) else "behind") in clock.found
    assert clock.advice == "Set the clock of this machine, such as with NTP."


async def test_a_service_without_a_time_is_no_trouble() -> None:
    async with FakeServer.handling(lambda _: Reply({}, 404, {"Date": "soon"})) as server:
        clock = (await found(koophone_at(server.url)))["clock koophone"]

    assert clock.verdict is Verdict.SKIPPED


async def test_an_unknown_host_is_a_matter_of_dns() -> None:
    checks = await found(koophone_at("https://koophone.invalid"))

    assert "koophone.invalid" in trouble(checks)["dns koophone"][0]
    assert "tls koophone" not in checks


async def test_an_untrusted_certificate_is_a_matter_of_tls(tmp_path: Path) -> None:
    async with FakeServer(tls=Certificate.make(tmp_path).server) as server:
        checks = await found(koophone_at(server.url))

    problem, advice = trouble(checks)["tls koophone"]
    assert "is not trusted" in problem
    assert "SSL_CERT_FILE" in advice


async def test_a_port_without_tls_is_a_matter_of_tls() -> None:
    async with Emulator(3) as emulator:
        checks = await found(koophone_at(emulator.endpoint.replace("http:", "https:")))

    assert "does not speak TLS" in trouble(checks)["tls koophone"][0]


async def test_a_closed_port_is_a_matter_of_the_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        checks = await found(koophone_at(f"http://127.0.0.1:{free.getsockname()[1]}"))

    assert "no connection with 127.0.0.1" in trouble(checks)["connection koophone"][0]


@pytest.mark.virtual_time
async def test_a_service_that_does_not_answer_is_not_awaited_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        checks = await found(koophone_at(f"http://127.0.0.1:{silent.getsockname()[1]}"))

    assert "no answer" in trouble(checks)["connection koophone"][0]


async def test_a_proxy_that_is_closed_is_found() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{free.getsockname()[1]}"
        checks = await found(koophone_at("https://koophone.test"), https_proxy=proxy)

    assert checks["proxy koophone"].found == proxy
    assert trouble(checks)["tls koophone"][0] == "the proxy cannot be reached"


async def test_a_proxy_that_refuses_is_found() -> None:
    async with FakeServer.handling(lambda _: Reply(b"", 403)) as proxy:
        checks = await found(koophone_at("https://koophone.test"), https_proxy=proxy.url)

    assert "the proxy refuses koophone.test:443 (HTTP 403)" in trouble(checks)["tls koophone"][0]


@pytest.mark.parametrize(
    "environ, check",
    [
        ({"KOOPHONE_EDITION": "lunar"}, "settings"),
        ({"KOOPHONE_ENDPOINT": "ftp://x"}, "settings"),
        ({"KOOPHONE_EDITION": "international"}, "endpoint koophone"),
        ({"HTTPS_PROXY": "socks5://x"}, "endpoint koophone"),
        ({"KOOPHONE_REGION": "xx-none-1", "KOOPHONE_ENDPOINT": "http://127.0.0.1:9"}, "endpoint cph"),
        ({"KOOPHONE_PROFILE": "p", "KOOPHONE_ENDPOINT": "http://127.0.0.1:9"}, "conflict"),
    ],
)
async def test_a_wrong_setting_is_found(environ: dict[str, str], check: str) -> None:
    checks = await found(KEY | environ)

    assert check in trouble(checks)
    assert all(advice for _, advice in trouble(checks).values())


@pytest.mark.process
@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_the_exit_code_is_0_if_all_is_well(run_main: RunMain, emulator: dict[str, str], output: str) -> None:
    result = run_main("doctor", "--output", output, environ=emulator)

    assert (result.code, result.err) == (0, "")
    assert result.out.count("ok") >= 10


@pytest.mark.process
@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_the_exit_code_is_1_if_something_is_wrong(
    run_main: RunMain, emulator: dict[str, str], output: str
) -> None:
    result = run_main("doctor", "--output", output, environ=emulator | {"HUAWEICLOUD_SDK_SK": "wrong"})

    assert result.code == 1
    assert result.err.startswith("koophone: 1 of ")
    assert "Check the credentials" in result.out
