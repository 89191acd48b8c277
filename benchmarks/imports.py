"""Import time, and the start of the command line, each time in a new interpreter.

Bytecode is cached between the runs for all: in an environment that forbids writing it, only the package under
development would be compiled each time.
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


def _milliseconds(statement: str) -> float:
    code = (
        "import sys, time; started_at = time.process_time()\n"
        f"try: {statement}\n"
        "finally: sys.stderr.write(f'\\n{time.process_time() - started_at}')"
    )
    command = [sys.executable, "-c", code]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": "build/bytecode"}
    process = subprocess.run(command, capture_output=True, check=False, text=True, env=environ)  # noqa: S603 - our own module
    return float(process.stderr.splitlines()[-1]) * 1e3  # a traceback would follow it


def _start(*line: str, **environ: str) -> str:
    """Return the statement that runs `koophone` with some arguments and variables."""
    setup = f"import os, sys; sys.argv[1:] = {list(line)}; os.environ.update({environ})"
    return f"{setup}; from koophone_async.cli import main; main()"


_TAB: Final = _start(_KOOPHONE_COMPLETE="complete_bash", COMP_WORDS="koophone instances ", COMP_CWORD="2")


def _measure_imports(statements: Mapping[str, str]) -> Mapping[str, Sequence[float]]:
    samples: dict[str, list[float]] = {who: [] for who in statements}
    for run in range(-1, RUNS):
        for who, statement in statements.items():
            elapsed = _milliseconds(statement)
            if run >= 0:
                samples[who].append(elapsed)
    return samples


def results() -> Sequence[Result]:
    """Measure the package alone, the names that every user needs, and the start of the command line."""
    package = {FLOOR: AIOHTTP, VENDOR: SDK, OURS: f"{AIOHTTP}; import koophone_async"}
    names = {FLOOR: AIOHTTP, VENDOR: SDK, OURS: "from koophone_async import KooPhone, Session"}
    return [
        Result(
            "import",
            "aiohttp, and the package",
            "ms CPU",
            _measure_imports(package),
            max_ratio=1.2,
            guarded=True,
        ),
        Result(
            "import", "Session and KooPhone", "ms CPU", _measure_imports(names), max_ratio=1.2, guarded=True
        ),
        *(
            Result(
                "import",
                f"koophone: {what}",
                "ms CPU",
                _measure_imports({FLOOR: "import typer", OURS: statement}),
                max_ratio=1.5,
                guarded=True,
            )
            for what, statement in {
                "--version": _start("--version"),
                "--help": _start("--help"),
                "a TAB": _TAB,
                "help of a group": _start("instances", "--help"),
                "help of a command": _start("cph", "phones", "restart", "--help"),
                "an unknown option": _start("instances", "list", "--bogus"),
                "a missing argument": _start("rollout", "start"),
                "an unknown value": _start("instances", "list", "--output", "bogus"),
            }.items()
        ),
    ]


if __name__ == "__main__":
    report(results())
