"""The guard: has anything fallen back against the floor since the baseline was written?

`python -m benchmarks.check` compares what `python -m benchmarks` wrote with `baseline.json`; with `--write`
it takes that as the baseline. Compared are the ratios of the best runs, which other work disturbs least.
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
MOST: Final = 1.2
"""How many times its ratio of the baseline a benchmark may take."""


def fallen(ratios: Mapping[str, float], baseline: Mapping[str, float]) -> list[str]:
    """Tell which benchmarks have fallen back by more than 20 %, or are missing."""
    missing = [f"{name}: was not measured" for name in baseline if name not in ratios]
    return missing + [
        f"{name}: {ratios[name]:.3g} times the floor, {was:.3g} before"
        for name, was in baseline.items()
        if name in ratios and ratios[name] > was * MOST
    ]


def main() -> int:
    """Compare, or write the baseline."""
    ratios = {r.name: r.best_ratio for r in read() if r.guarded and r.best_ratio is not None}
    if "--write" in sys.argv:
        BASELINE.write_bytes(msgspec.json.format(msgspec.json.encode(ratios), indent=1) + b"\n")
        return 0
    found = fallen(ratios, msgspec.json.decode(BASELINE.read_bytes(), type=dict[str, float]))
    print("\n".join(found) or f"{len(ratios)} benchmarks hold their ratio to the floor")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
