"""Measure, print and store benchmark results.

Work is measured as CPU time of this process (`process_time`), since the machine is shared; waiting is
measured as wall time. Alternatives are interleaved in every run, so that a slowdown of the machine affects
them all. Printed are the median, minimum and maximum of the runs.
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
from attrs import asdict, evolve, frozen

from benchmarks.spread import MAX_SCATTER, Spread, Verdict, pair_ratios

BENCH: Final = Path("build/bench.json")

OURS: Final = "ours"
FLOOR: Final = "floor"
VENDOR: Final = "vendor"

Samples: TypeAlias = Mapping[str, Sequence[float]]


@frozen
class Result:
    """Measurements of one quantity, for each client."""

    part: str
    case: str
    unit: str
    samples: Samples
    """Values of the runs by client: `ours`, `floor`, `vendor` and others."""

    max_ratio: float | None = None
    """Target of the project: maximum ratio of ours to the floor."""

    max_value: float | None = None
    """Target of the project: maximum value of ours, on a small machine."""

    higher_is_better: bool = False
    guarded: bool = False
    """Whether a regression of its ratio stops a release; False if it depends on other processes."""

    @property
    def name(self) -> str:
        """Key in the stored results."""
        return f"{self.part}: {self.case}, {self.unit}"

    def median(self, client: str) -> float | None:
        """Return the median of a client's runs."""
        return median(self.samples[client]) if self.samples.get(client) else None

    def ratios(self, to: str = FLOOR) -> Spread | None:
        """Return the ratios of ours to another client, by pairs of runs."""
        pairs = pair_ratios(self.samples[OURS], self.samples[to]) if self.samples.get(to) else []
        return Spread.of(pairs) if pairs else None

    def ratio(self, to: str = FLOOR) -> float | None:
        """Return the ratio of ours to another client."""
        ratios = self.ratios(to)
        return None if ratios is None else ratios.middle

    @property
    def has_target(self) -> bool:
        """Whether anything is concluded from it."""
        return self.guarded or self.max_ratio is not None or self.max_value is not None

    @property
    def scatter(self) -> float:
        """How far the ratios to the floor scatter, or ours where there is no floor."""
        return (self.ratios() or Spread.of(self.samples[OURS])).scatter

    @property
    def status(self) -> str:
        """Whether ours meets its targets: the ratio, or at least the absolute value."""
        ratios = self.ratios()
        by_ratio = ratios.verdict(self.max_ratio) if ratios and self.max_ratio is not None else None
        by_value = None if self.max_value is None else Spread.of(self.samples[OURS]).verdict(self.max_value)
        if by_value is Verdict.MET and by_ratio not in (None, Verdict.MET):
            return "absolute value met"
        verdicts = [verdict for verdict in (by_ratio, by_value) if verdict is not None]
        best = (verdict for verdict in Verdict if verdict in verdicts)
        return next(best, "")


def scattered(results: Sequence[Result]) -> list[str]:
    """Return the names of the results with targets that scatter too far to be relied on."""
    return [result.name for result in results if result.has_target and result.scatter > MAX_SCATTER]


def merged(results: Sequence[Result], repeated: Sequence[Result]) -> list[Result]:
    """Add the runs of a repetition to those of the same results; pairs stay pairs."""
    again = {result.name: result.samples for result in repeated}
    return [
        evolve(result, samples={
            who: [*runs, *again.get(result.name, {}).get(who, ())] for who, runs in result.samples.items()
        })
        for result in results
    ]  # fmt: skip


def measure_calls(
    functions: Mapping[str, Callable[[], object]], *, loops: int, runs: int = 9, scale: float = 1e6
) -> Samples:
    """Measure the CPU time of one call of each function, in units of `1 / scale` seconds."""
    samples: dict[str, list[float]] = {who: [] for who in functions}
    for run in range(-2, runs):
        for who, function in functions.items():
            gc.collect()
            started_at = time.process_time()
            for _ in range(loops):
                function()
            if run >= 0:  # the first two warm up
                samples[who].append((time.process_time() - started_at) / loops * scale)
    return samples


async def measure_tasks(
    functions: Mapping[str, Callable[[], Awaitable[object]]], *, runs: int = 5, warm_up: int = 1
) -> tuple[Samples, Samples]:
    """Measure CPU seconds and wall seconds of each coroutine function."""
    cpu: dict[str, list[float]] = {who: [] for who in functions}
    wall: dict[str, list[float]] = {who: [] for who in functions}
    clock = asyncio.get_running_loop().time
    for run in range(-warm_up, runs):
        for who, function in functions.items():
            gc.collect()
            started_at, cpu_before = clock(), time.process_time()
            await function()
            if run >= 0:
                cpu[who].append(time.process_time() - cpu_before)
                wall[who].append(clock() - started_at)
    return cpu, wall


def scaled(samples: Samples, factor: float) -> Samples:
    """Return samples in another unit."""
    return {who: [value * factor for value in values] for who, values in samples.items()}


_ROW: Final = "{:<9} {:<44} {:<11} {:>8} {:>8} {:>8} {:>15} {:>8} {:>8} {:>8} {:>8}  {}"


def show(results: Sequence[Result]) -> None:
    """Print a table of results with their ratios and targets."""
    print(_ROW.format(
        "part", "case", "unit", "floor", "vendor", "ours", "min-max", "x floor", "at most", "x vendor",
        "at most", "",
    ))  # fmt: skip
    for result in results:
        ours = result.samples[OURS]
        figures = [_short(result.median(who)) for who in (FLOOR, VENDOR, OURS)]
        ratios = [result.ratio(), result.max_ratio, result.ratio(VENDOR), result.max_value]
        print(_ROW.format(
            result.part, result.case, result.unit, *figures, f"{_short(min(ours))}-{_short(max(ours))}",
            *map(_short, ratios), result.status,
        ).rstrip())  # fmt: skip
        extra = [who for who in result.samples if who not in (OURS, FLOOR, VENDOR)]
        if extra:
            print(" " * 10 + ", ".join(f"{who} {_short(result.median(who))}" for who in extra))


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def write(results: Sequence[Result], path: Path = BENCH) -> None:
    """Store results as JSON, replacing earlier ones of the same parts."""
    parts = {result.part for result in results}
    others = [result for result in read(path) if result.part not in parts] if path.exists() else []
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [asdict(result) for result in (*others, *results)]
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1))


def read(path: Path = BENCH) -> list[Result]:
    """Load the stored results."""
    rows: list[dict[str, Any]] = msgspec.json.decode(path.read_bytes())
    return [Result(**row) for row in rows]


def report(results: Sequence[Result]) -> None:
    """Print and store the results of a part."""
    show(results)
    write(results)
