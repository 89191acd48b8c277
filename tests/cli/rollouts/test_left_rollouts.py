"""Rollouts that another process drives or has left, as the commands that go on find them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts import Journal, RolloutState
from tests.cli.conftest import interrupted
from tests.cli.rollouts.conftest import PHONES, rollout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Invoke

OUTCOMES = rollout("outcomes", "-o", "jsonl")


@pytest.fixture
def waiting(koophone: Invoke, plan: Callable[..., str]) -> str:
    """Leave a rollout at the gate after its first phone, and return its id."""
    started = koophone(rollout("start", plan(waves=["1"], between={"approve": True})))
    return started.err.split()[2]


async def hang(state: RolloutState | None = None) -> None:
    """Acquire the newest rollout, and leave it without a release of its lease."""
    async with await Journal.open() as journal:
        driver = await journal.acquire((await journal.find("last")).id)
        if state is not None:
            driver.update(state=state)
            await driver.flush()


async def crash() -> None:
    """End while two phones are sent to."""
    async with await Journal.open() as journal:
        driver = await journal.acquire((await journal.find("last")).id)
        await driver.mark_sending(driver.plan_chunk(0, [5, 6], wave=2))
        await driver.release(state=RolloutState.INTERRUPTED)


def test_an_interrupted_rollout_can_be_resumed(koophone: Invoke, plan: Callable[..., str]) -> None:
    file = plan(steps=[{"run": "sleep 600"}])

    result = koophone(interrupted(rollout("start", file), after=60), rollout("resume"), OUTCOMES)

    id = result.err.split()[2]
    assert f"koophone: to go on: koophone rollout resume {id}\n" in result.err
    assert {(row["attempt"], row["state"]) for row in result.rows} == {(1, "succeeded")}


def test_a_resume_with_nothing_left_to_do_matched_its_phones(
    koophone: Invoke, plan: Callable[..., str]
) -> None:
    result = koophone(rollout("start", plan()), rollout("resume"))

    assert result.code == 0
    assert "matched" not in result.err
    assert result.err.count("finished: 10 succeeded") == 2


def test_an_interruption_is_the_exit_code_of_a_rollout(koophone: Invoke, plan: Callable[..., str]) -> None:
    file = plan(steps=[{"run": "sleep 600"}])

    assert koophone(interrupted(rollout("start", file), after=60)).code == 130


def test_a_rollout_with_a_living_driver_is_left_to_it(koophone: Invoke, waiting: str) -> None:
    asyncio.run(hang())

    result = koophone(rollout("resume"))

    assert result.code == 3
    assert "waiting for its end" in result.err
    assert result.err.endswith("it is alive, and goes on by itself\n")
    assert f"rollout {waiting}" in result.err


def test_a_paused_rollout_goes_on_in_its_own_process(koophone: Invoke, waiting: str) -> None:
    asyncio.run(hang(RolloutState.PAUSED))

    result = koophone(rollout("resume"))

    assert (result.code, result.err) == (
        0,
        f"koophone: rollout {waiting} goes on, in the process that drives it\n",
    )


@pytest.mark.parametrize("command", ["retry", "undo"])
def test_an_attempt_does_not_wait_for_another_process(
    koophone: Invoke, plan: Callable[..., str], command: str
) -> None:
    koophone(rollout("start", plan(steps=[{"run": "exit 1"}])))
    asyncio.run(hang())

    result = koophone(rollout(command))

    assert result.code == 3
    assert "waiting for its end" not in result.err


@pytest.mark.usefixtures("waiting")
def test_unknown_phones_are_retried_where_that_is_confirmed(koophone: Invoke) -> None:
    asyncio.run(crash())

    result = koophone(rollout("approve"), rollout("resume"), rollout("retry", "--unknown", "--yes"), OUTCOMES)

    attempts = {row["id"]: (row["attempt"], row["state"]) for row in result.rows}
    again = set(PHONES[5:7])
    assert attempts == {phone: (1 + (phone in again), "succeeded") for phone in PHONES}


@pytest.mark.usefixtures("waiting")
def test_phones_that_may_run_a_step_twice_are_confirmed(
    koophone: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(crash())
    monkeypatch.delenv("KOOPHONE_YES")

    result = koophone(rollout("approve"), rollout("resume"), rollout("retry", "shop", "--unknown"))

    action = "run the steps of shop, perhaps for a second time, on 2 phones (phone0006, phone0007)"
    assert f"koophone: --yes: is required without a terminal: would {action}, with " in result.err
    assert result.code == 2


def test_phones_that_are_undone_are_confirmed(
    koophone: Invoke, plan: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KOOPHONE_YES")

    result = koophone(rollout("start", plan()), rollout("undo", "shop"))

    action = "run the undo steps of shop on 10 phones (phone0001, phone0002, phone0003 and 7 more)"
    assert f"koophone: --yes: is required without a terminal: would {action}, with " in result.err
    assert result.code == 2


@pytest.mark.parametrize("line", [("retry", "--unknown"), ("undo",)])
def test_without_a_phone_there_is_nothing_to_confirm(
    koophone: Invoke, plan: Callable[..., str], monkeypatch: pytest.MonkeyPatch, line: tuple[str, ...]
) -> None:
    koophone(rollout("start", plan()), rollout("undo"))
    monkeypatch.delenv("KOOPHONE_YES")

    result = koophone(rollout(*line))

    assert (result.code, result.err) == (0, "koophone: nothing to do: no phone is in such a state\n")


@pytest.mark.usefixtures("waiting")
def test_a_resumed_rollout_runs_what_was_set(koophone: Invoke) -> None:
    result = koophone(rollout("approve"), rollout("resume", "--set", "steps[1].run.command=echo 2"), OUTCOMES)

    assert [row["output"] for row in result.rows] == ["two\n"] + ["2\n"] * 9


@pytest.mark.usefixtures("waiting")
def test_an_option_without_a_value_to_set_is_wrong_usage(koophone: Invoke) -> None:
    assert koophone(rollout("resume", "--set", "steps[1].run.command")).code == 2


@pytest.mark.usefixtures("waiting")
def test_a_value_to_set_can_be_in_a_file(koophone: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("echo 2\n")

    line = rollout("resume", "--set", f"steps[1].run.command=@{file}")
    result = koophone(rollout("approve"), line, OUTCOMES)

    assert [row["output"] for row in result.rows] == ["two\n"] + ["2\n"] * 9


@pytest.mark.parametrize(
    "text, problem",
    [
        ("steps[1].run.command=", "is empty; it must be text"),
        ("steps[9].run.command=id", "is no place in the plan"),
    ],
)
@pytest.mark.usefixtures("waiting")
def test_a_value_that_does_not_fit_the_plan_is_refused(koophone: Invoke, text: str, problem: str) -> None:
    result = koophone(rollout("approve"), rollout("resume", "--set", text))

    place = text.partition("=")[0]
    assert result.code == 3
    assert result.err.endswith(f"koophone: {place}: {problem}. Nothing was sent.\n")
