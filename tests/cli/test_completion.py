"""Completion in bash, zsh and fish, and what a start imports."""

from __future__ import annotations

import os
import re
import sys
from subprocess import PIPE
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cli.command_table import FILE
from koophone_async.cli.completion import complete
from tests.cli.command_table import commands, text_of
from tests.cli.conftest import Process

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke, RunMain

SETTING: Final = ("--region", "cn-north-4", "--profile", "p")


def bash(*words: str) -> list[str]:
    """Return what completes the last word."""
    line = {"COMP_WORDS": "\n".join(("koophone", *words)), "COMP_CWORD": str(len(words))}
    return (complete({"_KOOPHONE_COMPLETE": "complete_bash", **line}) or "").split()


def test_the_table_of_commands_is_up_to_date() -> None:
    assert text_of(commands()) == FILE.read_text("utf-8"), "run python -m tests.cli.command_table"


@pytest.mark.parametrize(
    "words, expected",
    [
        (("inst",), ["instances"]),
        (("cph", "phones", "re"), ["rename", "reset", "restart"]),
        ((*SETTING, "cph", "--project-id", "p1", "tags", "f"), ["find"]),
        (("cph", "encoding_servers", "l"), ["list"]),
        (("exec", "phone0001", "--wh"), ["--where", "--where-output"]),
        (("exec", "--all", "--output", "j"), ["json", "jsonl"]),
        (("exec", "--output=cs"), ["csv"]),
        (("exec", "--output", "=", "cs"), ["csv"]),
        (("exec", "--output", "="), ["table", "json", "jsonl", "csv", "yaml"]),
        (("exec", "--where", "run"), ["running"]),
        (("exec", "--columns", "id,er"), ["id,error_code", "id,error_message"]),
        (("instances", "list", "--sort", "na"), ["name"]),
        (("apps", "list", "--columns", "id,package,v"), ["id,package,version"]),
        (("instances", "list", "--scene", "CLOUD_A"), ["CLOUD_APP"]),
        (("api", "koophone.instances.re"), ["koophone.instances.reboot", "koophone.instances.reset"]),
        (("api", "--he"), ["--help"]),
        (("exec", "phone0001", "--", "l"), []),
        (("exec", "--timeout", "1"), []),
        (("exec", "'phone"), []),
        (("no-such-command", "x"), []),
    ],
)
def test_a_word_is_completed(words: tuple[str, ...], expected: list[str]) -> None:
    assert bash(*words) == expected


@pytest.mark.parametrize("file", [None, "[prod]\nak = a\n[test]\n", "\xff"])
def test_profiles_are_completed(file: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "credentials"
    if file is not None:
        path.write_bytes(file.encode("latin-1"))
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))

    assert bash("--profile", "") == (["prod", "test"] if file and "prod" in file else [])


