"""What the commands of rollouts print for people and for programs."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from koophone_async.emulator import Fail, Fault
from tests.cli.rollouts.conftest import PHONES, rollout

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cli.conftest import Invoke


def read(output: str, text: str) -> list[dict[str, Any]]:
    """Parse rows in a format for programs."""
    match output:
        case "csv":
            return list(csv.DictReader(text.splitlines()))
        case "yaml":
            return list(yaml.safe_load(text))
        case _:
            return [json.loads(line) for line in text.splitlines()]


def test_a_status_is_readable(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(
        rollout("start", plan(waves=["1"], between={"approve": True})), rollout("status", "shop")
    )

    lines = dict(line.split(":", 1) for line in result.out.splitlines())
    assert lines["state"].strip() == "waiting"
    assert lines["waiting_for"].strip() == "approval"
    assert lines["counts"].strip() == "9 pending, 1 succeeded"
    assert lines["waves"].strip() == "1, 10"
    assert "ended" not in lines


@pytest.mark.parametrize("output", ["csv", "jsonl", "yaml"])
def test_a_status_is_one_row_for_programs(koophone: Invoke, plan: Callable[..., str], output: str) -> None:
    result = koophone(rollout("start", plan()), rollout("status", "-o", output))

    row = next(iter(read(output, result.out)))
    assert (row["name"], row["state"]) == ("shop", "finished")


@pytest.mark.parametrize("output", ["csv", "jsonl", "json", "table"])
def test_rollouts_are_listed_in_every_format(
    koophone: Invoke,
    plan: Callable[..., str],
    output: str,
) -> None:
    result = koophone(
        rollout("start", plan()),
        rollout("list", "--name", "sh*", "--state", "finished", "--since", "1h", "-o", output),
    )

    assert result.code == 0
    assert "shop" in result.out
    assert "succeeded" in result.out


def test_rollouts_that_do_not_fit_are_not_listed(
    koophone: Invoke,
    plan: Callable[..., str],
) -> None:
    result = koophone(rollout("start", plan()), rollout("list", "--name", "other", "-o", "jsonl"))

    assert result.rows == []
    assert "no rollouts" in result.err


def test_several_selections_are_columns(
    koophone: Invoke,
    plan: Callable[..., str],
) -> None:
    targets = [{"ids": PHONES[:2], "region": "cn-north-4"}, {"ids": PHONES[2:3]}]

    result = koophone(rollout("start", plan(targets=targets)), rollout("outcomes", "-o", "jsonl"))

    assert [(row["id"], row["region"]) for row in result.rows] == [
        (PHONES[0], "cn-north-4"),
        (PHONES[1], "cn-north-4"),
        (PHONES[2], None),
    ]


@pytest.mark.parametrize(
    "options, printed",
    [
        (("--group",), "9 succeeded · 1 failed\n9 succeeded: ok\n  on phone[0002-0010]\n1 failed: CPS.0191"),
        (("--failed-only", "--columns", "id,state", "-o", "csv"), "id,state\nphone0001,failed\n"),
        (("--sort=-id", "--columns", "id", "-o", "csv"), "id\nphone0010\nphone0009\n"),
    ],
)
def test_outcomes_are_arranged_like_those_of_a_command(
    koophone: Invoke, plan: Callable[..., str], options: tuple[str, ...], printed: str
) -> None:
    steps = [{"run": "echo ok"}]
    fails = Fault(Fail("CPS.0191"), phone="phone0001")

    result = koophone(rollout("start", plan(steps=steps)), rollout("outcomes", *options), faults=[fails])

    assert result.out.startswith(printed)


def test_columns_of_rollouts_are_chosen(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("list", "--columns", "name,state", "-o", "csv"))

    assert result.out == "name,state\nshop,finished\n"


def test_phones_without_an_outcome_are_counted(
    koophone: Invoke,
    plan: Callable[..., str],
) -> None:
    gate = plan(waves=["1"], between={"approve": True})

    result = koophone(rollout("start", gate), rollout("outcomes", "-o", "jsonl"))

    assert [row["id"] for row in result.rows] == PHONES[:1]
    assert "9 phones have no outcome yet" in result.err


@pytest.mark.parametrize(
    "fields, code",
    [({}, 0), ({"steps": [{"run": "exit 1"}]}, 1), ({"waves": ["1"], "stop": "1"}, 4)],
    ids=str,
)
def test_a_watch_has_the_exit_code_of_the_rollout(
    koophone: Invoke,
    plan: Callable[..., str],
    fields: dict[str, object],
    code: int,
) -> None:
    if code == 4:
        fields = {**fields, "steps": [{"run": "exit 1"}]}

    assert koophone(rollout("start", plan(**fields)), rollout("watch")).code == code


def test_a_watch_in_a_terminal_rewrites_its_line(
    koophone: Invoke, plan: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    koophone(rollout("start", plan()))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    result = koophone(rollout("watch"))

    line = result.err.rpartition("koophone: ")[2].rstrip("\n")
    assert "finished · 10 succeeded" in line
    assert result.err == f"\r{line}\x1b[J\r\r\x1b[Jkoophone: {line}\n"


def test_a_rollout_without_a_reader_of_its_journal(koophone: Invoke) -> None:
    result = koophone(rollout("list", "--journal", "/dev/null/journal.db"))

    assert result.code == 3
    assert "journal /dev/null/journal.db" in result.err
