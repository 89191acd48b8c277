"""Rollouts whose process is killed, at any point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rollouts.crashes import CASES, Case, crash, in_files

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_nothing_is_lost_or_done_twice(case: Case, tmp_path: Path) -> None:
    assert (await crash(case, 5, 1, in_files(tmp_path))).total() >= 5


@pytest.mark.parametrize("case", [CASES[1], CASES[2]], ids=str)
async def test_nothing_is_lost_or_done_twice_with_a_journal_in_a_server(
    case: Case, postgresql_url: str
) -> None:
    crashes = await crash(case, 5, 1, lambda number: f"{postgresql_url}&schema=rollout_{number}")

    assert crashes.total() >= 5
