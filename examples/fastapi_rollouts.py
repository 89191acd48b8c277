"""Start rollouts from FastAPI, show their progress, and go on with them after the process was killed.

uvicorn examples.fastapi_rollouts:app
curl -X POST localhost:8000/rollouts -H 'content-type: application/json' \
        -d '{"targets": {"all": true}, "steps": [{"run": "id"}], "waves": ["1", "25%"]}'
curl localhost:8000/rollouts/last
"""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from attrs import define, field
from fastapi import Body, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from msgspec.json import encode

from koophone_async import Plan, Rollout, Session
from koophone_async.errors import InvalidRequest
from koophone_async.rollouts import Journal, RolloutState, last_outcomes, requests

LEFT = (RolloutState.INTERRUPTED, RolloutState.WAITING)
"""States in which a process that was killed leaves a rollout."""


@define
class Rollouts:
    """The rollouts that this process drives."""

    journal: Journal
    session: Session
    driven: dict[asyncio.Task[None], Rollout] = field(factory=dict[asyncio.Task[None], Rollout])

    async def drive(self, rollout: Rollout) -> str | None:
        """Write a rollout down or take it over, and drive it in the background; return its id."""
        id = await rollout.start()
        task = asyncio.create_task(self._run(rollout))
        self.driven[task] = rollout
        task.add_done_callback(self.driven.pop)
        return id

    async def _run(self, rollout: Rollout) -> None:
        await rollout

    async def resume(self) -> None:
        """Resume what an earlier process has left."""
        for record in await self.journal.rollouts(state=LEFT):
            if record.driver is None:
                await self.drive(Rollout.resume(record.id, self.journal, self.session))

    async def leave(self) -> None:
        """Leave all rollouts, so that the next process can go on with them."""
        for task, rollout in list(self.driven.items()):
            await rollout.interrupt()
            await asyncio.wait([task])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    location = os.environ.get("ROLLOUTS", "rollouts.db")
    async with Session() as session, await Journal.open(location) as journal:
        app.state.rollouts = rollouts = Rollouts(journal, session)
        await rollouts.resume()
        yield
        await rollouts.leave()


app = FastAPI(lifespan=lifespan)


@app.post("/rollouts", status_code=202)
async def start(plan: Annotated[dict[str, Any], Body()], request: Request) -> dict[str, str | None]:
    """Start a rollout; the body is a plan as JSON."""
    rollouts: Rollouts = request.app.state.rollouts
    try:
        rollout = Rollout(Plan.from_data(plan), rollouts.journal, rollouts.session)
        return {"id": await rollouts.drive(rollout)}
    except InvalidRequest as error:
        raise HTTPException(422, str(error)) from error


@app.get("/rollouts/{name}")
async def progress(name: str, request: Request) -> dict[str, Any]:
    journal: Journal = request.app.state.rollouts.journal
    try:
        record = await journal.find(name)
    except InvalidRequest as error:
        raise HTTPException(404, str(error)) from error
    return {
        "id": record.id,
        "state": record.state,
        "waiting_for": record.waiting_for,
        "wave": record.wave,
        "targets": record.targets,
        "counts": record.counts,
    }


@app.post("/rollouts/{name}/approve", status_code=202)
async def approve(name: str, request: Request) -> None:
    """Open the gate at which a rollout stands."""
    try:
        await requests.approve(request.app.state.rollouts.journal, name)
    except InvalidRequest as error:
        raise HTTPException(409, str(error)) from error


@app.get("/rollouts/{name}/outcomes")
async def outcomes(name: str, request: Request) -> StreamingResponse:
    """Send a line of JSON for each phone that has an outcome."""
    journal: Journal = request.app.state.rollouts.journal

    async def lines() -> AsyncIterator[bytes]:
        async for _, outcome in last_outcomes(journal, await journal.find(name)):
            yield encode(outcome.to_rollout_row()) + b"\n"

    return StreamingResponse(lines(), media_type="application/jsonl")
