"""Run every benchmark in its own interpreter, and print one table of all results."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from benchmarks.measure import BENCH, read, show

PARTS: Final = (
    "signing", "wire", "requests", "fanout", "singles", "quotas", "polls", "memory", "scaling", "imports",
    "emulator", "journal", "loops", "setup",
)  # fmt: skip


def main() -> int:
    """Run all benchmarks; return how many failed."""
    failed: list[str] = []
    BENCH.unlink(missing_ok=True)
    for part in PARTS:
        started_at = time.monotonic()
        command = [sys.executable, "-m", f"benchmarks.{part}"]
        process = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - our own module
        print(f"{part}: {time.monotonic() - started_at:.0f} s", file=sys.stderr)
        if process.returncode:
            failed.append(part)
    show(read())
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
