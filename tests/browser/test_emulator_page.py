"""The page of the emulator in Chromium: how it looks, and that no other page gets at the emulator."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web
from yarl import URL

from koophone_async.emulator import Durations, Emulator, Fault, Refuse
from tests.browser.chromium import Tab, new_tab
from tests.emulator.signed_client import SignedClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

pytestmark = [pytest.mark.system, pytest.mark.emulator(phones=3, jobs=Durations(fixed=600))]

MARKUP: Final = (
    "<script>document.title='taken'</script><img src=//evil.example onerror=document.title='taken'>"
)


@pytest.fixture
async def tab() -> AsyncIterator[Tab]:
    async with new_tab() as opened:
        yield opened


def page_of(emulator: Emulator) -> str:
    return f"{emulator.endpoint}/_emulator/"


@pytest.mark.emulator(faults=[Fault(Refuse(503, message=MARKUP), operation="koophone.instances.status")])
async def test_markup_of_others_is_shown_as_text(emulator: Emulator, tab: Tab) -> None:
    async with SignedClient(emulator) as call:
        await call.run(["phone0001"], "sleep 1")
        await call("POST", "/v1/instances/batch-query-status", {"instance_ids": ["phone0002"]})
        async with call.http.get(f"{emulator.endpoint}/{MARKUP}"):
            pass

    await tab.load(page_of(emulator))

    assert await tab.evaluate("document.title") == "KooPhone emulator"
    assert await tab.evaluate("document.querySelectorAll('script, img, iframe, a').length") == 0
    text = await tab.evaluate("document.body.innerText")
    assert "document.title" in text
    assert "koophone.commands.run" in text
    assert {URL(address).host for address in tab.requested()} == {"127.0.0.1"}


@pytest.mark.parametrize("width", [1280, 400])
async def test_the_page_fits_the_window_in_both_colours(emulator: Emulator, tab: Tab, width: int) -> None:
    async with SignedClient(emulator) as call:
        await call.run(["phone0001"], "sleep 1")
        async with call.http.get(f"{emulator.endpoint}/{'long' * 100}"):
            pass
    await tab.load(page_of(emulator))

    colours = list[str]()
    for is_dark in (False, True):
        await tab.look(width, is_dark=is_dark)
        assert await tab.evaluate("document.documentElement.scrollWidth") <= width
        colours.append(await tab.evaluate("getComputedStyle(document.body).color"))

    assert colours == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


async def test_the_page_reloads_itself(emulator: Emulator, tab: Tab) -> None:
    await tab.load(page_of(emulator))
    assert await tab.evaluate("document.querySelectorAll('.busy[title]').length") == 0
    async with SignedClient(emulator) as call:
        await call.run(["phone0001", "phone0002"], "sleep 1")

    await tab.wait_for("Page.loadEventFired")

    assert await tab.evaluate("document.querySelectorAll('.busy[title]').length") == 2


async def test_the_page_shows_one_of_a_million_phones(tab: Tab) -> None:
    async with Emulator(1_000_000) as emulator:
        await tab.load(page_of(emulator))
        assert await tab.evaluate("document.querySelectorAll('i[title]').length") == 2_000

        await tab.load(f"{page_of(emulator)}?from=998001")
        assert await tab.evaluate(
            "[...document.querySelectorAll('i[title]')].at(-1).title.split(' ')[0]"
        ) == ("phone1000000")


@asynccontextmanager
async def site(html: str) -> AsyncGenerator[str]:
    """Serve a page of another site, and yield its address."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text=html, content_type="text/html")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://evil.example:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


ATTACKS: Final = {
    "a script resets it": "fetch(PAGE + 'reset', {method: 'POST', mode: 'no-cors'}).then(() => 'sent')",
    "a script sets faults": "fetch(PAGE + 'faults', {method: 'PUT', body: '[]'}).catch(() => 'refused')",
    "a script reads": "fetch(PAGE + 'ledger').then(answer => answer.text()).catch(() => 'refused')",
    "a form resets it": """new Promise(done => {
        document.body.innerHTML =
            `<iframe name=f></iframe><form method=post target=f action='${PAGE}reset'></form>`;
        document.querySelector('iframe').onload = () => done('sent');
        document.querySelector('form').submit();
    })""",
    "a frame shows it": """new Promise(done => {
        document.body.innerHTML = `<iframe src='${PAGE}'></iframe>`;
        document.querySelector('iframe').onload = event => {
            try { done(event.target.contentDocument.body.innerText) } catch { done('refused') }
        };
    })""",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
@pytest.mark.parametrize("host", ["127.0.0.1", "rebound.example"])
async def test_a_page_of_another_site_has_no_effect(
    emulator: Emulator, tab: Tab, attack: str, host: str
) -> None:
    address = str(URL(page_of(emulator)).with_host(host))
    async with SignedClient(emulator) as call:
        await call.run(["phone0001"], "sleep 1")
    requests = emulator.ledger.requests

    async with site("<body>") as evil:
        await tab.load(evil)
        result = await tab.evaluate(f"(PAGE => {attack})('{address}')")

    assert result in ("sent", "refused", "")
    assert emulator.ledger.requests == requests


async def test_a_name_that_is_rebound_reads_nothing(emulator: Emulator, tab: Tab) -> None:
    address = str(URL(page_of(emulator)).with_host("rebound.example"))

    await tab.load(address)

    assert "is not the emulator's" in await tab.evaluate("document.body.innerText")
    own = f"fetch('{address}ledger').then(answer => answer.status)"
    assert await tab.evaluate(own) == 403
