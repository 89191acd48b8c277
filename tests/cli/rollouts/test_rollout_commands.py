"""The commands of `koophone rollout`, from the start of a plan to its undo."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts import Journal, RolloutState
from tests.cli.rollouts.conftest import PHONES, rollout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Invoke, RunMain


def test_a_plan_is_started_and_shown(koophone: Invoke, plan: Callable[..., str]) -> None:
    started = koophone(rollout("start", plan()), rollout("status", "shop", "-o", "json"))

    shown = json.loads(started.out)
    assert started.code == 0
    assert started.err.startswith(f"koophone: rollout {shown['id']}")
    assert (shown["name"], shown["state"], shown["targets"]) == ("shop", "finished", 10)
    assert shown["counts"] == {"succeeded": 10}
    assert set(shown) >= {"wave", "waves", "waiting_for", "reason", "began", "ended", "forecast"}


def test_a_status_for_people_has_a_short_forecast(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("status", "shop"))

    (line,) = (line for line in result.out.splitlines() if line.startswith("forecast:"))
    assert line.removeprefix("forecast:").strip().removesuffix("s").replace("m", "").isdigit()


def test_outcomes_have_their_place_in_the_rollout(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan(waves=["1"])), rollout("outcomes", "last", "-o", "jsonl"))

    assert [row["id"] for row in result.rows] == PHONES
    assert {row["step"] for row in result.rows} == {2}
    assert [row["wave"] for row in result.rows] == [1] + [2] * 9
    assert {row["attempt"] for row in result.rows} == {1}


def test_every_attempt_of_every_step_can_be_printed(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("outcomes", "--all-attempts", "-o", "jsonl"))

    assert sorted(row["step"] for row in result.rows) == [1] * 10 + [2] * 10


def test_without_a_terminal_a_gate_ends_the_command(koophone: Invoke, plan: Callable[..., str]) -> None:
    started = koophone(rollout("start", plan(waves=["1"], between={"approve": True})))

    assert started.code == 4
    assert "koophone rollout approve" in started.err
    assert "koophone rollout resume" in started.err


def test_an_approved_rollout_is_resumed(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(
        rollout("start", plan(waves=["1"], between={"approve": True})),
        rollout("approve", "shop", "--wave", "1"),
        rollout("resume", "shop"),
        rollout("list", "-o", "jsonl"),
    )

    (row,) = result.rows
    assert (row["state"], row["counts"]) == ("finished", {"succeeded": 10})
    assert set(row) >= {"id", "name", "state", "targets", "counts"}


@pytest.mark.parametrize(
    "line, problem",
    [
        (("approve", "shop"), "waits for no approval"),
        (("pause", "shop"), "no process drives it"),
        (("cancel", "shop"), "is finished already"),
        (("status", "shop2"), "there is no rollout"),
    ],
    ids=str,
)
def test_a_request_that_does_not_fit_is_refused(
    koophone: Invoke, plan: Callable[..., str], line: tuple[str, ...], problem: str
) -> None:
    result = koophone(rollout("start", plan()), rollout(*line))

    assert result.code == 3
    assert problem in result.err


def test_a_rule_stops_and_resume_needs_to_be_told(koophone: Invoke, plan: Callable[..., str]) -> None:
    stopped = plan(steps=[{"run": "exit 1"}], waves=["1"], stop="1")

    result = koophone(rollout("start", stopped), rollout("resume"))

    assert result.code == 3
    assert "stopped: not succeeded" in result.err
    assert "--despite-stop" in result.err


def test_a_stopped_rollout_goes_on_despite_its_rule(koophone: Invoke, plan: Callable[..., str]) -> None:
    stopped = plan(steps=[{"run": "exit 1"}], waves=["1"], stop="1")

    result = koophone(
        rollout("start", stopped), rollout("resume", "--despite-stop"), rollout("outcomes", "-o", "jsonl")
    )

    assert [row["state"] for row in result.rows].count("failed") >= 2


def test_a_second_start_of_an_unended_name_is_refused(koophone: Invoke, plan: Callable[..., str]) -> None:
    file = plan(waves=["1"], between={"approve": True})

    result = koophone(rollout("start", file), rollout("start", file))

    assert result.code == 3
    assert "has not ended" in result.err


@pytest.mark.parametrize("option, code", [((), 3), (("--allow-empty",), 0)], ids=str)
def test_a_selection_that_fits_nobody(
    koophone: Invoke, plan: Callable[..., str], option: tuple[str, ...], code: int
) -> None:
    file = plan(targets={"where": 'name == "nobody"'})

    assert koophone(rollout("start", file, *option)).code == code


def test_a_plan_that_is_wrong_is_a_usage_error(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan(wave=["1"])))

    assert result.code == 2
    assert "plan.yaml:" in result.err


@pytest.mark.parametrize(
    "line",
    [("list", "--since"), ("prune", "--older-than"), ("resume", "--deadline")],
    ids=" ".join,
)
def test_a_wrong_duration_is_a_usage_error_of_its_option(run_main: RunMain, line: tuple[str, str]) -> None:
    result = run_main("rollout", *line, "yesterday")

    assert result.code == 2
    assert f"'{line[1]}': is 'yesterday'; expected a number with a unit" in result.err


def test_a_retry_without_failures_does_nothing(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("retry"))

    assert result.code == 0
    assert "nothing to do" in result.err


def test_a_retry_takes_what_failed(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(
        rollout("start", plan(steps=[{"run": "exit 1"}])),
        rollout("retry", "--only", "failed"),
        rollout("outcomes", "-o", "jsonl"),
    )

    assert {row["attempt"] for row in result.rows} == {2}


@pytest.mark.parametrize("state", ["unknown", "unfinished", "succeeded", "nothing"])
def test_a_retry_refuses_other_states(koophone: Invoke, plan: Callable[..., str], state: str) -> None:
    assert koophone(rollout("start", plan()), rollout("retry", "--only", state)).code == 2


def test_an_undo_reaches_every_phone(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("undo", "shop"), rollout("outcomes", "-o", "jsonl"))

    assert {(row["attempt"], row["output"]) for row in result.rows} == {(2, "undo\n")}


def test_an_undo_stops_by_a_rule_of_its_own(koophone: Invoke, plan: Callable[..., str]) -> None:
    failing = plan(undo=[{"run": "exit 1"}], concurrency=1)

    result = koophone(rollout("start", failing), rollout("undo", "--stop-at", "failed=1"))

    assert result.code == 4
    assert "koophone: stopped: failed in the rollout: 1; the limit is 1" in result.err


@pytest.mark.parametrize(
    "options, problem",
    [
        (("--stop-at", "2%%"), "--stop-at: "),
        (("--stop-at", "failed=11"), "--stop-at: is 11, which can never be reached"),
        (("--stop-at", "lost=1"), "--stop-at: has the unknown name 'lost'"),
        (("--window", "at night"), "--window: is 'at night'; expected "),
    ],
)
def test_wrong_options_of_an_undo_are_named(
    koophone: Invoke, plan: Callable[..., str], options: tuple[str, ...], problem: str
) -> None:
    result = koophone(rollout("start", plan()), rollout("undo", *options))

    assert result.code == 3
    assert problem in result.err


def test_an_undo_ends_by_its_own_outcomes(koophone: Invoke, plan: Callable[..., str]) -> None:
    steps = [{"run": "echo one"}, {"run": "exit 1"}]
    result = koophone(rollout("start", plan(steps=steps, stop="never")), rollout("undo", "--yes"))

    assert result.code == 0


def test_a_resume_shows_what_a_crash_left_unknown(koophone: Invoke, plan: Callable[..., str]) -> None:
    koophone(rollout("start", plan(waves=["1"], between={"approve": True})))

    async def crash() -> None:
        async with await Journal.open() as journal:
            driver = await journal.acquire((await journal.find("last")).id)
            await driver.mark_sending(driver.plan_chunk(0, [5, 6], wave=2))
            await driver.release(state=RolloutState.INTERRUPTED)

    asyncio.run(crash())
    result = koophone(rollout("resume"))

    assert "2 phones are unknown" in result.err


def test_waves_that_add_no_phone_are_skipped(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan(waves=["1", "5%", "100%"])))

    assert "wave 5% adds no phone, and is skipped" in result.err
    assert "wave 100%" not in result.err


def test_ended_rollouts_are_pruned(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(
        rollout("start", plan()), rollout("prune", "--older-than", "0s"), rollout("list", "-o", "jsonl")
    )

    assert result.rows == []
    assert "1 rollouts deleted" in result.err


def test_a_rollout_that_has_ended_is_watched_once(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("watch"))

    assert result.code == 0
    assert "finished · 10 succeeded" in result.err


def test_the_schema_of_plans_is_printed(koophone: Invoke) -> None:
    schema = json.loads(koophone(rollout("schema")).out)

    assert "steps" in schema["properties"]


def test_a_check_sends_nothing_and_shows_the_forecast(koophone: Invoke, plan: Callable[..., str]) -> None:
    text = koophone(rollout("check", plan(waves=["1", "1%"])))
    shown = koophone(rollout("check", plan(waves=["1"]), "-o", "json"), ("rollout", "list", "-o", "json"))

    assert text.code == shown.code == 0
    for part in ("10 phones, 2 calls", "10 running", "waves:", "1%: would add no phone", "likely:"):
        assert part in text.out
    found, rollouts = (json.loads(line) for line in shown.out.splitlines())
    assert (found["phones"], found["calls"], found["waves"], rollouts) == (10, 4, [1, 10], [])


def test_a_check_refuses_a_link_that_expires(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(
        rollout("check", plan(steps=[{"run": "curl https://example.com/a?Expires=1000000000"}]))
    )

    assert result.code == 3
    assert "steps[0].run.command: is a link that expires at 2001-09-09" in result.err


@pytest.mark.parametrize("command", ["check", "start"])
@pytest.mark.parametrize(
    "fields, problem",
    [
        ({"steps": []}, "plan.yaml:1:179: steps: is empty"),
        ({"waves": ["0"]}, "waves[0]: is 0"),
        ({"stages": 3}, "stages: is an unknown key"),
    ],
)
def test_a_wrong_plan_is_wrong_usage(
    koophone: Invoke, plan: Callable[..., str], command: str, fields: dict[str, object], problem: str
) -> None:
    result = koophone(rollout(command, plan(**fields)))

    assert result.code == 2
    assert problem in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", ["check", "start"])
def test_a_plan_that_cannot_be_read_is_wrong_usage(koophone: Invoke, command: str, tmp_path: Path) -> None:
    result = koophone(rollout(command, str(tmp_path / "none.yaml")))

    assert (result.code, "none.yaml: cannot be read" in result.err) == (2, True)


def test_a_check_of_a_selection_without_phones_fails(koophone: Invoke, plan: Callable[..., str]) -> None:
    assert koophone(rollout("check", plan(targets={"where": "name == nobody"}))).code == 3


@pytest.mark.parametrize("format_", ["md", "json"])
def test_a_report_is_printed(koophone: Invoke, plan: Callable[..., str], format_: str) -> None:
    result = koophone(rollout("start", plan()), rollout("report", "shop", "--format", format_))

    assert result.code == 0
    assert ("# Rollout `shop`" if format_ == "md" else '"name": "shop"') in result.out


def test_a_report_of_no_rollout_is_refused(koophone: Invoke, plan: Callable[..., str]) -> None:
    plan()

    assert koophone(rollout("report", "nobody")).code == 3


def test_unknown_phones_are_looked_at_before_a_resume(koophone: Invoke, plan: Callable[..., str]) -> None:
    result = koophone(rollout("start", plan()), rollout("resume", "shop", "--reconcile"))

    assert result.code == 0
    assert "no phone is unknown" in result.err


@pytest.mark.parametrize("output", ["table", "jsonl", "csv"])
def test_a_check_of_cph_shows_the_servers(koophone: Invoke, plan: Callable[..., str], output: str) -> None:
    file = plan(service="cph", targets={"all": True}, steps=[{"run": "id"}], undo=[], stop="5%")

    result = koophone(rollout("check", file, "-o", output))

    assert result.code == 0
    assert ("servers:" if output == "table" else "server_count") in result.out


@pytest.mark.parametrize("command", ["start", "check"])
@pytest.mark.parametrize(
    "fields, path",
    [
        ({"targets": {"ids_file": "none.txt"}}, "targets[0].ids_file"),
        ({"steps": [{"run": {"command": {"env": "NOT_SET_ANYWHERE"}}}]}, "steps[0].run.command"),
        ({"targets": {"all": True}, "stop": {"failed": 9999}}, "stop.failed"),
    ],
    ids=["file", "variable", "number"],
)
def test_what_is_found_after_a_plan_was_read_has_its_line(
    koophone: Invoke, plan: Callable[..., str], command: str, fields: dict[str, object], path: str
) -> None:
    file = plan(**fields)

    result = koophone(rollout(command, file))

    place = re.match(rf"koophone: {re.escape(file)}:(\d+:\d+): {re.escape(path)}: ", result.err)
    assert place is not None, result.err
    assert place[1] != "1:1"
