"""How long a newcomer waits: what `make demo` and `make test` install, and what a second run of them adds.

Every clone is fresh, every home directory and cache is empty: all is downloaded from the package registry.
"""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from benchmarks.measure import OURS, Result, report

if TYPE_CHECKING:
    from collections.abc import Sequence

RUNS: Final = 3
DEMO: Final = ".venv/.demo"
DEV: Final = ".venv/.dev"
"""The files that tell make what has been installed: the targets that both commands stand on."""


def _clone(into: Path) -> Path:
    subprocess.run(["git", "clone", "--quiet", Path.cwd(), into], check=True)  # noqa: S603, S607 - this checkout
    return into


def _seconds(clone: Path, target: str) -> float:
    environ = {**os.environ, "HOME": str(clone.parent)}
    for name in ("XDG_CACHE_HOME", "PIP_CACHE_DIR", "UV_CACHE_DIR"):
        environ.pop(name, None)
    began = time.monotonic()
    subprocess.run(["make", target], cwd=clone, env=environ, check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607
    return time.monotonic() - began


def _installed(targets: Sequence[str]) -> list[float]:
    with TemporaryDirectory() as home:
        clone = _clone(Path(home, "clone"))
        return [_seconds(clone, target) for target in targets]


def results() -> Sequence[Result]:
    """Install what each command needs, what the second needs after the first, and all of it again."""
    demo_first = [_installed((DEMO, DEMO, DEV)) for _ in range(RUNS)]
    test_first = [_installed((DEV, DEV)) for _ in range(RUNS)]
    demo, demo_again, test_after_demo = zip(*demo_first, strict=True)
    test, test_again = zip(*test_first, strict=True)
    return [
        Result("setup", "make demo, empty caches", "s", {OURS: demo}, max_value=20),
        Result("setup", "make test, empty caches", "s", {OURS: test}, max_value=30),
        Result("setup", "make test after make demo", "s", {OURS: test_after_demo}, max_value=20),
        Result("setup", "a second make demo adds", "s", {OURS: demo_again}, max_value=1),
        Result("setup", "a second make test adds", "s", {OURS: test_again}, max_value=1),
    ]


if __name__ == "__main__":
    report(results())
