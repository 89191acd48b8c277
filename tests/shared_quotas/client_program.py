"""One of several processes that share a quota: `client_program.py SERVICE LIMITS PERMITS SECONDS CALLS SEED`.

It prints a line when it is ready, begins when it reads one, prints one at the first answer, and the number of
answers at its end. Its wall clock is wrong by as many hours as the seed.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta

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


def write_line(text: object) -> None:
    print(text, flush=True)  # noqa: T201 - the parent reads it


async def main(service: str, limits: str, quota: Quota, calls: int, seed: int) -> None:
    rng = random.Random(seed)
    async with Session(
        AccessKey("access", "secret"),
        endpoints=Endpoints(koophone=service),
        quotas={WRITE.name: (quota,)},
        environ={"KOOPHONE_LIMITS": limits},
        now=lambda: datetime.now(UTC) + timedelta(hours=seed),
    ) as session:
        write_line("ready")
        await asyncio.to_thread(sys.stdin.readline)
        tasks = [asyncio.create_task(call(session, rng.uniform(0, 0.2))) for _ in range(calls)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        write_line("first")
        write_line(len(await asyncio.gather(*tasks)))


if __name__ == "__main__":
    url, store, permits, seconds, number, seed = sys.argv[1:]
    asyncio.run(main(url, store, Quota(int(permits), float(seconds)), int(number), int(seed)))
