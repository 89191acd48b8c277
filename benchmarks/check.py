"""Regression check: compare ratios to the floor with those of the baseline.

`python -m benchmarks.check` compares the results of `python -m benchmarks` with `baseline.json`; `--write`
makes them the new baseline. Only ratios are compared, which depend less on the machine than times do, and
only a ratio whose middle half is above the limit is a regression: one that scatters around it proves nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import frozen

from benchmarks.measure import read
from benchmarks.spread import Spread, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

BASELINE: Final = Path(__file__).parent / "baseline.json"
TOLERANCE: Final = 1.2
"""Maximum ratio of a result to its baseline."""


@frozen
class Comparison:
    """What a comparison with the baseline found, in lines to print."""

    regressions: list[str]
    """Ratios that are too high, and those that were not measured."""

    undecided: list[str]
    """Ratios that scatter around the limit."""


def compare(ratios: Mapping[str, Spread], baseline: Mapping[str, float]) -> Comparison:
    """Compare ratios with 1.2 times those of the baseline."""
    found = Comparison([f"{name}: was not measured" for name in baseline if name not in ratios], [])
    lines = {Verdict.NOT_MET: found.regressions, Verdict.NONE: found.undecided}
    for name, before in baseline.items():
        if name not in ratios:
            continue
        ratio = ratios[name]
        if (verdict := ratio.verdict(before * TOLERANCE)) in lines:
            figures = f"{ratio.middle:.3g} times the floor ({ratio.low:.3g} to {ratio.high:.3g})"
            lines[verdict].append(f"{name}: {figures}, {before:.3g} before")
    return found


def main() -> int:
    """Compare with the baseline, or write it."""
    ratios = {r.name: ratio for r in read() if r.guarded and (ratio := r.ratios()) is not None}
    if "--write" in sys.argv:
        middles = {name: ratio.middle for name, ratio in ratios.items()}
        BASELINE.write_bytes(msgspec.json.format(msgspec.json.encode(middles), indent=1) + b"\n")
        return 0
    found = compare(ratios, msgspec.json.decode(BASELINE.read_bytes(), type=dict[str, float]))
    for line in found.undecided:
        print(f"no verdict: {line}")
    print("\n".join(found.regressions) or f"no regression in {len(ratios)} benchmarks")
    return int(bool(found.regressions))


if __name__ == "__main__":
    sys.exit(main())
