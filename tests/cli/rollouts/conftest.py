"""Plans for the commands of `koophone rollout`, and a journal of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.cli.output.encoding import dump_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PHONES = [f"phone{number:04}" for number in range(1, 11)]
PLAN = {
    "name": "shop",
    "targets": {"ids": PHONES},
    "steps": [{"run": "echo one"}, {"run": "echo two"}],
    "undo": [{"run": "echo undo"}],
}


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return a function that writes a plan, with other fields than `PLAN` has, and returns its file."""
    monkeypatch.setenv("KOOPHONE_JOURNAL", str(tmp_path / "journal.db"))

    def write(**fields: object) -> str:
        file = tmp_path / "plan.yaml"
        file.write_text(dump_yaml({**PLAN, **fields}, "ascii"))
        return str(file)

    return write


def rollout(*words: str) -> tuple[str, ...]:
    return ("rollout", *words)
