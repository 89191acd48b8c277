"""Run commands on phones from an aiohttp web handler.

    python examples/aiohttp_handler.py
    curl -X POST localhost:8080/run -d '{"ids": ["phone0001"], "command": "getprop ro.serialno"}'

One session serves all requests, which share its quotas and its polls of jobs.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from koophone_async import KooPhone, Session
from koophone_async.errors import InvalidRequest, KooPhoneError

KOOPHONE = web.AppKey("koophone", KooPhone)


async def run(request: web.Request) -> web.Response:
    body = await request.json()
    koophone = request.app[KOOPHONE]
    try:
        report = await koophone.fleet(body["ids"], deadline=60).run(body["command"])
    except InvalidRequest as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    return web.json_response(report.to_rows(), status=200 if report.ok else 207)


async def token(request: web.Request) -> web.Response:
    try:
        access = await request.app[KOOPHONE].streaming.authorize(request.match_info["id"])
    except KooPhoneError as error:
        raise web.HTTPBadGateway(text=str(error)) from error
    return web.json_response({"token": access.token}, headers={"Cache-Control": "no-store"})


async def one_session(app: web.Application) -> AsyncIterator[None]:
    async with Session() as session:
        app[KOOPHONE] = KooPhone(session)
        yield


def make_app() -> web.Application:
    app = web.Application()
    app.add_routes([web.post("/run", run), web.post("/phones/{id}/token", token)])
    app.cleanup_ctx.append(one_session)
    return app


if __name__ == "__main__":
    web.run_app(make_app())
