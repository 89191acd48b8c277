"""How everything here is measured, shown and kept.

Times of work are CPU seconds of this process (`process_time`), because the machine has other things to
do; times of waiting are the clock's. The ways of one comparison take turns in every run, so that what
slows the machine down slows them all; what is told is the median, the least and the most of the runs.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias

import msgspec
from attrs import asdict, frozen

BENCH: Final = Path("build/bench.json")

OURS: Final = "ours"
FLOOR: Final = "floor"
VENDOR: Final = "vendor"

Samples: TypeAlias = Mapping[str, Sequence[float]]


@frozen
class Result:
    """One figure, of each who was measured."""

    part: str
    case: str
    unit: str
    samples: Samples
    """What each run gave, by who: `ours`, `floor`, `vendor`, and others beside them."""

    most: float | None = None
    """How many times the floor ours may be, as the project holds itself to."""

    absolute: float | None = None
    """How much ours may be in the unit itself, on a small machine."""

    more_is_better: bool = False
    guarded: bool = False
    """Whether a fall-back of its ratio stops a release: what depends on other processes' speed is not."""

    @property
    def name(self) -> str:
        """What it is kept by."""
        return f"{self.part}: {self.case}, {self.unit}"

    def typical(self, who: str) -> float | None:
        """Tell the median of somebody's runs."""
        return median(self.samples[who]) if self.samples.get(who) else None

    def ratio(self, to: str = FLOOR) -> float | None:
        """Tell how many times what somebody takes we take."""
        ours, other = self.typical(OURS), self.typical(to)
        return None if ours is None or not other else ours / other

    @property
    def best_ratio(self) -> float | None:
        """Tell the ratio of the best runs, which other work on the machine disturbs least."""
        ours, floor = self.samples.get(OURS), self.samples.get(FLOOR)
        best = max if self.more_is_better else min
        return best(ours) / best(floor) if ours and floor else None

    @property
    def verdict(self) -> str:
        """Tell whether ours is within what it is held to: as a ratio, or at least in its unit."""
        if self.most is None and self.absolute is None:
            return ""
        if self.most is not None and (self.ratio() or 0) <= self.most:
            return "held"
        if self.absolute is not None and (self.typical(OURS) or 0) <= self.absolute:
            return "held" if self.most is None else "held in its unit only"
        return "NOT HELD"


def by_turns(
    ways: Mapping[str, Callable[[], object]], *, loops: int, runs: int = 9, scale: float = 1e6
) -> Samples:
    """Measure the CPU time of one call of each, in units of `1 / scale` seconds."""
    samples: dict[str, list[float]] = {who: [] for who in ways}
    for run in range(-2, runs):
        for who, way in ways.items():
            gc.collect()
            began = time.process_time()
            for _ in range(loops):
                way()
            if run >= 0:  # the first two warm up
                samples[who].append((time.process_time() - began) / loops * scale)
    return samples


async def tasks_by_turns(
    ways: Mapping[str, Callable[[], Awaitable[object]]], *, runs: int = 5, warm_up: int = 1
) -> tuple[Samples, Samples]:
    """Measure CPU seconds and seconds of each piece of asynchronous work as a whole."""
    cpu: dict[str, list[float]] = {who: [] for who in ways}
    wall: dict[str, list[float]] = {who: [] for who in ways}
    clock = asyncio.get_running_loop().time
    for run in range(-warm_up, runs):
        for who, way in ways.items():
            gc.collect()
            began, worked = clock(), time.process_time()
            await way()
            if run >= 0:
                cpu[who].append(time.process_time() - worked)
                wall[who].append(clock() - began)
    return cpu, wall


def scaled(samples: Samples, factor: float) -> Samples:
    """Give samples in another unit."""
    return {who: [value * factor for value in values] for who, values in samples.items()}


_ROW: Final = "{:<9} {:<44} {:<11} {:>8} {:>8} {:>8} {:>15} {:>8} {:>8} {:>8} {:>8}  {}"


def show(results: Sequence[Result]) -> None:
    """Print one table: a row a figure, with its ratios and what they are held to."""
    print(_ROW.format(
        "part", "case", "unit", "floor", "vendor", "ours", "least-most", "x floor", "at most", "x vendor",
        "at most", "",
    ))  # fmt: skip
    for result in results:
        ours = result.samples[OURS]
        figures = [_short(result.typical(who)) for who in (FLOOR, VENDOR, OURS)]
        ratios = [result.ratio(), result.most, result.ratio(VENDOR), result.absolute]
        print(_ROW.format(
            result.part, result.case, result.unit, *figures, f"{_short(min(ours))}-{_short(max(ours))}",
            *map(_short, ratios), result.verdict,
        ).rstrip())  # fmt: skip
        others = [who for who in result.samples if who not in (OURS, FLOOR, VENDOR)]
        if others:
            print(" " * 10 + ", ".join(f"{who} {_short(result.typical(who))}" for who in others))


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(results: Sequence[Result], path: Path = BENCH) -> None:
    """Keep results as JSON, in place of earlier ones of the same parts."""
    parts = {result.part for result in results}
    kept = [result for result in read(path) if result.part not in parts] if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(result) for result in (*kept, *results)]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))


def read(path: Path = BENCH) -> list[Result]:
    """Read what `write` kept."""
    rows: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())
    return [Result(**row) for row in rows]


def report(results: Sequence[Result]) -> None:
    """Show and keep the results of a part."""
    show(results)
    write(results)
