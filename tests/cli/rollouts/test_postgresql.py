"""`--journal postgresql://...`: rollouts in a server, and a password that others could see."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.rollouts.conftest import PHONES, rollout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Invoke, RunMain

WARNING = "other users can see the password in --journal"


@pytest.fixture
def with_password(postgresql_url: str) -> str:
    """Return a URL with a password, which the server does not ask for."""
    return postgresql_url.replace("postgres@", "postgres:open-sesame@")


def test_a_rollout_in_a_server_waits_for_a_worker(
    koophone: Invoke, plan: Callable[..., str], postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOOPHONE_JOURNAL", postgresql_url)
    result = koophone(rollout("start", plan()), rollout("status", "-o", "json"))

    shown = json.loads(result.out)
    assert (shown["targets"], shown["state"], shown["waiting_for"]) == (10, "waiting", "worker")


def test_a_command_is_written_to_a_server(koophone: Invoke, postgresql_url: str) -> None:
    option = ("--journal", postgresql_url)
    command = ("exec", *PHONES[:2], *option, "-o", "jsonl", "--", "id")
    result = koophone(command, rollout("outcomes", *option, "-o", "jsonl"))

    assert [row["id"] for row in result.rows] == PHONES[:2] * 2


@pytest.mark.parametrize(
    "command", [rollout("list"), rollout("status"), ("exec", PHONES[0])], ids=lambda words: words[-1]
)
def test_a_password_on_the_command_line_is_warned_of(
    run_main: RunMain, with_password: str, command: tuple[str, ...]
) -> None:
    result = run_main(*command, "--journal", with_password, *(("--", "id") if "exec" in command else ()))

    assert result.err.startswith(f"koophone: {WARNING}")
    assert "PGPASSFILE" in result.err
    assert "open-sesame" not in result.out + result.err


def test_a_password_in_the_environment_is_not_warned_of(run_main: RunMain, with_password: str) -> None:
    result = run_main(*rollout("list"), environ={"KOOPHONE_JOURNAL": with_password})

    assert result.err == "koophone: no rollouts\n"


def test_a_contradiction_does_not_show_a_password(koophone: Invoke, with_password: str) -> None:
    result = koophone(("exec", PHONES[0], "--no-journal", "--journal", with_password, "--", "id"))

    assert "contradicts --journal" in result.err
    assert "open-sesame" not in result.err


@pytest.mark.parametrize("url", ["mysql://u:open-sesame@host/db", "postgresql://u:open-sesame/@host/db"])
def test_an_invalid_journal_is_reported_once(run_main: RunMain, url: str) -> None:
    result = run_main(*rollout("list"), "--journal", url)

    assert WARNING not in result.err
    assert "open-sesame" not in result.err
    assert result.code == 3


def test_psycopg_is_imported_for_a_server_only(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from koophone_async.rollouts import Journal\n"
        "async def main():\n"
        "    async with await Journal.open(sys.argv[1]): print('psycopg' in sys.modules)\n"
        "asyncio.run(main())"
    )
    found = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", program, str(tmp_path / "rollouts.db")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout == "False\n"
