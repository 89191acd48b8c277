"""Harm workers and their database at random while they run rollouts, and compare journal and phones.

`python -m tests.distributed.crashes COUNT [SEED]` does so COUNT times, and prints in which ways.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final, LiteralString

from attrs import define, field

from tests.distributed.site import ROLLOUTS, Site, Worker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from koophone_async.batches import State

_AIM_SECONDS: Final = 5.0
"""How long a chunk or a lease in a certain state is waited for."""

_TAKE_OVER_SECONDS: Final = 30.0
"""How long it is waited for that others take over from a worker that does not answer."""

_HOLDERS: Final = (
    "SELECT (holder::json->'process'->>'pid')::int FROM koophone.leases WHERE holder IS NOT NULL"
)
_COORDINATORS: Final = f"{_HOLDERS} AND shard = 0"
_TAKEN_OVER: Final = f"{_HOLDERS} AND shard > 0 AND epoch > 1"
_OF_SENDING: Final = "(SELECT rollout, shard FROM koophone.chunks WHERE state = 'sending')"
_SENDING: Final = f"{_HOLDERS} AND (rollout, shard) IN {_OF_SENDING}"
_RESULTS: Final = "SELECT count(*) FROM koophone.results"
_CUT: Final = """
SELECT pg_terminate_backend(pid)::int FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@define(eq=False)
class Harm:
    """Does harm to a site."""

    site: Site
    rng: random.Random
    done: Counter[str] = field(factory=Counter[str], init=False)
    """How often in each way."""

    _repairs: set[asyncio.Task[None]] = field(factory=set["asyncio.Task[None]"], init=False)

    @property
    def ways(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """All ways to do harm, by name."""
        return {
            "kill": self._kill,
            "kill two": self._kill_two,
            "kill the coordinator": lambda: self._kill_one_of(_COORDINATORS),
            "kill between `sending` and the answer": lambda: self._kill_one_of(_SENDING),
            "kill at a completion": self._kill_at_a_completion,
            "kill during a rescue": self._kill_during_a_rescue,
            "terminate": self._terminate,
            "freeze": self._freeze,
            "cut all connections to the database": self._cut_connections,
            "restart the database": self._restart_the_database,
            "part one from the database": lambda: self._part(lambda worker: worker.database.cut),
            "part one from the cloud": lambda: self._part(lambda worker: worker.cloud.cut),
        }

    async def do(self, ways: Iterable[str]) -> None:
        """Do harm in some ways, one after the other, while rollouts run."""
        for way in ways:
            await self.site.replace_workers()
            await self.site.start_rollouts()
            await self._wait_for_results(self.rng.randrange(4))
            await self.ways[way]()
            self.done[way] += 1

    async def repair(self) -> None:
        """Wake up frozen workers and restore links, once that is due."""
        if self._repairs:
            await asyncio.wait(self._repairs)

    def _any(self) -> Worker:
        """Return a worker that is alive; one that has ended if none is."""
        alive = [worker for worker in self.site.workers if worker.is_alive]
        return self.rng.choice(alive or self.site.workers)

    async def _wait_for_results(self, count: int) -> None:
        ((before,),) = await self.site.rows(_RESULTS) or [(0,)]

        async def has_more() -> bool:
            ((now,),) = await self.site.rows(_RESULTS) or [(before,)]
            return now >= before + count

        await self.site.until(has_more, _AIM_SECONDS)

    async def _kill(self) -> None:
        self._any().signal(signal.SIGKILL)

    async def _kill_two(self) -> None:
        for worker in self.rng.sample(self.site.workers, 2):
            worker.signal(signal.SIGKILL)

    async def _kill_one_of(self, statement: LiteralString) -> None:
        """Kill a worker whose process a statement returns, as soon as it returns one."""

        async def kill() -> bool:
            pids = {pid for (pid,) in await self.site.rows(statement)}
            found = [worker for worker in self.site.workers if worker.is_alive and worker.process.pid in pids]
            if found:
                self.rng.choice(found).signal(signal.SIGKILL)
            return bool(found)

        await self.site.until(kill, _AIM_SECONDS)

    async def _kill_at_a_completion(self) -> None:
        await self._wait_for_results(1)
        self._any().signal(signal.SIGKILL)

    async def _kill_during_a_rescue(self) -> None:
        self._any().signal(signal.SIGKILL)
        await self._kill_one_of(_TAKEN_OVER)

    async def _terminate(self) -> None:
        self._any().signal(signal.SIGTERM)

    async def _freeze(self) -> None:
        worker = self._any()
        worker.signal(signal.SIGSTOP)
        self._repair_later(worker, lambda: worker.signal(signal.SIGCONT))

    async def _part(self, cut: Callable[[Worker], Callable[[], None]]) -> None:
        worker = self._any()
        cut(worker)()

        def restore() -> None:
            worker.database.restore()
            worker.cloud.restore()

        self._repair_later(worker, restore)

    def _repair_later(self, worker: Worker, repair: Callable[[], None]) -> None:
        """Repair a worker when others have taken over from it, or some time before."""
        patience = self.rng.choice([self.rng.uniform(0, 10), _TAKE_OVER_SECONDS])

        async def is_replaced() -> bool:
            return (worker.process.pid,) not in await self.site.rows(_HOLDERS)

        async def wait() -> None:
            await self.site.until(is_replaced, patience)
            repair()

        task = asyncio.create_task(wait())
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)

    async def _cut_connections(self) -> None:
        await self.site.rows(_CUT)

    async def _restart_the_database(self) -> None:
        how = self.rng.choice([signal.SIGINT, signal.SIGQUIT])  # in order, or as a crash
        await asyncio.to_thread(self.site.server.stop, how)
        await asyncio.to_thread(self.site.server.start)


async def harm(
    ways: Callable[[Harm], Iterable[str]], count: int, seed: object
) -> tuple[Counter[str], Counter[State]]:
    """Do harm, let all rollouts end, and check them.

    Args:
        ways: Returns the ways, one after the other.
        count: Their number.
        seed: Determines what is random.

    Returns:
        How often harm was done in each way, and the number of phones by state.
    """
    async with Site.open((count + 1) * ROLLOUTS) as site:
        harm = Harm(site, random.Random(str(seed)))
        await harm.do(ways(harm))
        await harm.repair()
        await site.end_rollouts()
        await site.stop_workers()
        return harm.done, await site.check()


async def main(count: int, seed: int) -> None:
    """Do harm so many times, and print in which ways and what became of the phones."""
    sys.stdout.write(f"seed {seed}\n")

    def ways(harm: Harm) -> list[str]:
        return harm.rng.choices(list(harm.ways), k=count)

    done, states = await harm(ways, count, seed)
    for way, number in done.most_common():
        sys.stdout.write(f"{number:6,}  {way}\n")
    sys.stdout.write("".join(f"{number:6,}  phones {state}\n" for state, number in states.most_common()))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else random.randrange(2**32)))
