"""Run commands on phones from FastAPI, with one session for the lifetime of the application.

uvicorn examples.fastapi_app:app
curl -X POST localhost:8000/run -H 'content-type: application/json' \
        -d '{"ids": ["phone0001"], "command": "id"}'
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from msgspec.json import encode
from pydantic import BaseModel

from koophone_async import KooPhone, Session
from koophone_async.errors import InvalidRequest


class Order(BaseModel):
    """A command, and the phones to run it on."""

    ids: list[str]
    command: str


@asynccontextmanager
async def one_session(app: FastAPI) -> AsyncGenerator[None]:
    async with Session() as session:
        app.state.koophone = KooPhone(session)
        yield


app = FastAPI(lifespan=one_session)


@app.post("/run")
async def run(order: Order, request: Request) -> list[dict[str, object]]:
    koophone: KooPhone = request.app.state.koophone
    try:
        report = await koophone.fleet(order.ids, deadline=60).run(order.command)
    except InvalidRequest as error:
        raise HTTPException(422, str(error)) from error
    return report.to_rows()


@app.post("/stream")
async def stream(order: Order, request: Request) -> StreamingResponse:
    """Send a line of JSON for each phone as it finishes."""
    koophone: KooPhone = request.app.state.koophone

    async def lines() -> AsyncIterator[bytes]:
        async for outcome in koophone.fleet(order.ids, deadline=60).run(order.command):
            yield encode(outcome.to_row()) + b"\n"

    return StreamingResponse(lines(), media_type="application/jsonl")
