"""The web service of the example goes on with its rollouts after it was killed."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from httpx2 import ASGITransport, AsyncClient

from examples import fastapi_rollouts
from koophone_async.emulator import Durations, Emulator

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

RUN: Final = "koophone.commands.run"
ROOT: Final = Path(__file__).parents[2]

pytestmark = pytest.mark.emulator(phones=40, jobs=Durations(fixed=0.2))


@pytest.fixture(autouse=True)
def _environment(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KOOPHONE_ENDPOINT", emulator.endpoint)
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", emulator.access_key.access_key)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", emulator.access_key.secret_key)
    monkeypatch.setenv("ROLLOUTS", str(tmp_path / "rollouts.db"))


@asynccontextmanager
async def served() -> AsyncGenerator[AsyncClient]:
    transport = ASGITransport(fastapi_rollouts.app)
    async with (
        fastapi_rollouts.lifespan(fastapi_rollouts.app),
        AsyncClient(transport=transport, base_url="http://app") as client,
    ):
        yield client


async def until(client: AsyncClient, id: str, is_reached: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Poll the progress of a rollout until it is as wanted."""
    while True:
        shown: dict[str, Any] = (await client.get(f"/rollouts/{id}")).json()
        if is_reached(shown):
            return shown
        await asyncio.sleep(0.05)


def plan(emulator: Emulator, **fields: object) -> dict[str, object]:
    ids = [phone.id for phone in emulator.phones]
    return {"targets": {"ids": ids}, "steps": [{"run": "id"}], "waves": ["1"], **fields}


async def test_a_rollout_goes_on_after_the_service_was_killed(emulator: Emulator) -> None:
    body = json.dumps(plan(emulator, between={"approve": True}))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.examples.killed_app", body, stdout=PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    id = (await process.stdout.readline()).decode().strip()
    process.kill()
    await process.wait()

    async with served() as client:
        await until(client, id, lambda shown: shown["waiting_for"] == "approval")
        approved = await client.post(f"/rollouts/{id}/approve")
        done = await until(client, id, lambda shown: shown["state"] == "finished")
        rows = [json.loads(line) for line in (await client.get(f"/rollouts/{id}/outcomes")).text.splitlines()]

    assert approved.status_code == 202
    assert (done["targets"], sum(done["counts"].values()), len(rows)) == (40, 40, 40)
    assert emulator.ledger.executions(RUN) == {phone.id: 1 for phone in emulator.phones}


async def test_a_rollout_is_left_when_the_service_stops(emulator: Emulator) -> None:
    async with served() as client:
        started = await client.post("/rollouts", json=plan(emulator, between={"approve": True}))
        id = started.json()["id"]
        await until(client, id, lambda shown: shown["waiting_for"] == "approval")
    async with served() as client:
        await until(client, id, lambda shown: shown["waiting_for"] == "approval")

    assert started.status_code == 202


async def test_what_is_wrong_is_refused(emulator: Emulator) -> None:
    async with served() as client:
        odd = await client.post("/rollouts", json=plan(emulator, steps=[{"reboto": None}]))
        missing = await client.get("/rollouts/none")
        done = (await client.post("/rollouts", json=plan(emulator))).json()["id"]
        await until(client, done, lambda shown: shown["state"] == "finished")
        approved = await client.post(f"/rollouts/{done}/approve")

    assert (odd.status_code, missing.status_code, approved.status_code) == (422, 404, 409)
    assert "steps[0]" in odd.text
