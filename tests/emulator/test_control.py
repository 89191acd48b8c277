"""The emulator's own interface obeys programs and its own page, and no page of another site."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy

from koophone_async.emulator import Emulator, Fault, Refuse
from koophone_async.emulator.server.same_origin import foreign

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3)]

PATHS = [
    *(("GET", path) for path in ("", "ledger", "requests", "state", "faults")),
    ("PUT", "faults"),
    ("POST", "reset"),
    ("POST", "nothing"),
]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://localhost"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "evil.example:8080", "Origin": "http://evil.example:8080", "Sec-Fetch-Site": "same-origin"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "127.0.0.1@evil.example"},
    {"Host": "[::1].evil.example"},
    {"Host": "192.0.2.1"},
    {"Host": "localhost.evil.example:80"},
    {"Host": ""},
]


async def status(emulator: Emulator, method: str, path: str, headers: Mapping[str, str]) -> int:
    address = f"{emulator.endpoint}/_emulator/{path}"
    async with aiohttp.request(method, address, headers=headers, data=b"[]") as answer:
        if answer.status == 403:
            assert list(json.loads(await answer.read())) == ["error"]
        return answer.status


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.emulator(phones=3, faults=[Fault(Refuse(), "cph")])
async def test_pages_of_other_sites_are_refused(emulator: Emulator, headers: Mapping[str, str]) -> None:
    emulator.ledger.executed("koophone.commands.run", ["phone0001"])

    answers = {await status(emulator, method, path, headers) for method, path in PATHS}

    assert answers == {403}
    assert emulator.ledger.executions("koophone.commands.run") == {"phone0001": 1}
    assert len(emulator.plan.faults) == 1


@pytest.mark.parametrize("name", ["{0}", "localhost:{1}", "LOCALHOST.", "[::1]:9", "127.9.9.9"])
async def test_programs_and_the_own_page_are_obeyed(emulator: Emulator, name: str) -> None:
    own = emulator.endpoint.removeprefix("http://")
    host = name.format(own, own.rpartition(":")[2])
    for headers in (
        {"Host": host},
        {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"},
        {"Host": host, "Sec-Fetch-Site": "none"},
    ):
        answers = [await status(emulator, method, path, headers) for method, path in PATHS]
        assert answers == [200, 200, 200, 200, 200, 200, 204, 404]


async def test_a_link_to_the_page_may_be_followed(emulator: Emulator) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    assert await status(emulator, "GET", "", headers) == 200
    assert await status(emulator, "POST", "reset", headers) == 403


@pytest.mark.parametrize(
    "listening, own, others",
    [
        ("127.0.0.1", ["127.0.0.1:8"], ["10.0.0.7", "emulator:8080", "emulator.example"]),
        ("localhost", ["localhost"], ["10.0.0.7", "emulator:8080"]),
        ("0.0.0.0", ["10.0.0.7:8", "emulator:8080", "localhost", "[fe80::1]"], ["emulator.example"]),  # noqa: S104 - as containers listen
        ("emulator.test", ["emulator.test", "EMULATOR.test:1"], ["emulator.example"]),
    ],
)
def test_the_hosts_depend_on_the_address(listening: str, own: list[str], others: list[str]) -> None:
    def refused(host: str) -> bool:
        return foreign("POST", CIMultiDictProxy(CIMultiDict({"Host": host})), listening) is not None

    assert [refused(host) for host in (*own, *others)] == [False] * len(own) + [True] * len(others)


@given(st.text(max_size=30), st.sampled_from(("Host", "Origin", "Sec-Fetch-Site")))
def test_no_odd_header_is_taken_for_an_own_one(text: str, name: str) -> None:
    headers = CIMultiDict({"Host": "127.0.0.1:8", "Origin": "http://127.0.0.1:8"} | {name: text})

    own = {
        "host": {"127.0.0.1:8"},
        "origin": {"http://127.0.0.1:8"},
        "sec-fetch-site": {"none", "same-origin"},
    }
    reason = foreign("POST", CIMultiDictProxy(headers), "127.0.0.1")

    assert (reason is None) == (text.lower() in own[name.lower()])


@pytest.mark.parametrize(
    "body, problem",
    [
        (b"\xff", "the body is not UTF-8"),
        (b"", "the body is empty"),
        (b"[" * 100_000, "the body is nested more than 100 levels deep"),
        (b"[" + b"9" * 5000 + b"]", "the body has an integer of more than 64 bits"),
        (b"NaN", "the body is not JSON"),
        (b"{}", "faults: are not a JSON list"),
        (b'[{"action": []}]', "fault 1: cannot be read"),
        (
            b'[{"action": {"kind": "refuse", "status": 7}}]',
            "fault 1: cannot be read: 'status' must be >= 200: 7",
        ),
    ],
)
async def test_faults_that_are_no_plan_are_refused(emulator: Emulator, body: bytes, problem: str) -> None:
    async with aiohttp.request("PUT", f"{emulator.endpoint}/_emulator/faults", data=body) as answer:
        assert answer.status == 400
        error = json.loads(await answer.read())["error"]

    assert error.startswith(problem)


async def test_a_body_of_faults_without_end_is_refused(emulator: Emulator) -> None:
    body = b"[" + b" " * 17 * 2**20 + b"]"
    async with aiohttp.request("PUT", f"{emulator.endpoint}/_emulator/faults", data=BytesIO(body)) as answer:
        assert answer.status == 413
