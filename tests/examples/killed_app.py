"""Serve the example, start a rollout, print its id once it stands at a gate, and run until killed."""

from __future__ import annotations

import asyncio
import json
import sys

from tests.examples.test_fastapi_rollouts import served, until


async def main(plan: str) -> None:
    async with served() as client:
        started = await client.post("/rollouts", json=json.loads(plan))
        id = started.json()["id"]
        await until(client, id, lambda shown: shown["waiting_for"] == "approval")
        sys.stdout.write(f"{id}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


asyncio.run(main(sys.argv[1]))
