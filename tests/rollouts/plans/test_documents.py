"""Plans in the documentation are plans."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from koophone_async.rollouts import parse_plan

PAGES = sorted((Path(__file__).parents[3] / "docs").glob("*.md"))
PLANS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    if re.search("^targets:", block, re.MULTILINE)
]


@pytest.mark.parametrize("block", PLANS)
def test_a_plan_in_the_documentation_is_read(block: str) -> None:
    plan = parse_plan(block)

    assert parse_plan(plan.to_json()) == plan


def test_there_are_plans_in_the_documentation() -> None:
    assert PLANS
