"""Plot the main results as SVG: CPU per phone, memory of a run, polls against delay, throughput."""

from __future__ import annotations

import sys
from math import ceil, floor, log10
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from attrs import frozen

from benchmarks.measure import FLOOR, OURS, Result, read
from benchmarks.workers import CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

DOCS: Final = Path("docs")

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 150, 40, 60
COLOURS: Final = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#475569")

Point = tuple[float, float]


@frozen
class Axis:
    """A logarithmic axis between two powers of ten."""

    title: str
    low: float
    high: float

    @classmethod
    def over(cls, title: str, values: Sequence[float]) -> Axis:
        """Create an axis that spans all values."""
        return cls(title, 10.0 ** floor(log10(min(values))), 10.0 ** ceil(log10(max(values))))

    def position(self, value: float) -> float:
        """Return the position of a value, from 0 to 1."""
        return (log10(value) - log10(self.low)) / (log10(self.high) - log10(self.low))

    def ticks(self) -> list[float]:
        """Return the powers of ten."""
        return [10.0**power for power in range(round(log10(self.low)), round(log10(self.high)) + 1)]


@frozen
class Plot:
    """Curves by name on two axes."""

    title: str
    x: Axis
    y: Axis
    curves: Mapping[str, Sequence[Point]]

    @classmethod
    def of(cls, title: str, x: str, y: str, curves: Mapping[str, Sequence[Point]]) -> Plot:
        """Create a plot with axes that span all points."""
        xs, ys = zip(*(point for curve in curves.values() for point in curve), strict=True)
        return cls(title, Axis.over(x, xs), Axis.over(y, ys), curves)

    def svg(self) -> str:
        """Render the plot."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="12"><rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        )
        return "\n".join([head, *self._frame(), *self._curves(), "</svg>", ""])

    def _at(self, point: Point) -> Point:
        x = LEFT + self.x.position(point[0]) * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - self.y.position(point[1]) * (HEIGHT - TOP - BOTTOM), 1)

    def _frame(self) -> Iterator[str]:
        yield _text(LEFT, TOP - 16, self.title, "start", 14)
        yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, self.x.title)
        yield f'<g transform="rotate(-90)">{_text(-(TOP + HEIGHT - BOTTOM) / 2, 16, self.y.title)}</g>'
        for tick in self.x.ticks():
            x, _ = self._at((tick, self.y.low))
            yield f'<path d="M{x} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
            yield _text(x, HEIGHT - BOTTOM + 18, f"{tick:,.10g}")
        for tick in self.y.ticks():
            _, y = self._at((self.x.low, tick))
            yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            yield _text(LEFT - 6, y + 4, f"{tick:,.10g}", "end")

    def _curves(self) -> Iterator[str]:
        for number, (name, points) in enumerate(self.curves.items()):
            colour = COLOURS[number % len(COLOURS)]
            places = [self._at(point) for point in points]
            line = " ".join(f"{x},{y}" for x, y in places)
            yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
            yield "".join(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places)
            y = TOP + 10 + 18 * number
            yield f'<circle cx="{WIDTH - RIGHT + 16}" cy="{y - 4}" r="4" fill="{colour}"/>'
            yield _text(WIDTH - RIGHT + 26, y, name, "start")


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 12) -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>'


def cost(results: Sequence[Result]) -> Plot:
    """Plot the CPU per phone against the number of phones."""
    rows = [r for r in results if r.part == "scaling" and r.unit.startswith("µs")]
    points = [(_number(r.case), median(r.samples[OURS])) for r in rows]
    return Plot.of("CPU per phone", "phones", "µs CPU per phone", {OURS: points})


def memory(results: Sequence[Result]) -> Plot:
    """Plot the memory of one run on a million phones against the outcomes so far."""
    rows = [r for r in results if r.part == "million" and r.case.endswith("outcomes")]
    curves = {
        name: [(_number(r.case), median(r.samples[who])) for r in rows]
        for who, name in {OURS: "ours", FLOOR: "before the run"}.items()
    }
    return Plot.of("Memory, listing and running on 1,000,000 phones", "outcomes", "MB", curves)


def polls(results: Sequence[Result]) -> Plot:
    """Plot polls against delay, with a point for each width of the durations."""
    rows = [r for r in results if r.part == "polls"]
    pairs = [(each, next(r for r in rows if r.case == each.case and r.unit == "s delay"))
             for each in rows if each.unit == "polls per job"]  # fmt: skip
    curves = {
        who: [(median(delayed.samples[who]), median(polled.samples[who])) for polled, delayed in pairs]
        for who in pairs[0][0].samples
    }
    return Plot.of(
        "Polls against delay, for widths 0.2, 0.6, 1.2", "delay in seconds", "polls per job", curves
    )


def throughput(results: Sequence[Result]) -> Plot:
    """Plot calls per second against concurrency."""
    rows = [r for r in results if r.unit == "per second" and r.case.startswith("shell")]
    names = {OURS: "ours", FLOOR: "bare aiohttp"}
    curves = {
        f"{names[who]}, {delay}": [
            (_concurrency(r), median(r.samples[who])) for r in rows if _delay(r) == delay
        ]
        for delay in ("0 ms", "50 ms")
        for who in (OURS, FLOOR)
    }
    return Plot.of("Throughput, shell on 100 phones", "concurrent calls", "calls per second", curves)


def workers(results: Sequence[Result]) -> Plot:
    """Plot calls per second of one rollout against the number of its workers."""
    rows = [r for r in results if r.part == "workers"]
    points = [(_number(r.case), CALLS / median(r.samples[OURS])) for r in rows]
    return Plot.of("One rollout on several workers", "workers", "calls per second", {OURS: points})


def _concurrency(result: Result) -> float:
    return _number(result.case.split(", ")[1])


def _delay(result: Result) -> str:
    return result.case.rpartition(", ")[2]


def _number(text: str) -> float:
    return float(text.split(maxsplit=1)[0].replace(",", ""))


PLOTS: Final = {"cost": cost, "memory": memory, "polls": polls, "throughput": throughput, "workers": workers}


def main() -> None:
    """Plot the results of `python -m benchmarks`: all of them, or those that the command line names."""
    results = read()
    for name in sys.argv[1:] or PLOTS:
        (DOCS / f"bench-{name}.svg").write_text(PLOTS[name](results).svg())


if __name__ == "__main__":
    main()
