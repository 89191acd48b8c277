"""The machine that a benchmark ran on, and how busy it was."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Final

from attrs import frozen

_CPU_INFO: Final = Path("/proc/cpuinfo")


@frozen
class Machine:
    """What the figures of a run depend on."""

    system: str
    processor: str
    cores: int
    python: str

    @classmethod
    def this(cls) -> Machine:
        """Return the machine that this process runs on."""
        text = _CPU_INFO.read_text() if _CPU_INFO.exists() else ""
        return cls(
            f"{platform.system()} {platform.machine()}",
            processor_name(text) or platform.processor() or "unknown processor",
            os.cpu_count() or 1,
            platform.python_version(),
        )

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' if self.cores > 1 else ''}"
        return f"{self.system}, {self.processor}, {cores}, Python {self.python}"

    def describe_load(self, load: float) -> str:
        """Return the load average in words; more than one runnable process a core makes figures scatter."""
        busy = load > self.cores
        return f"load {load:.1f}" + (": busy, expect wide spreads" if busy else "")


def processor_name(cpu_info: str) -> str:
    """Return the name of the processor in the text of `/proc/cpuinfo`; empty if it has none."""
    match = re.search(r"^model name\s*:\s*(.+)$", cpu_info, re.MULTILINE)
    return match[1].strip() if match else ""


def load() -> float:
    """Return the load average of the last minute; 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
