"""What an emulator does for whoever can reach it: secret keys, and answers for everyone in turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.emulator import Durations, Emulator, snapshot
from koophone_async.emulator.fleet import CopyState, Fleet, RunningState, state_of
from koophone_async.emulator.server import page, turns
from koophone_async.virtual_time import EPOCH
from tests.emulator.signed_client import in_both_editions

if TYPE_CHECKING:
    from pathlib import Path

    from koophone_async.emulator.jobs.engine import Jobs
    from tests.emulator.signed_client import SignedClient

pytestmark = pytest.mark.virtual_time
PUBLIC: Final = "0.0.0.0"  # noqa: S104 - what is tested


def secrets_of(emulator: Emulator) -> tuple[object, ...]:
    return emulator.access_key, emulator.password


def test_keys_on_loopback_are_those_of_the_first_seed() -> None:
    assert secrets_of(Emulator()) == secrets_of(Emulator(seed=1)) == secrets_of(Emulator(host="localhost"))


def test_keys_on_other_addresses_come_from_a_seed_only_if_there_is_one() -> None:
    assert secrets_of(Emulator(host=PUBLIC)) != secrets_of(Emulator(host=PUBLIC))
    assert secrets_of(Emulator(host=PUBLIC, seed=1)) == secrets_of(Emulator(seed=1))


async def test_random_keys_change_nothing_else() -> None:
    async with Emulator(host=PUBLIC) as public, Emulator() as private:
        assert [phone.serial for phone in public.phones] == [phone.serial for phone in private.phones]


@pytest.mark.parametrize("host, warns", [("127.0.0.1", False), ("::1", False), (PUBLIC, True)])
async def test_an_address_that_others_can_reach_is_warned_of(
    host: str,
    warns: bool,  # noqa: FBT001
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Emulator(3, host=host):
        pass

    assert (f"the emulator at {host} can be used by others" in caplog.text) is warns


@pytest.mark.parametrize(
    "sent",
    [
        b"\x1b]0;canary\x07 / HTTP/9.9\r\n\r\n",
        b"GET /\x1b[2Jcanary HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX\x00: canary\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"canary" * 20_000 + b"\r\n\r\n",
    ],
    ids=["method", "path", "header", "chunk", "length"],
)
async def test_a_request_that_is_no_http_is_answered_and_not_logged(
    emulator: Emulator, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(emulator.endpoint.rpartition(":")[2]))
    writer.write(sent)
    answer = await reader.readline()
    writer.close()

    assert answer.split()[1] == b"400"
    assert caplog.text == ""


async def test_an_error_of_the_emulator_itself_is_logged(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("koophone_async.emulator.server.control.page.page", fail)
    async with aiohttp.request("GET", f"{emulator.endpoint}/_emulator/") as answer:
        assert answer.status == 500

    assert "ZeroDivisionError" in caplog.text


DEEP: Final = [
    b"[" * 100_000,
    b'{"instance_ids": ' + b"[" * 500 + b"]" * 500 + b"}",
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"instance_ids": ["' + b"\xe4\xb8",
]


@in_both_editions
@pytest.mark.parametrize("body", DEEP, ids=["open", "lists", "objects", "cut"])
async def test_deeply_nested_json_gets_the_services_envelope(call: SignedClient, body: bytes) -> None:
    answer = await call("POST", "/v1/instances/batch-query-status", body)

    assert (answer.status, answer.code) == (400, "KOOPHONE.API.1000")


@pytest.mark.emulator(phones=3)
@pytest.mark.parametrize("body", DEEP, ids=["open", "lists", "objects", "cut"])
@pytest.mark.parametrize("path", ["/cloud-phone/phones/batch-restart", "/cloud-phone/phones/commands"])
async def test_deep_json_gets_the_envelope_of_cph(call: SignedClient, path: str, body: bytes) -> None:
    answer = await call("POST", f"/v1/{call.emulator.project_id}{path}", body)

    assert answer.status == 400
    assert answer.code.startswith("CPS.")


class Waiting:
    """Another request, which counts its turns."""

    def __init__(self) -> None:
        self.turns = 0

    async def run(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


@pytest.mark.emulator(phones=100, jobs=Durations(fixed=5))
async def test_others_have_turns_while_the_page_counts_jobs(
    call: SignedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "SLICE", 10)
    await call.run([phone.id for phone in call.emulator.phones])
    waiting = Waiting()
    other = asyncio.create_task(waiting.run())

    html = await page.page(call.emulator.jobs, 1)
    other.cancel()

    assert "100 with a running job" in html
    assert waiting.turns >= 100 / 10


async def test_a_page_that_takes_long_is_asked_for_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 1.5])
    async with Emulator(3) as emulator:
        quick = await page.page(emulator.jobs, 1)
        monkeypatch.setattr("koophone_async.emulator.server.page.time.perf_counter", lambda: next(times))
        slow = await page.page(emulator.jobs, 1)

    assert 'http-equiv="refresh" content="2"' in quick
    assert 'http-equiv="refresh" content="15"' in slow


Change: TypeAlias = tuple[int, str, bool, RunningState]
changes = st.lists(
    st.tuples(
        st.integers(1, 9),
        st.sampled_from(["frozen", "resetting", "backup", "restore", "running", "remove", "hide"]),
        st.booleans(),
        st.sampled_from(RunningState),
    )
)


def change(fleet: Fleet, hidden: set[str], made: Change) -> None:
    number, name, value, state = made
    phone = fleet.id_of(number)
    if phone not in fleet:
        return
    match name:
        case "remove":
            fleet.remove(phone)
            hidden.discard(phone)
        case "hide":
            hidden.add(phone)
        case "running":
            fleet[phone].running = state
        case "backup" | "restore":
            setattr(fleet[phone], name, CopyState.EXECUTING if value else CopyState.PREPARING)
        case _:
            setattr(fleet[phone], name, value)


@given(changes)
def test_states_are_counted_without_looking_at_each_phone(
    all_made: list[Change],
) -> None:
    fleet, hidden = Fleet(1, 9, 1, ("cn-north-4",), lambda: EPOCH), set[str]()
    for made in all_made:
        change(fleet, hidden, made)

    assert fleet.states(hidden) == Counter(state_of(phone) for phone in fleet if phone.id not in hidden)


async def test_the_state_counts_running_states_and_hides_undelivered_phones() -> None:
    async with Emulator(5) as emulator:
        emulator.phones["phone0001"].running = RunningState.STOPPED
        emulator.phones["phone0002"].frozen = True
        emulator.world.undelivered.add("phone0003")
        async with aiohttp.request("GET", f"{emulator.endpoint}/_emulator/state") as answer:
            body: Any = await answer.json()

    assert body["phones"] == {"running": 3, "stopped": 1}


def oversized(jobs: Jobs, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "MAX_SIZE", 100)
    snapshot.load(jobs, path)


async def test_a_state_of_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Emulator(3) as emulator:
        snapshot.save(emulator.jobs, tmp_path / "state")
        with pytest.raises(OSError, match="is larger than 100 bytes"):
            oversized(emulator.jobs, tmp_path / "state", monkeypatch)
