"""Commands that change phones are written to a journal, and can be resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from koophone_async.rollouts.journal import Kind, RolloutState
from tests.cli.conftest import interrupted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from koophone_async.rollouts.journal import RolloutRecord
    from tests.cli.conftest import Invoke

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


def test_a_dry_run_of_servers_is_refused(koophone: Invoke) -> None:
    line = ("cph", "commands", "run", "--server", "server01", "--command", "id", "--dry-run")

    assert "--dry-run" in koophone(line).err
