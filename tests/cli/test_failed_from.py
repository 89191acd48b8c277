"""`--failed-from`: what failed or was refused is selected again, and what is unknown never is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.batches import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Invoke, Result

JSONL = ("--output", "jsonl")
ROWS = [{"id": f"phone000{number}", "state": state.value} for number, state in enumerate(State, start=1)]
STATES = {row["id"]: row["state"] for row in ROWS}


def as_csv(rows: list[dict[str, str]]) -> str:
    return "id,state\n" + "".join(f"{row['id']},{row['state']}\n" for row in rows)


FORMS: dict[str, Callable[[list[dict[str, str]]], str]] = {
    "json": json.dumps,
    "jsonl": lambda rows: "".join(f"{json.dumps(row)}\n" for row in rows),
    "csv": as_csv,
}


def ids(result: Result) -> list[str]:
    return [row["id"] for row in result.rows]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(text: str) -> str:
        path = tmp_path / "earlier.out"
        path.write_text(text)
        return str(path)

    return write


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("words", [("exec",), ("instances", "reboot")], ids=" ".join)
def test_failed_and_refused_phones_of_a_file_are_selected(
    koophone: Invoke, file: Callable[[str], str], words: tuple[str, ...], form: str
) -> None:
    name = file(FORMS[form](ROWS))
    command = ("--", "id") if words == ("exec",) else ()

    result = koophone((*words, "--failed-from", name, *JSONL, *command))

    assert {STATES[id] for id in ids(result)} == {"failed", "refused"}
    assert "1 unknown" in result.err


def test_unsent_phones_are_selected_by_an_option(koophone: Invoke, file: Callable[[str], str]) -> None:
    line = ("exec", "--failed-from", file(as_csv(ROWS)), "--not-sent", *JSONL, "--", "id")

    assert {STATES[id] for id in ids(koophone(line))} == {"failed", "refused", "not_sent"}


@pytest.mark.parametrize(
    "line", [("exec", "--failed-from", "FILE", "--", "id"), ("instances", "reboot", "--failed-from", "FILE")]
)
def test_the_last_row_of_a_phone_counts(
    koophone: Invoke, file: Callable[[str], str], line: tuple[str, ...]
) -> None:
    rows = [*ROWS, *({**row, "state": "succeeded"} for row in ROWS)]

    name = file(as_csv(rows))
    result = koophone([name if word == "FILE" else word for word in line])

    assert (result.code, result.out) == (0, "")
    assert "nothing failed" in result.err


def test_failed_phones_of_a_rollout_are_selected(koophone: Invoke, tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "journal.db"))

    result = koophone(
        ("exec", "phone0001", "phone0002", "missing", *journal, *JSONL, "--", "id"),
        ("exec", "--failed-from", "last", *journal, *JSONL, "--", "id"),
    )

    assert sorted(ids(result)) == ["missing", "missing", "phone0001", "phone0002"]


def test_a_rollout_of_other_phones_is_refused(koophone: Invoke, tmp_path: Path) -> None:
    journal = ("--journal", str(tmp_path / "journal.db"))

    result = koophone(
        ("exec", "phone0001", *journal, "--", "id"),
        ("cph", "phones", "restart", "--failed-from", "last", *journal),
    )

    assert result.code == 2
    assert "instances of koophone" in result.err


@pytest.mark.parametrize(
    "text, problem",
    [
        ("phone0001\n", "without an id"),
        ('id,state\n"phone0001,x\n', "is not CSV"),
        ('["phone0001"]', "instead of rows"),
        ("id,output\nphone0001,x\n", "no column state"),
        ("id,state\nphone0001,odd\n", "'odd'"),
        ('{"ids": "phone[1-2]", "state": "failed"}\n', "without --group"),
        ("{", "JSON"),
    ],
)
def test_what_is_no_output_of_a_command_is_refused(
    koophone: Invoke, file: Callable[[str], str], text: str, problem: str
) -> None:
    result = koophone(("exec", "--failed-from", file(text), "--", "id"))

    assert (result.code, problem in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    "options", [("phone0001", "--failed-from", "last"), ("phone0001", "--not-sent")], ids=" ".join
)
def test_it_is_one_way_to_select(koophone: Invoke, options: tuple[Any, ...]) -> None:
    assert koophone(("exec", *options, "--", "id")).code == 2


def test_a_journal_that_cannot_be_read_is_named(koophone: Invoke) -> None:
    result = koophone(("exec", "--failed-from", "last", "--journal", "/dev/null/x", "--", "id"))

    assert "--failed-from last" in result.err
