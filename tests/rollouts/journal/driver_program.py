"""Drive rollouts in a process of its own, as orders on standard input ask for.

`python driver_program.py PATH ROLLOUT` acquires the rollout and prints its epoch. It answers each line of its
input with one line: `send` plans a chunk and marks it as sending, `sent` writes the handle of the last one.
`loop` sends and settles chunks without end, and prints the number of each that is on disk.
`python driver_program.py PATH --many COUNT` forks so many processes, each of which runs its own rollout.
"""

from __future__ import annotations

import asyncio
import os
import sys

from koophone_async.errors import KooPhoneError
from koophone_async.rollouts.journal import Driver, Journal, NewRollout, RolloutState
from koophone_async.virtual_time import EPOCH
from tests.rollouts.journal.samples import jobs, result, send, targets


def report(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def drive(path: str, rollout: str) -> None:
    async with await Journal.open(path) as journal:
        driver = await journal.acquire(rollout)
        report(driver.epoch)
        loop = asyncio.get_running_loop()
        chunk = 0
        while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
            try:
                match order:
                    case "send":
                        planned = driver.plan_chunk(0, range(2))
                        await driver.mark_sending(planned)
                        chunk = planned
                    case "sent":
                        driver.mark_sent(chunk, "task", jobs(range(2)), has_jobs=True, called_at=EPOCH)
                        await driver.flush()
                    case _:
                        await asyncio.gather(*(send_without_end(driver) for _ in range(4)))
                report(order, chunk)
            except KooPhoneError as error:
                report(type(error).__name__)


async def send_without_end(driver: Driver) -> None:
    while True:
        chunk = await send(driver, range(3))
        report("sending", chunk)
        driver.settle(chunk, [result(position) for position in range(3)], {"succeeded": 3})
        await driver.flush()
        report("settled", chunk)


async def run_one(path: str, name: str) -> None:
    async with await Journal.open(path) as journal:
        rollout = await journal.create(NewRollout(name, "cph"), targets(3))
        driver = await journal.acquire(rollout.id)
        for _ in range(5):
            chunk = await send(driver, range(3))
            driver.settle(chunk, [result(position) for position in range(3)], {"succeeded": 3})
            await driver.flush()
        await driver.release(state=RolloutState.FINISHED)


def run_many(path: str, count: int) -> int:
    """Return how many of the processes failed."""
    children: list[int] = []
    for number in range(count):
        pid = os.fork()
        if not pid:
            asyncio.run(run_one(path, f"rollout-{number}"))
            os._exit(0)
        children.append(pid)
    return sum(os.waitpid(pid, 0)[1] != 0 for pid in children)


if __name__ == "__main__":
    if sys.argv[2] == "--many":
        sys.exit(run_many(sys.argv[1], int(sys.argv[3])))
    asyncio.run(drive(*sys.argv[1:]))
