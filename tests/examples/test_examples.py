from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import pytest
from aiohttp.test_utils import TestClient, TestServer
from httpx2 import ASGITransport, AsyncClient

from examples import aiohttp_handler, command_to_csv, fastapi_app, install_app
from koophone_async import State
from koophone_async.emulator import Durations, Emulator, Fail, Lose
from koophone_async.koophone import Package
from koophone_async.session import utc_now

if TYPE_CHECKING:
    from pathlib import Path

RUN = "koophone.commands.run"

pytestmark = pytest.mark.emulator(jobs=Durations(fixed=0.05))


@pytest.fixture(autouse=True)
def _environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOOPHONE_ENDPOINT", emulator.endpoint)
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", emulator.access_key.access_key)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", emulator.access_key.secret_key)


async def test_an_aiohttp_handler_returns_each_outcome() -> None:
    async with TestClient(TestServer(aiohttp_handler.make_app())) as client:
        done = await client.post("/run", json={"ids": ["phone0001", "missing"], "command": "echo hi"})
        wrong = await client.post("/run", json={"ids": ["phone0001"], "command": ""})
        token = await client.post("/phones/phone0001/token")

        assert done.status == 207
        assert [(row["state"], row["output"]) for row in await done.json()] == [
            ("succeeded", "hi\n"),
            ("refused", None),
        ]
        assert (wrong.status, token.status) == (400, 200)
        assert "command" in await wrong.text()


async def test_fastapi_keeps_one_session_for_its_lifespan() -> None:
    transport = ASGITransport(fastapi_app.app)
    async with (
        fastapi_app.one_session(fastapi_app.app),
        AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        order = {"ids": ["phone0001", "phone0002"], "command": "echo hi"}
        done = await client.post("/run", json=order)
        lines = await client.post("/stream", json=order)
        wrong = await client.post("/run", json=order | {"command": "x" * 1025})

    assert [row["output"] for row in done.json()] == ["hi\n", "hi\n"]
    assert len(lines.text.splitlines()) == 2
    assert wrong.status_code == 422


@pytest.mark.emulator(phones=500)
async def test_a_command_on_500_phones_is_written_to_csv(emulator: Emulator, tmp_path: Path) -> None:
    report = await command_to_csv.run_to_csv("getprop ro.serialno", tmp_path / "serials.csv")

    with (tmp_path / "serials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert report.counts == {State.SUCCEEDED: 500}
    assert len({row["output"] for row in rows}) == len(rows) == 500
    assert emulator.ledger.executions(RUN) == {row["id"]: 1 for row in rows}


@pytest.mark.virtual_time
@pytest.mark.emulator(now=utc_now)
async def test_an_app_is_installed_and_failures_are_listed(
    emulator: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator.fault(Fail("KOOPHONE.API.62021"), phone="phone0003")
    emulator.fault(Lose(), phone="phone0005")
    shop = Package(
        "com.example.shop", "shop.apk", "1.4.2", "35", "https://obs.example/shop.apk?Signature=s3cret"
    )

    report = await install_app.install([f"phone{n:04}" for n in range(1, 11)], shop)
    install_app.explain(report)

    printed = capsys.readouterr().out
    assert report.counts == {State.SUCCEEDED: 8, State.FAILED: 1, State.UNKNOWN: 1}
    assert "phone0005: unknown, and the app is" in printed
    assert "1 x KOOPHONE.API.62021" in printed
    assert "s3cret" not in printed
