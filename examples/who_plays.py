"""Deploy a game to every server, let players in, and show who plays.

    PHONES_CALL=https://games.example.com/a-word-that-nobody-guesses python examples/who_plays.py
    curl -X POST localhost:8080/deploy -d '{"version": "1564567b8bab40f34711234cb80d0123"}'
    curl -X POST localhost:8080/tickets -d '{"player": "ann"}'
    curl localhost:8080/playing

Phones take up what to call when they restart, so deploying restarts them all. Tickets and events are in
memory here; give `Receiver` a journal, and keep tickets in your database.
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
    """Make the service.

    Args:
        phones_call: The address of this service as phones see it, with a path that nobody can guess.
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
        cph, asked = request.app[CPH], await request.json()
        told = properties(phones_call, HEARTBEAT)
        try:
            deployed = await cph.gaming.fleet(cph.servers.list()).deploy([asked["version"]])
        except InvalidRequest as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        restarted = await cph.fleet(cph.phones.list()).restart(properties=told)
        rows = {"servers": deployed.to_rows(), "phones": restarted.to_rows()}
        return web.json_response(rows, status=200 if deployed.ok and restarted.ok else 207)

    async def ticket(request: web.Request) -> web.Response:
        """Give a player's app what it brings to a phone."""
        player = (await request.json())["player"]
        session, word, key = secrets.token_hex(16), secrets.token_urlsafe(32), secrets.token_bytes(32)
        players[session] = (player, Grant(key, word))
        given = {"session": session, "ticket": word, "key": key.hex()}
        return web.json_response(given, headers={"Cache-Control": "no-store"})

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
