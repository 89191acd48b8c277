"""How long an import takes, each time in a new interpreter.

Bytecode is kept between the runs, for all alike: where an environment forbids to write it, a package under
development would be compiled anew each time, and installed ones not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from benchmarks.measure import FLOOR, OURS, VENDOR, Result, report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUNS: Final = 9
AIOHTTP: Final = "import aiohttp"
SDK: Final = "import huaweicloudsdkcph.v1"


def _took(statement: str) -> float:
    code = f"import time; began = time.process_time(); {statement}; print(time.process_time() - began)"
    command = [sys.executable, "-c", code]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": "build/bytecode"}
    ran = subprocess.run(command, capture_output=True, check=True, text=True, env=environ)  # noqa: S603 - ourselves
    return float(ran.stdout) * 1e3


def _by_turns(statements: Mapping[str, str]) -> Mapping[str, Sequence[float]]:
    samples: dict[str, list[float]] = {who: [] for who in statements}
    for run in range(-1, RUNS):
        for who, statement in statements.items():
            took = _took(statement)
            if run >= 0:
                samples[who].append(took)
    return samples


def results() -> Sequence[Result]:
    """Measure the package, and the names that nobody does without, which bring aiohttp."""
    package = {FLOOR: AIOHTTP, VENDOR: SDK, OURS: f"{AIOHTTP}; import koophone_async"}
    names = {FLOOR: AIOHTTP, VENDOR: SDK, OURS: "from koophone_async import KooPhone, Session"}
    return [
        Result("import", "aiohttp, and the package", "ms CPU", _by_turns(package), most=1.15, guarded=True),
        Result("import", "Session and KooPhone", "ms CPU", _by_turns(names), most=1.15, guarded=True),
    ]


if __name__ == "__main__":
    report(results())
