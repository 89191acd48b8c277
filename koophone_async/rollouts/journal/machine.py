"""This process and this machine, as a lease identifies its holder."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

PROC: Final = Path("/proc")

_DEAD_STATES: Final = frozenset("ZXx")
"""States of a process in `/proc/PID/stat` that has ended: a zombie waits only for its parent."""


@frozen
class Process:
    """A process, identified beyond the reuse of its pid. What the system does not offer is None."""

    pid: int
    started: int | None = None
    """Clock ticks from the start of the machine to that of the process."""

    boot_id: str | None = None
    pid_namespace: str | None = None
    time_namespace: str | None = None

    @classmethod
    def current(cls, proc: Path = PROC) -> Process:
        """Return this process."""
        pid = os.getpid()
        return cls(pid, _start(pid, proc), _boot_id(proc), _namespace("pid", proc), _namespace("time", proc))

    def shares_clock_with(self, other: Process) -> bool:
        """Return whether the boot-time clocks of both processes have the same origin, as far as is known."""
        return (
            self.boot_id is not None
            and (self.boot_id, self.time_namespace) == (other.boot_id, other.time_namespace)
        )  # fmt: skip

    def is_of_another_boot_than(self, other: Process) -> bool:
        """Return whether the machine was restarted between the two, or they are on different machines."""
        return self.boot_id is not None and other.boot_id is not None and self.boot_id != other.boot_id

    def is_visible_to(self, other: Process) -> bool:
        """Return whether the other process would find this one by its pid."""
        return (
            self.pid_namespace is not None
            and self.boot_id is not None
            and (self.boot_id, self.pid_namespace) == (other.boot_id, other.pid_namespace)
        )

    def has_ended(self, proc: Path = PROC) -> bool:
        """Return whether a process that is visible to this one has certainly ended."""
        try:
            os.kill(self.pid, 0)
        except OSError as error:
            return isinstance(error, ProcessLookupError)  # otherwise it is another user's, and alive
        fields = _stat(self.pid, proc)
        if fields is None:
            return False
        return fields[0] in _DEAD_STATES or (self.started is not None and int(fields[19]) != self.started)


def boot_clock() -> float:
    """Return the seconds since the machine was started, including those it slept.

    A wall clock may be set while a lease lasts; the monotonic clock of Linux stops during sleep.
    """
    return _read_boot_clock()


def _boot_clock() -> Callable[[], float]:
    clock: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if clock is None else lambda: time.clock_gettime(clock)


_read_boot_clock: Final = _boot_clock()


def _boot_id(proc: Path) -> str | None:
    with suppress(OSError):
        return (proc / "sys/kernel/random/boot_id").read_text("ascii").strip() or None
    return None


def _namespace(kind: str, proc: Path) -> str | None:
    with suppress(OSError):
        return (proc / "self/ns" / kind).readlink().name
    return None


def _start(pid: int, proc: Path) -> int | None:
    fields = _stat(pid, proc)
    return int(fields[19]) if fields else None


def _stat(pid: int, proc: Path) -> list[str] | None:
    """Return the fields of `/proc/PID/stat` after the name, which may have spaces and parentheses."""
    with suppress(OSError):
        return (proc / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return None
