"""The page for people shows phones, jobs, requests and faults."""

from __future__ import annotations

import asyncio
from collections import Counter
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import aiohttp
import pytest

from koophone_async.emulator import Durations, Emulator, Fault, Lose, Refuse
from koophone_async.emulator.fleet import CopyState, RunningState

if TYPE_CHECKING:
    from tests.emulator.scenes import Scene
    from tests.emulator.signed_client import SignedClient

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]


class Page(HTMLParser):
    """A parsed page: the texts of its table rows, and the class and title of each square."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.squares: list[tuple[str, str]] = []
        self.links: list[str | None] = []
        self.tags = Counter[str]()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags[tag] += 1
        if tag == "tr":
            self.rows.append([])
        if tag == "td":
            self.rows[-1].append("")
        if tag == "i" and attributes.get("title"):
            self.squares.append((str(attributes["class"]), str(attributes["title"])))
        if tag == "a":
            self.links.append(attributes.get("href"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


async def load(emulator: Emulator, query: str = "") -> Page:
    async with aiohttp.request("GET", f"{emulator.endpoint}/_emulator/{query}") as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        return Page(await answer.text())


@pytest.mark.emulator(faults=[Fault(Refuse(503), operation="koophone.instances.status")])
async def test_the_page_shows_phones_jobs_requests_and_faults(call: SignedClient) -> None:
    task = (await call.run(["phone0001", "phone0002"], "sleep 1")).data["task_id"]
    await call("POST", "/v1/instances/batch-query-status", {"instance_ids": ["phone0003"]})

    page = await load(call.emulator)

    assert [(kind, title.split()[0], title.rpartition(": ")[2]) for kind, title in page.squares] == [
        ("busy", "phone0001", "running, running koophone.commands.run"),
        ("busy", "phone0002", "running, running koophone.commands.run"),
        ("running", "phone0003", "running"),
    ]
    assert ["koophone.commands.run", task, "0", "2", "0", "0", "0"] in page.rows
    assert [row[3:8] for row in page.rows if "POST" in row] == [
        ["koophone.instances.status", "1", "refused", "503", "KOOPHONE.API.9999"],
        ["koophone.commands.run", "2", "answered", "200", ""],
    ]
    assert any('"operation":"koophone.instances.status"' in cell for row in page.rows for cell in row)


async def test_finished_jobs_disappear_from_the_page(call: SignedClient) -> None:
    await call("POST", "/v1/instances/batch-reset", {"instance_ids": ["phone0001"]})
    assert "resetting" in (await load(call.emulator)).text
    await asyncio.sleep(60)

    page = await load(call.emulator)

    assert [kind for kind, _ in page.squares] == ["running"] * 3
    assert not any("koophone.instances.reset" in row[0] for row in page.rows if len(row) == 7)


async def test_empty_tables_say_so(call: SignedClient) -> None:
    page = await load(call.emulator)

    assert page.tags["table"] == 0
    for text in ("No jobs are waiting or running.", "No request has arrived yet.", "No faults are set."):
        assert text in page.text


async def test_squares_show_the_state_of_their_phone(call: SignedClient) -> None:
    first, second, third = call.emulator.phones
    first.frozen = True
    second.backup = CopyState.EXECUTING
    third.running = RunningState.STOPPED

    page = await load(call.emulator)

    assert [kind for kind, _ in page.squares] == ["frozen", "copying", "stopped"]


async def test_markup_in_a_request_is_escaped(call: SignedClient) -> None:
    async with call.http.get(f"{call.emulator.endpoint}/<script>alert(1)</script>?a=1"):
        pass

    page = await load(call.emulator)

    assert page.tags["script"] == 0
    assert "script" in page.text


@pytest.mark.parametrize(
    "query, first, count",
    [("", 1, 2000), ("?from=2001", 2001, 500), ("?from=0", 1, 2000), ("?from=x", 1, 2000)],
)
async def test_a_large_fleet_has_several_pages(query: str, first: int, count: int) -> None:
    async with Emulator(2500) as emulator:
        page = await load(emulator, query)

    assert page.squares[0][1].startswith(f"phone{first:04}")
    assert len(page.squares) == count
    assert page.links == (["?from=2001"] if first == 1 else ["?from=1"])


@pytest.mark.emulator(phones=6, servers=2)
async def test_the_page_shows_jobs_of_cph(scene: Scene) -> None:
    started = await scene.cph.commands.run(scene.phones[:2], "id")

    page = await load(scene.emulator)

    assert [kind for kind, _ in page.squares][:3] == ["busy", "running", "running"]
    assert ["cph.commands.run", str(started.request), "1", "1", "0", "0", "0"] in page.rows


@pytest.mark.emulator(phones=6, servers=2, faults=[Fault(Lose(), operation="cph.commands.run")])
async def test_jobs_of_servers_and_lost_jobs_make_no_phone_busy(scene: Scene) -> None:
    await scene.cph.servers.restart(scene.servers[:1])
    await scene.cph.commands.run(scene.phones[3:], "id")

    page = await load(scene.emulator)

    assert [kind for kind, _ in page.squares] == ["starting"] * 3 + ["running"] * 3
    assert "0 with a running job" in page.text
    assert [row[0] for row in page.rows if len(row) == 7] == ["cph.servers.restart"]
