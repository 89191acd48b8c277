"""Regression check: compare ratios to the floor with those of the baseline.

`python -m benchmarks.check` compares the results of `python -m benchmarks` with `baseline.json`; `--write`
makes them the new baseline. The ratios are those of the best runs, which other processes disturb least.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.measure import read

if TYPE_CHECKING:
    from collections.abc import Mapping

BASELINE: Final = Path(__file__).parent / "baseline.json"
TOLERANCE: Final = 1.2
"""Maximum ratio of a result to its baseline."""


def regressions(ratios: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """Describe the benchmarks that are more than 20 % above the baseline, or missing."""
    missing = [f"{name}: was not measured" for name in baseline if name not in ratios]
    return missing + [
        f"{name}: {ratios[name]:.3g} times the floor, {before:.3g} before"
        for name, before in baseline.items()
        if name in ratios and ratios[name] > before * TOLERANCE
    ]


def main() -> int:
    """Compare with the baseline, or write it."""
    ratios = {r.name: r.best_ratio for r in read() if r.guarded and r.best_ratio is not None}
    if "--write" in sys.argv:
        BASELINE.write_bytes(msgspec.json.format(msgspec.json.encode(ratios), indent=1) + b"\n")
        return 0
    problems = regressions(ratios, msgspec.json.decode(BASELINE.read_bytes(), type=dict[str, float]))
    print("\n".join(problems) or f"{len(ratios)} benchmarks are within 20 % of the baseline")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
