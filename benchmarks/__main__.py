"""Every benchmark, each in an interpreter of its own, and one table of all."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Final

from benchmarks.measure import BENCH, read, show

PARTS: Final = (
    "signing", "wire", "requests", "fanout", "singles", "quotas", "looks", "memory", "scaling", "imports",
    "emulator",
)  # fmt: skip


def main() -> int:
    """Run them all; answers how many failed."""
    failed: list[str] = []
    BENCH.unlink(missing_ok=True)
    for part in PARTS:
        began = time.monotonic()
        command = [sys.executable, "-m", f"benchmarks.{part}"]
        ran = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603 - ourselves
        print(f"{part}: {time.monotonic() - began:.0f} s", file=sys.stderr)
        if ran.returncode:
            failed.append(part)
    show(read())
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main())
