"""Kill the process that drives a rollout at random points, resume it, and compare journal and phones.

`python -m tests.rollouts.crashes COUNT [SEED]` does so COUNT times, and prints at which points.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.batches import State
from koophone_async.emulator import Durations, Emulator, Throttle
from koophone_async.rollouts import Plan, Selection, Step
from koophone_async.rollouts.journal import ChunkState, Journal
from koophone_async.rollouts.reports.last_outcomes import last_outcomes
from tests.cli.conftest import settings_of

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

    from koophone_async.emulator.phone import Phone
    from koophone_async.rollouts.journal import RolloutRecord

PROGRAM: Final = Path(__file__).parent / "crash_program.py"
ROOT: Final = Path(__file__).parents[2]
PHONES: Final = 24
REGIONS: Final = ("cn-north-4", "cn-east-3", "cn-south-1")
_SOME: Final = 0.3
"""Probability of a refusal, and of another crash during a resume."""

OPERATIONS: Final = {"koophone": "koophone.commands.run", "cph": "cph.commands.run"}


@frozen
class Case:
    """What is rolled out when processes are killed."""

    service: str
    steps: int

    @property
    def operation(self) -> str:
        return OPERATIONS[self.service]

    def id_of(self, phone: Phone) -> str:
        return phone.id if self.service == "koophone" else phone.cph_id

    def plan(self, ids: Sequence[str]) -> str:
        """Return a plan with several chunks in flight at once, as its phones are on several servers."""
        plan = Plan(
            service=self.service,
            targets=Selection(ids=ids),
            steps=[Step("run", f"echo {number}") for number in range(self.steps)],
            waves=["25%"],
            stop="never",
        )
        return plan.to_json()


CASES: Final = tuple(Case(service, steps) for service in OPERATIONS for steps in (1, 3))


@define
class CrashingDriver:
    """Drives rollouts of one emulator in processes that die when they are told to."""

    emulator: Emulator
    _program: Process

    @classmethod
    @asynccontextmanager
    async def start(cls, emulator: Emulator) -> AsyncGenerator[CrashingDriver]:
        program = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROGRAM),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=os.environ | settings_of(emulator.banner()) | {"PYTHONPATH": str(ROOT)},
        )
        try:
            yield cls(emulator, program)
        finally:
            program.terminate()
            await program.wait()

    async def drive(self, **order: object) -> Mapping[str, int] | None:
        """Start or resume a rollout; return the points that it has passed, or None if it was killed."""
        answer = await self.order(**order)
        assert answer != "failed", order
        return None if answer == "killed" else json.loads(answer)

    async def order(self, **order: object) -> str:
        """Send an order, and return the first line that answers."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(order).encode() + b"\n")
        return await self.read_line()

    async def read_line(self) -> str:
        assert self._program.stdout is not None
        return (await self._program.stdout.readline()).decode().strip()


