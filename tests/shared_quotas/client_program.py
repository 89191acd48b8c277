"""One of several processes that share a quota: `client_program.py SERVICE LIMITS PERMITS SECONDS CALLS SEED`.

It prints a line when it is ready, begins when it reads one, and prints the number of answers at its end.
"""

from __future__ import annotations

import asyncio
import random
import sys

from attrs import frozen

from koophone_async import AccessKey, Endpoints, Quota, Session
from koophone_async.operation import Operation


@frozen
class Note:
    text: str = "n1"


@frozen
class Done:
    text: str | None = None


WRITE = Operation("koophone.notes.write", "POST", "/v1/notes", Note, Done, source="made up", repeatable=False)


async def call(session: Session, jitter: float) -> Done:
    await asyncio.sleep(jitter)
    return await session.send(WRITE, Note())


async def main(service: str, limits: str, quota: Quota, calls: int, rng: random.Random) -> None:
    async with Session(
        AccessKey("access", "secret"),
        endpoints=Endpoints(koophone=service),
        quotas={WRITE.name: (quota,)},
        environ={"KOOPHONE_LIMITS": limits},
    ) as session:
        print("ready", flush=True)  # noqa: T201 - the parent reads it
        await asyncio.to_thread(sys.stdin.readline)
        answers = await asyncio.gather(*(call(session, rng.uniform(0, 0.2)) for _ in range(calls)))
        print(len(answers), flush=True)  # noqa: T201 - the same


if __name__ == "__main__":
    url, store, permits, seconds, number, seed = sys.argv[1:]
    asyncio.run(main(url, store, Quota(int(permits), float(seconds)), int(number), random.Random(seed)))
