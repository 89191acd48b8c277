"""The services, emulated on this machine: for tests and trials, without an account."""

from koophone_async.emulator.emulator import Emulator
from koophone_async.emulator.jobs.durations import Durations
from koophone_async.emulator.server.faults import (
    Delay,
    Distort,
    Duplicate,
    EndToken,
    Fail,
    Fault,
    Garble,
    Lose,
    Omit,
    Refuse,
    Reset,
    Stall,
    Stick,
    Throttle,
    Truncate,
)

__all__ = [
    "Delay",
    "Distort",
    "Duplicate",
    "Durations",
    "Emulator",
    "EndToken",
    "Fail",
    "Fault",
    "Garble",
    "Lose",
    "Omit",
    "Refuse",
    "Reset",
    "Stall",
    "Stick",
    "Throttle",
    "Truncate",
]
