"""Commands that change phones are written to a journal, and can be resumed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from koophone_async.polling import ResumeToken
from koophone_async.rollouts.journal import Kind, RolloutState
from tests.cli.conftest import interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from koophone_async.rollouts.journal import RolloutRecord
    from tests.cli.conftest import Invoke, Result

PHONES = ("phone0001", "phone0002", "phone0003")
JSONL = ("--output", "jsonl")


@pytest.fixture
def journal(tmp_path: Path) -> str:
    return str(tmp_path / "journal.db")


@pytest.fixture
def newest(journal: str) -> Callable[[], RolloutRecord]:
    """Return a function that reads the newest rollout of the journal."""
    import asyncio  # noqa: PLC0415

    from koophone_async.rollouts.journal import Journal  # noqa: PLC0415

    async def find() -> RolloutRecord:
        async with await Journal.open(journal) as opened:
            return await opened.find("last")

    return lambda: asyncio.run(find())


@pytest.mark.parametrize(
    "line",
    [
        ("exec", "--all", "--", "id"),
        ("exec", "--sync", "--all", "--", "id"),
        ("instances", "reboot", "--all"),
        ("cph", "phones", "restart", "--all"),
        ("cph", "commands", "run", "--all", "--command", "id"),
    ],
    ids=" ".join,
)
def test_a_command_is_a_rollout(
    koophone: Invoke, journal: str, newest: Callable[[], RolloutRecord], line: tuple[str, ...]
) -> None:
    at = line.index("--") if "--" in line else len(line)

    result = koophone((*line[:at], "--journal", journal, *JSONL, *line[at:]))

    record = newest()
    assert result.code == 0
    assert len(result.rows) == 250
    assert (record.kind, record.state) == (Kind.COMMAND, RolloutState.FINISHED)
    assert sum(record.counts.values()) == 250
    assert f"rollout {record.id}" in result.err


def test_a_command_without_waiting_prints_resume_tokens(
    koophone: Invoke, journal: str, newest: Callable[[], RolloutRecord]
) -> None:
    result = koophone(("exec", *PHONES, "--no-wait", "--journal", journal, *JSONL, "--", "sleep 5"))

    assert result.code == 0
    assert [row["state"] for row in result.rows] == ["unfinished"] * 3
    assert all(row["resume_token"] for row in result.rows)
    assert newest().counts == {"unfinished": 3}


def test_an_interrupted_command_is_resumed_as_a_rollout(
    koophone: Invoke, journal: str, newest: Callable[[], RolloutRecord]
) -> None:
    line = ("exec", *PHONES, "--journal", journal, *JSONL, "--", "sleep 600")

    result = koophone(interrupted(line, after=60))

    record = newest()
    assert (result.code, record.state) == (130, RolloutState.INTERRUPTED)
    assert [row["state"] for row in result.rows] == ["unfinished"] * 3
    assert f"koophone: to go on: koophone rollout resume {record.id}\n" in result.err


def test_a_command_is_resumed_in_the_project_in_which_it_began(
    koophone: Invoke,
    journal: str,
    newest: Callable[[], RolloutRecord],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = list[str]()

    def resume_elsewhere(_: Result) -> tuple[str, ...]:
        project.append(os.environ["HUAWEICLOUD_SDK_PROJECT_ID"])
        monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", "0" * 32)
        return ("rollout", "resume", "--journal", journal)

    line = ("cph", "commands", "run", "--all", "--command", "sleep 5", "--journal", journal, *JSONL)
    koophone(interrupted(line, after=2), resume_elsewhere)

    assert newest().projects == tuple(project)
    assert newest().counts == {"succeeded": 250}


@pytest.mark.parametrize("seconds", ["-1", "nan", "soon"])
def test_a_timeout_is_a_number_of_seconds_or_none(koophone: Invoke, journal: str, seconds: str) -> None:
    result = koophone(("exec", *PHONES, "--timeout", seconds, "--journal", journal, "--", "id"))

    assert result.code == 2


def test_a_rule_that_is_reached_stops_a_command(
    koophone: Invoke, journal: str, newest: Callable[[], RolloutRecord]
) -> None:
    line = ("exec", *PHONES, "--waves", "1", "--stop-at", "1", "--journal", journal, *JSONL, "--", "exit 1")

    result = koophone(line)

    assert result.code == 4
    assert [row["state"] for row in result.rows] == ["failed", "not_sent", "not_sent"]
    assert newest().state is RolloutState.STOPPED


def test_a_journal_that_cannot_be_used_is_named_with_the_options(koophone: Invoke) -> None:
    result = koophone(("exec", *PHONES, "--journal", "/dev/null/journal.db", "--", "id"))

    assert result.code == 3
    assert "Nothing was sent" in result.err
    assert "--no-journal" in result.err


@pytest.mark.parametrize("option", ["--waves", "--stop-at"])
def test_waves_and_rules_need_a_journal(koophone: Invoke, option: str) -> None:
    result = koophone(("exec", *PHONES, option, "1", "--no-journal", "--", "id"))

    assert result.code == 2
    assert option in result.err


def test_a_command_has_a_journal_or_none(koophone: Invoke, journal: str) -> None:
    result = koophone(("exec", *PHONES, "--journal", journal, "--no-journal", "--", "id"))

    assert result.code == 2


@pytest.mark.parametrize("journalled", [True, False])
@pytest.mark.parametrize(
    "line",
    [
        ("exec", "--all", "--", "id"),
        ("instances", "reset", "--all"),
        ("cph", "commands", "run", "--all", "--command", "id"),
        ("cph", "servers", "restart", "--all"),
    ],
    ids=" ".join,
)
def test_a_dry_run_shows_the_forecast_and_sends_nothing(
    koophone: Invoke,
    journal: str,
    monkeypatch: pytest.MonkeyPatch,
    line: tuple[str, ...],
    *,
    journalled: bool,
) -> None:
    monkeypatch.delenv("KOOPHONE_YES")
    at = line.index("--") if "--" in line else len(line)
    options = ("--journal", journal) if journalled else ()

    result = koophone(
        (*line[:at], "--dry-run", *options, *line[at:]), ("rollout", "list", "--journal", journal)
    )

    assert result.code == 0
    assert "phones:" in result.out
    assert "likely:" in result.out
    assert "no rollouts" in result.err


@pytest.mark.parametrize(
    "options, problem",
    [
        (("--waves", "x"), "--waves x: is 'x'; expected a number"),
        (("--waves", "5,2"), "--waves 5,2: is 2, after 5; waves count"),
        (("--stop-at", "x"), "--stop-at x: is 'x'; expected a number"),
        (("--stop-at", "unknown=x"), "--stop-at unknown=x: is 'x'"),
        (("--stop-at", "after=5"), "--stop-at after=5: can never hold"),
        (("--stop-at", "colour=5"), "--stop-at colour=5: has the unknown name 'colour'"),
        (("--stop-at", "9"), "--stop-at 9: is 9, which can never be reached"),
        (("--timeout", "0"), "--timeout: is 0, in which nothing can be sent"),
    ],
)
def test_an_error_of_the_plan_names_the_option_as_typed(
    koophone: Invoke, journal: str, options: tuple[str, ...], problem: str
) -> None:
    result = koophone(("exec", *PHONES, *options, "--journal", journal, "--", "id"))

    assert result.code == 2
    assert result.err.startswith(f"koophone: {problem}")
    assert result.err.endswith("Nothing was sent.\n")


@pytest.mark.parametrize(
    "line, option",
    [
        (("exec", "--all", "--", "x" * 1025), "COMMAND"),
        (("cph", "commands", "run", "--all", "--command", "x" * 1025), "--command"),
        (("cph", "commands", "push", "--all", "--tar", "a.txt"), "--tar"),
        (("cph", "commands", "install", "--all", "--apk", "a.apk"), "--apk"),
        (("cph", "commands", "install-split", "--all", "--apks", "a.apk"), "--apks"),
        (("cph", "commands", "uninstall", "--all", "--package", "a b"), "--package"),
    ],
)
def test_a_wrong_argument_is_named_as_typed_in_a_journalled_command(
    koophone: Invoke, journal: str, line: tuple[str, ...], option: str
) -> None:
    at = line.index("--") if "--" in line else len(line)

    result = koophone((*line[:at], "--journal", journal, *line[at:]))

    assert (result.code, result.err.partition(":")[2].partition(":")[0]) == (2, f" {option}")


@pytest.mark.parametrize("is_job", [False, True])
@pytest.mark.parametrize(
    "line, wait",
    [
        (("exec", *PHONES), ("jobs", "wait")),
        (("cph", "commands", "run", "--name", "phone-0000[12]", "--command", "id"), ("cph", "jobs", "wait")),
    ],
    ids=["koophone", "cph"],
)
def test_a_bare_id_is_that_of_a_call_in_the_journal(  # noqa: PLR0913 - a table of two
    koophone: Invoke,
    journal: str,
    monkeypatch: pytest.MonkeyPatch,
    line: tuple[str, ...],
    wait: tuple[str, ...],
    *,
    is_job: bool,
) -> None:
    monkeypatch.setenv("KOOPHONE_JOURNAL", journal)

    def wait_for_first(previous: Result) -> tuple[str, ...]:
        token = ResumeToken.parse(previous.rows[0]["resume_token"])
        return (*wait, previous.rows[0]["job_id"] if is_job else token.handle, *JSONL)

    words = ("--", "id") if line[0] == "exec" else ()
    result = koophone((*line, "--no-wait", *JSONL, *words), wait_for_first)

    sent = [row["id"] for row in result.rows if row["state"] == "unfinished"]
    ended = [row["id"] for row in result.rows if row["state"] == "succeeded"]
    assert sorted(ended) == (sent[:1] if is_job else sorted(sent))


def test_a_bare_task_whose_jobs_have_ended_has_its_phones(
    koophone: Invoke, journal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOOPHONE_JOURNAL", journal)

    def wait(previous: Result) -> tuple[str, ...]:
        return ("jobs", "wait", ResumeToken.parse(previous.rows[0]["resume_token"]).handle, *JSONL)

    result = koophone(("exec", *PHONES, "--no-wait", *JSONL, "--", "id"), ("rollout", "resume"), wait)

    assert sorted(row["id"] for row in result.rows[3:]) == [*PHONES]


@pytest.mark.parametrize(
    "options",
    [
        ("server02",),
        ("--name", "phone-00001"),
        ("--all",),
        ("--where", "id == x"),
        ("--where-output", "id == x"),
        ("--ids-file", "-"),
        ("--failed-from", "last"),
        ("--waves", "5"),
        ("--stop-at", "5"),
        ("--journal", "x.db"),
        ("--concurrency", "5"),
        ("--max-per-server", "5"),
    ],
)
def test_options_about_phones_are_refused_with_servers(koophone: Invoke, options: tuple[str, ...]) -> None:
    result = koophone(("cph", "commands", "run", *options, "--server", "server01", "--command", "id"))

    option = options[0] if options[0].startswith("--") else "ID"
    assert result.code == 2
    assert f"koophone: {option} with --server: is not possible" in result.err
