"""Run every benchmark in its own interpreter, and print one table of all results."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from benchmarks.machine import Machine, load
from benchmarks.measure import BENCH, Result, merged, read, scattered, show, write

PARTS: Final = (
    "signing", "wire", "requests", "fanout", "singles", "quotas", "polls", "memory", "scaling", "million",
    "imports", "emulator", "journal", "workers", "loops", "setup",
)  # fmt: skip


MAX_REPEATS: Final = 2
"""How often a part is repeated at most because its results scatter."""


def main() -> int:
    """Run all benchmarks; return how many failed."""
    BENCH.unlink(missing_ok=True)
    machine, load_before = Machine.this(), load()
    print(f"{machine}; {machine.describe_load(load_before)}", file=sys.stderr)
    failed = [part for part in PARTS if not _run(part)]
    show(read())
    loads = f"{load_before:.1f} before, {load():.1f} after"
    print(f"measured on {machine}; load {loads}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


def _run(part: str) -> bool:
    """Run a part, and repeat it while its results scatter; return whether it succeeded."""
    others = {result.part for result in _stored()}
    succeeded = _run_once(part)
    for _ in range(MAX_REPEATS):
        rows = [result for result in _stored() if result.part not in others]
        names = scattered(rows)
        if not succeeded or not names:
            break
        print(f"{part}: repeated, {', '.join(names)} scattered", file=sys.stderr)
        if _run_once(part):
            write(merged(rows, _stored()))
    return succeeded


def _run_once(part: str) -> bool:
    started_at = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{part}"]
    process = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - our own module
    print(f"{part}: {time.monotonic() - started_at:.0f} s, load {load():.1f}", file=sys.stderr)
    return not process.returncode


def _stored() -> list[Result]:
    return read() if BENCH.exists() else []


if __name__ == "__main__":
    sys.exit(main())
