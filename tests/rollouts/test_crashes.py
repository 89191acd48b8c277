"""Rollouts whose process is killed, at any point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rollouts.crashes import CASES, Case, crash

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_nothing_is_lost_or_done_twice(case: Case, tmp_path: Path) -> None:
    assert (await crash(case, 5, 1, tmp_path)).total() >= 5