def test_ids_are_completed_with_their_names(run_main: RunMain, emulator: dict[str, str]) -> None:
    line = {"_KOOPHONE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    typed = {"_TYPER_COMPLETE_ARGS": "koophone --edition china exec phone001"}

    result = run_main(environ=emulator | line | typed)

    assert [row.split("\t")[0] for row in result.out.splitlines()] == [f"phone001{n}" for n in range(10)]
    assert (result.code, result.err) == (0, "")


def test_the_first_ids_of_many_are_completed(run_main: RunMain, emulator: dict[str, str]) -> None:
    line = {"_KOOPHONE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}

    result = run_main(environ=emulator | line | {"_TYPER_COMPLETE_ARGS": "koophone exec phone"})

    assert len(result.out.splitlines()) == 200


def test_names_are_completed_with_their_ids(run_main: RunMain, emulator: dict[str, str]) -> None:
    line = {"_KOOPHONE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}

    result = run_main(
        environ=emulator | line | {"_TYPER_COMPLETE_ARGS": "koophone cph servers restart --name s"}
    )

    assert sorted(row.split("\t")[0] for row in result.out.splitlines()) == ["server-0001"]


@pytest.mark.parametrize("typed", ["exec ", "cph servers show "])
def test_a_service_that_cannot_be_asked_completes_nothing(run_main: RunMain, typed: str) -> None:
    environ = {"KOOPHONE_ENDPOINT": "http://127.0.0.1:9", "KOOPHONE_CPH_ENDPOINT": "http://127.0.0.1:9"}
    line = {"_KOOPHONE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": f"koophone {typed}"}

    result = run_main(environ=environ | line | {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "b"})

    assert (result.code, result.out, result.err) == (0, "_files", "")


def test_zsh_shows_the_help_of_a_command() -> None:
    line = {"_TYPER_COMPLETE_ARGS": "koophone cph servers buy"}

    shown = complete({"_KOOPHONE_COMPLETE": "complete_zsh", **line})

    assert shown is not None
    assert shown.startswith("""_arguments '*: :(("buy":"Buy servers in a network of your own.\"""")
    assert r"service'\''s" in shown


HOSTILE_NAMES: Final = (
    r"a\$(echo executed)",
    r"b\`echo executed`",
    r"c\"$(echo executed)",
    r"d'$(echo executed)'",
    r"e)); echo executed; ((",
    r"""f'"\'"$(echo executed)""",
    r"g:\:h\\:",
    "i\\",
    "j; echo executed",
    "k<(echo executed)",
)


@pytest.fixture
def hostile_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name profiles as a service could name its phones."""
    file = tmp_path / "credentials"
    file.write_text("".join(f"[{name}]\n" for name in ("plain", *HOSTILE_NAMES)))
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(file))


AS_ZSH: Final = r"""
_arguments() { action=${1#'*: :(('}; eval "words=( ${action%'))'} )"; printf '%s\n' "${words[@]}"; }
set -f; eval $1
"""
"""What zsh does with an answer: its completion evaluates it, and `_arguments` the words in it."""


@pytest.mark.process
@pytest.mark.usefixtures("hostile_profiles")
def test_zsh_executes_nothing_of_a_name() -> None:
    answer = complete({"_KOOPHONE_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "koophone --profile "})
    assert answer

    with Process(["bash", "-c", AS_ZSH, "bash", answer], stdout=PIPE, stderr=PIPE, text=True) as shell:
        result = shell.end()

    words = result.out.splitlines()
    assert [re.sub(r"\\([\\:])", r"\1", word) for word in words] == ["plain", *HOSTILE_NAMES]


def test_a_profile_file_without_end_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", "/dev/zero")

    assert bash("--profile", "") == []


@pytest.mark.usefixtures("hostile_profiles")
def test_bash_is_offered_no_name_that_it_would_execute() -> None:
    line = {"COMP_WORDS": "koophone --profile ", "COMP_CWORD": "2"}

    assert complete({"_KOOPHONE_COMPLETE": "complete_bash", **line}) == "plain"


@pytest.mark.parametrize("typed, code", [("koophone inst", 0), ("koophone nothing", 1)])
def test_fish_asks_whether_there_are_arguments(typed: str, code: int) -> None:
    line = {"_TYPER_COMPLETE_FISH_ACTION": "is-args", "_TYPER_COMPLETE_ARGS": typed}

    with pytest.raises(SystemExit) as exited:
        complete({"_KOOPHONE_COMPLETE": "complete_fish", **line})

    assert exited.value.code == code


def test_other_shells_are_left_to_typer() -> None:
    assert complete({"_KOOPHONE_COMPLETE": "complete_pwsh"}) is None


def test_rollouts_are_completed(koophone: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = str(tmp_path / "journal.db")
    koophone(("exec", "phone0001", "--journal", journal, "--", "id"))
    row = koophone(("rollout", "list", "--journal", journal, "--output", "jsonl")).rows[0]

    assert bash("rollout", "status", "--journal", journal, "") == [row["name"], row["id"]]
    assert bash("exec", "--journal", journal, "--failed-from", row["id"][:4]) == [row["id"]]
    monkeypatch.setenv("KOOPHONE_JOURNAL", journal)
    assert bash("rollout", "watch", row["id"][:4]) == [row["id"]]


@pytest.mark.parametrize("journal", ["off", "nowhere/journal.db", "ftp://x"])
def test_without_a_journal_no_rollout_is_completed(
    journal: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KOOPHONE_JOURNAL", journal)

    assert bash("rollout", "status", "") == []
    assert not any(tmp_path.iterdir())


@pytest.mark.process
def test_bash_completes_with_the_script_that_is_shown(on_path: Path) -> None:
    script = """
eval "$(koophone --show-completion bash)"
COMP_WORDS=(koophone cph phones "re") COMP_CWORD=3
_koophone_completion koophone
echo "${COMPREPLY[@]}"
"""
    environ = {**os.environ, "PATH": f"{on_path}:{os.environ['PATH']}"}
    with Process(["bash", "-c", script], env=environ, stdout=PIPE, stderr=PIPE, text=True) as process:
        result = process.end()

    assert (result.code, result.out, result.err) == (0, "rename reset restart\n", "")


HEAVY: Final = {"aiohttp", "attrs", "cattrs", "cryptography", "msgspec", "rich", "typer", "yarl"}


@pytest.mark.process
@pytest.mark.parametrize(
    "line, environ, imported",
    [
        (("--version",), dict[str, str](), {"typer"}),
        (("--help",), dict[str, str](), {"typer"}),
        (("-h",), dict[str, str](), {"typer"}),
        (("cph", "-h"), dict[str, str](), {"typer"}),
        (("events", "--help"), dict[str, str](), {"typer"}),
        (("instanzes", "list"), dict[str, str](), {"typer"}),
        (
            (),
            {"_KOOPHONE_COMPLETE": "complete_bash", "COMP_WORDS": "koophone cph ", "COMP_CWORD": "2"},
            set[str](),
        ),
        (
            (),
            {"_KOOPHONE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "koophone instances list --wh"},
            set[str](),
        ),
    ],
)
def test_a_start_imports_no_client(
    line: tuple[str, ...], environ: dict[str, str], imported: set[str]
) -> None:
    program = """
import atexit, sys
atexit.register(lambda: print("imported", *sys.modules))
from koophone_async.cli import main
main()
"""
    command = [sys.executable, "-c", program, *line]
    with Process(command, env=os.environ | environ, stdout=PIPE, stderr=PIPE, text=True) as process:
        result = process.end()

    modules = result.out.rpartition("imported ")[2].split()
    assert {*modules} & HEAVY == imported
    assert result.code == (2 if "instanzes" in line else 0)
