"""Single values of a plan can be changed, such as a link that has expired."""

from __future__ import annotations

import pytest

from koophone_async.errors import InvalidRequest
from koophone_async.rollouts.plans.changes import with_value
from koophone_async.rollouts.plans.context import Reference
from koophone_async.rollouts.plans.plan import Plan, Selection, Step

PACKAGE = {"name": "com.shop", "file": "shop.apk", "version": "1", "size": "20", "url": {"env": "LINK"}}
PLAN = Plan(targets=Selection(ids=["a", "b"]), steps=Step("install", PACKAGE), deadline="1h")


def test_a_link_can_be_replaced() -> None:
    changed = with_value(PLAN, "steps[0].install.url", "https://x/new")

    assert changed.steps[0].arguments == {**PACKAGE, "url": "https://x/new"}
    assert PLAN.steps[0].arguments == {**PACKAGE, "url": Reference("env", "LINK")}


def test_a_value_is_read_as_in_a_plan() -> None:
    assert with_value(PLAN, "deadline", "2h").deadline == 7_200
    assert with_value(PLAN, "deadline", "").deadline is None
    assert with_value(PLAN, "concurrency", "5").concurrency == 5
    assert with_value(PLAN, "targets[0].ids[1]", "0012").targets[0].ids == ("a", "0012")


@pytest.mark.parametrize(
    "path",
    ["", ".", "steps[1].install.url", "steps[x]", "steps.install", "deadline.x", "targets[0].ids[2]", "a..b"],
)
def test_a_place_that_is_not_there_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest, match="is no place in the plan"):
        with_value(PLAN, path, "x")


@pytest.mark.parametrize("path", ["steps[0].install.size", "deadlin", "steps[0].install.siz", "waves"])
def test_a_value_that_does_not_fit_is_refused(path: str) -> None:
    with pytest.raises(InvalidRequest):
        with_value(PLAN, path, "x")
