"""Deploy a game to every server, admit players, and list who is playing.

    PHONES_CALL=https://games.example.com/an-unguessable-path python examples/who_plays.py
    curl -X POST localhost:8080/deploy -d '{"version": "1564567b8bab40f34711234cb80d0123"}'
    curl -X POST localhost:8080/tickets -d '{"player": "ann"}'
    curl localhost:8080/playing

Phones read the address of this service when they start, so deploying restarts them all. Tickets and events
are only in memory here: in production, pass a journal to `Receiver`, and keep tickets in a database.
"""

import os
import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from aiohttp import web

from koophone_async import CloudPhone, Session
from koophone_async.errors import InvalidRequest
from koophone_async.events import Access, GameQuit, Grant, Receiver, properties

HEARTBEAT = 30
CPH = web.AppKey("cph", CloudPhone)


async def one_session(app: web.Application) -> AsyncIterator[None]:
    async with Session() as session:
        app[CPH] = CloudPhone(session)
        yield


def make_app(phones_call: str) -> web.Application:
    """Return the web application.

    Args:
        phones_call: The address that phones call this service at, with a path that cannot be guessed.
    """
    receiver = Receiver()
    players: dict[str, tuple[str, Grant]] = {}

    @receiver.on_verify
    async def look_up(access: Access) -> Grant | None:
        _, grant = players.get(access.session, ("", None))
        return grant

    @receiver.on_quit
    async def gone(event: GameQuit) -> None:
        players.pop(event.session, None)

    async def deploy(request: web.Request) -> web.Response:
        cph, body = request.app[CPH], await request.json()
        settings = properties(phones_call, HEARTBEAT)
        try:
            deployed = await cph.gaming.fleet(cph.servers.list()).deploy([body["version"]])
        except InvalidRequest as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        restarted = await cph.fleet(cph.phones.list()).restart(properties=settings)
        rows = {"servers": deployed.to_rows(), "phones": restarted.to_rows()}
        return web.json_response(rows, status=200 if deployed.ok and restarted.ok else 207)

    async def ticket(request: web.Request) -> web.Response:
        """Return the credentials that a player's app brings to a phone."""
        player = (await request.json())["player"]
        session, word, key = secrets.token_hex(16), secrets.token_urlsafe(32), secrets.token_bytes(32)
        players[session] = (player, Grant(key, word))
        credentials = {"session": session, "ticket": word, "key": key.hex()}
        return web.json_response(credentials, headers={"Cache-Control": "no-store"})

    async def playing(_: web.Request) -> web.Response:
        rows = [
            {"player": players[one.session][0], "phone": one.phone, "since": one.since.isoformat()}
            for one in receiver.presence.playing()
            if one.session in players
        ]
        return web.json_response(rows)

    app = web.Application()
    app.add_routes([web.post("/deploy", deploy), web.post("/tickets", ticket), web.get("/playing", playing)])
    app.add_subapp(urlsplit(phones_call).path, receiver.aiohttp())
    app.cleanup_ctx.append(one_session)
    return app


if __name__ == "__main__":
    web.run_app(make_app(os.environ["PHONES_CALL"]))
