"""The commands of `koophone rollout schedule`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.rollouts.conftest import rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Invoke, Result

NIGHTLY = ("--cron", "0 2 * * *", "--timezone", "Asia/Shanghai")


@pytest.fixture(autouse=True)
def _server(plan: object, postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journal in PostgreSQL, where workers read it."""
    del plan  # it keeps its journal in a file
    monkeypatch.setenv("KOOPHONE_JOURNAL", postgresql_url)


def schedule(*words: str) -> tuple[str, ...]:
    return rollout("schedule", *words)


def states(result: Result) -> list[str]:
    return [row["state"] for row in result.rows]


@pytest.mark.parametrize("words", [("add",), ()])
def test_a_plan_is_scheduled_and_listed(
    koophone: Invoke, plan: Callable[..., str], words: tuple[str, ...]
) -> None:
    result = koophone(schedule(*words, plan(), *NIGHTLY), schedule("list", "-o", "jsonl"))

    (row,) = result.rows
    assert result.code == 0
    assert "koophone: shop starts next at " in result.err
    assert (row["name"], row["state"], row["cron"], row["missed"]) == ("shop", "enabled", "0 2 * * *", "once")
    assert row["due"].endswith("T18:00+00:00")


def test_options_may_come_before_the_plan(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(schedule(*NIGHTLY, plan()), schedule("list", "-o", "jsonl"))

    assert (result.code, states(result)) == (0, ["enabled"])


def test_a_schedule_is_disabled_and_enabled(koophone: Invoke, plan: Callable[..., str]) -> None:
    listed = schedule("list", "-o", "jsonl")
    result = koophone(
        schedule(plan(), *NIGHTLY),
        schedule("disable", "shop"),
        listed,
        schedule("enable", "shop"),
        listed,
    )

    assert states(result) == ["disabled", "enabled"]
    assert "koophone: shop is disabled" in result.err
    assert "koophone: shop is enabled; next at " in result.err


@pytest.mark.parametrize(
    "options, code, problem",
    [
        (("--cron", "0 2 * *", "--timezone", "UTC"), 2, "--cron: is '0 2 * *'; expected minute, hour"),
        (("--cron", "0 2 * * *", "--timezone", "Asia/Shangai"), 2, "--timezone: 'Asia/Shangai' is no known"),
    ],
)
def test_wrong_times_are_refused(
    koophone: Invoke, plan: Callable[..., str], options: tuple[str, ...], code: int, problem: str
) -> None:
    result = koophone(schedule(plan(), *options))

    assert result.code == code
    assert problem in result.err


def test_a_name_has_one_schedule(koophone: Invoke, plan: Callable[..., str]) -> None:
    file = plan()
    twice = koophone(schedule(file, *NIGHTLY), schedule(file, *NIGHTLY))
    replaced = koophone(schedule(file, *NIGHTLY, "--replace"), schedule("list", "-o", "jsonl"))

    assert twice.code == 3
    assert "--replace replaces it" in twice.err
    assert (replaced.code, len(replaced.rows)) == (0, 1)


def test_a_schedule_needs_a_journal_that_workers_share(koophone: Invoke, plan: Callable[..., str]) -> None:
    file = plan()
    result = koophone(schedule(file, *NIGHTLY, "--journal", str(file) + ".db"))

    assert result.code == 3
    assert "journal: is a file; workers need one in PostgreSQL" in result.err


def test_unknown_schedules_are_refused(koophone: Invoke, plan: Callable[..., str]) -> None:
    plan()
    result = koophone(schedule("disable", "none"))

    assert result.code == 3
    assert "no schedule has the name 'none'" in result.err


def test_a_journal_without_schedules_lists_none(koophone: Invoke, plan: Callable[..., str]) -> None:
    plan()
    result = koophone(schedule("list"))

    assert (result.code, result.out) == (0, "")
    assert result.err == "koophone: no schedules\n"
