"""Medians by version: `python -m benchmarks.history` adds the last run to `history.json`.

A version that was measured before is replaced. Ratios can be compared between machines, times cannot.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
from attrs import asdict

import koophone_async
from benchmarks.machine import Machine
from benchmarks.measure import FLOOR, OURS, Result, read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HISTORY: Final = Path(__file__).parent / "history.json"

Entry: TypeAlias = "dict[str, Any]"


def entry(machine: Machine, results: Sequence[Result]) -> Entry:
    """Return the medians of a run, and the ratios to the floor."""
    return {
        "machine": asdict(machine),
        "medians": {result.name: result.median(OURS) for result in results},
        "ratios": {result.name: result.ratio() for result in results if result.samples.get(FLOOR)},
    }


def with_entry(history: Mapping[str, Entry], version: str, new: Entry) -> dict[str, Entry]:
    """Return the history with the entry of a version, the last in the order of measurement."""
    others = {name: entry for name, entry in history.items() if name != version}
    return others | {version: new}


def changes(before: Entry, after: Entry) -> list[str]:
    """Describe the ratios that changed by more than a twentieth between two versions."""
    ratios = {name: (before["ratios"].get(name), ratio) for name, ratio in after["ratios"].items()}
    return [
        f"{name}: {old:.3g} -> {new:.3g}"
        for name, (old, new) in ratios.items()
        if old and new and abs(new / old - 1) > 1 / 20
    ]


def main() -> None:
    """Add the last run to the history, and print what changed since the version before."""
    history: dict[str, Entry] = msgspec.json.decode(HISTORY.read_bytes()) if HISTORY.exists() else {}
    version = koophone_async.__version__
    history = with_entry(history, version, entry(Machine.this(), read()))
    HISTORY.write_bytes(msgspec.json.format(msgspec.json.encode(history), indent=1) + b"\n")
    earlier = list(history.values())[-2:-1]
    for line in changes(earlier[0], history[version]) if earlier else ():
        print(line)


if __name__ == "__main__":
    main()