@define
class CrashTest:
    """Crashes of the rollouts of one case, and what the journal had when they happened."""

    case: Case
    driver: CrashingDriver
    rng: random.Random
    journals: Callable[[int], str]
    """Returns the location of the journal of each rollout."""

    points: Mapping[str, int] = field(factory=dict[str, int], init=False)
    """Number of points by kind that a rollout passes."""

    crashes: Counter[str] = field(factory=Counter[str], init=False)
    """Number of crashes by the kind of point."""

    _rollouts: int = field(default=0, init=False)

    async def run(self, crashes: int) -> None:
        """Kill so many processes, and check every rollout after its last resume."""
        self.points = await self._roll_out(may_crash=False) or {}
        while self.crashes.total() < crashes:
            await self._roll_out(may_crash=True)

    async def _roll_out(self, *, may_crash: bool) -> Mapping[str, int] | None:
        """Roll out to new phones, with crashes; return the points that the last process has passed."""
        self._rollouts += 1
        journal, emulator = self.journals(self._rollouts), self.driver.emulator
        emulator.reset()
        ids = [self.case.id_of(phone) for phone in emulator.phones]
        if self.rng.random() < _SOME:
            fault = Throttle(100, "1 second")
            emulator.fault(fault, self.case.operation, phone=self.rng.choice(ids), first=1)
        in_doubt: set[int] = set()
        exists, points = False, None
        while points is None:
            order: dict[str, object] = {} if exists else {"plan": self.case.plan(ids)}
            kind = ""
            if may_crash:
                kind = self.rng.choice(list(self.points))
                passed = self.points[kind] // (4 if exists else 1)
                order |= {"kind": kind, "count": self.rng.randint(1, passed + 1)}
                may_crash = not exists or self.rng.random() < _SOME
            points = await self.driver.drive(journal=journal, **order)
            if points is None:
                self.crashes[kind] += 1
                exists, positions = await _after_a_crash(journal)
                in_doubt |= positions
        await self._check(journal, ids, in_doubt)
        return points

    async def _check(self, journal: str, ids: Sequence[str], in_doubt: set[int]) -> None:
        """Compare the journal with what phones have executed."""
        executed = self.driver.emulator.ledger.executions(self.case.operation)
        async with await Journal.open(journal) as opened:
            record = await opened.find("last")
            outcomes = [pair async for pair in last_outcomes(opened, record)]
            open_chunks = await opened.chunks(record.id)
        assert not open_chunks
        assert [target.id for target, _ in outcomes] == ids
        assert record.counts == Counter(outcome.state.value for _, outcome in outcomes)
        for target, outcome in outcomes:
            count = executed.get(target.id, 0)
            if target.position in in_doubt:
                assert outcome.state is State.UNKNOWN
                assert count in (outcome.step - 1, outcome.step)
            else:
                assert (outcome.state, count) == (State.SUCCEEDED, self.case.steps), outcome


async def _after_a_crash(journal: str) -> tuple[bool, set[int]]:
    """Return whether the journal has a rollout, and the phones that may have executed a step or not."""
    async with await Journal.open(journal) as opened:
        found: Sequence[RolloutRecord] = await opened.rollouts()
        chunks = await opened.chunks(found[0].id) if found else ()
    sending = [chunk for chunk in chunks if chunk.state is ChunkState.SENDING]
    return bool(found), {position for chunk in sending for position in chunk.positions}


@asynccontextmanager
async def open_emulator(regions: int = 1) -> AsyncGenerator[Emulator]:
    """Start an emulator with short jobs, where no call can reach all phones."""
    no_quotas = {"koophone": (), "cph": ()}
    jobs = Durations(median=0.05)
    async with Emulator(
        PHONES, servers=3, regions=REGIONS[:regions], jobs=jobs, quotas=no_quotas
    ) as emulator:
        yield emulator


async def crash(case: Case, count: int, seed: int, journals: Callable[[int], str]) -> Counter[str]:
    """Kill so many processes in one case, and return how many at each kind of point.

    Args:
        case: What is rolled out.
        count: Number of crashes.
        seed: Of where they happen.
        journals: Returns the location of the journal of each rollout.
    """
    regions = 3 if case.service == "koophone" else 1  # so that calls are refused, and divided by region
    async with open_emulator(regions) as emulator, CrashingDriver.start(emulator) as driver:
        test = CrashTest(case, driver, random.Random(f"{seed}{case}"), journals)
        await test.run(count)
    return test.crashes


def in_files(directory: Path, name: str = "rollout") -> Callable[[int], str]:
    """Return what names a file for the journal of each rollout."""
    return lambda number: str(directory / f"{name}-{number}.db")


async def main(count: int, seed: int) -> None:
    """Kill so many processes in all cases, and print at which points."""
    sys.stdout.write(f"seed {seed}\n")
    with TemporaryDirectory() as directory:
        share = -(-count // len(CASES))
        crashes = await asyncio.gather(
            *(crash(case, share, seed, in_files(Path(directory), str(case))) for case in CASES)
        )
    for kind, number in sum(crashes, Counter[str]()).most_common():
        sys.stdout.write(f"{number:5}  {kind}\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if sys.argv[2:] else random.randrange(2**32)))
