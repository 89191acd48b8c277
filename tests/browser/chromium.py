"""Chromium without a window, driven by its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import tempfile
from contextlib import asynccontextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")

_OPTIONS: Final = (
    "--headless",
    "--no-sandbox",  # which root has not
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
    # Whatever a page asks for, nothing leaves this machine.
    "--host-resolver-rules=MAP *.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


@define(eq=False)
class Tab:
    """A tab of the browser."""

    _socket: aiohttp.ClientWebSocketResponse
    events: list[tuple[str, dict[str, Any]]] = field(factory=list[tuple[str, dict[str, Any]]])
    """What has happened, by name, in order."""

    _numbers: Iterator[int] = field(factory=count)

    async def send(self, method: str, **params: Any) -> Any:  # noqa: ANN401 - any JSON
        """Send a command, and return its result."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def wait_for(self, event: str) -> None:
        """Wait until something happens that has not happened yet."""
        while (await self._next()).get("method") != event:
            pass

    async def _next(self) -> dict[str, Any]:
        message = json.loads(await self._socket.receive_str())
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return dict(message)

    async def load(self, url: str) -> None:
        """Load a page, and wait until it is complete."""
        await self.send("Page.navigate", url=url)
        await self.wait_for("Page.loadEventFired")

    async def evaluate(self, script: str) -> Any:  # noqa: ANN401 - any JSON
        """Return the value of an expression, or of the promise that it is."""
        result = await self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def look(self, width: int, *, is_dark: bool) -> None:
        """Set the width of the window, and its colours to dark or light."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}
        await self.send("Emulation.setEmulatedMedia", features=[scheme])

    async def screenshot(self) -> bytes:
        """Return what the window shows as PNG."""
        return base64.b64decode((await self.send("Page.captureScreenshot"))["data"])

    def requested(self) -> list[str]:
        """Return the addresses that pages have asked for."""
        return [
            params["request"]["url"] for name, params in self.events if name == "Network.requestWillBeSent"
        ]


@asynccontextmanager
async def new_tab() -> AsyncGenerator[Tab]:
    """Start a browser with one tab, and end it."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    assert program, f"none of {', '.join(PROGRAMS)} is installed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        process = await asyncio.create_subprocess_exec(
            program, *_OPTIONS, f"--user-data-dir={directory}", "about:blank", stderr=asyncio.subprocess.PIPE
        )
        try:
            async with (
                aiohttp.ClientSession() as http,
                http.ws_connect(await _address(http, process), max_msg_size=0) as socket,
            ):
                tab = Tab(socket)
                for domain in ("Page", "Network", "Runtime"):
                    await tab.send(f"{domain}.enable")
                yield tab
        finally:
            process.terminate()
            await process.communicate()


async def _address(http: aiohttp.ClientSession, process: asyncio.subprocess.Process) -> str:
    """Return the address of the first tab."""
    assert process.stderr
    while not (match := re.search(rb"ws://(\S+?)/", line := await process.stderr.readline())):
        assert line, "the browser has ended"
    async with http.get(f"http://{match[1].decode()}/json/list") as answer:
        tabs = await answer.json()
    return next(str(tab["webSocketDebuggerUrl"]) for tab in tabs if tab["type"] == "page")
