"""The examples in the help of each command run."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.main import get_command

from koophone_async.cli.app import app
from koophone_async.cli.commands.services import Entry, entries
from koophone_async.cli.examples import examples
from koophone_async.emulator import Fault, Refuse
from koophone_async.wire import to_wire
from tests.cli.test_commands import VIDEO
from tests.services.test_cph_servers import BARE_ORDER, CHANGE, OLD_ORDER, ORDER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke, Line, Result

OPERATIONS: Final = [*entries("koophone", "cph", "gaming", "iam")]
ORDERS: Final = {
    "koophone.orders.buy": {
        "os": "AOSP9",
        "instanceSkuId": "kp.professional.xlarge.32g.2",
        "bandSkuId": "kp.bandwidth",
        "regionId": "cn-north-4",
        "instanceNamePrefix": "new",
        "bandSize": 2,
        "count": 2,
        "chargeParam": {"periodType": 2, "periodNum": 1},
    },
    "cph.servers.buy": to_wire(ORDER),
    "cph.servers.buy_bare": to_wire(BARE_ORDER),
    "cph.servers.buy_v1": to_wire(OLD_ORDER),
}
VERSION: Final = {
    "app_id": "a",
    "version_code": "1",
    "version_name": "1.0",
    "launch_activity": "com.example.game.Main",
    "bucket_name": "games",
    "object_path": "game.tar",
}


def in_help(*words: str) -> list[str]:
    """Return the examples in the help of a command."""
    command: Any = get_command(app)
    for word in words:
        command = command.commands[word]
    return re.findall(r"^koophone .*|^eval .*", command.epilog or "", re.MULTILINE)


@cache
def commands() -> list[tuple[str, ...]]:
    """Return the words of every command that is no group."""

    def found(command: Any, path: tuple[str, ...]) -> list[tuple[str, ...]]:  # noqa: ANN401 - click's
        children = getattr(command, "commands", None)
        if children is None:
            return [path]
        return [words for name, child in children.items() for words in found(child, (*path, name))]

    return found(get_command(app), ())


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_shows_two_examples_of_itself(words: tuple[str, ...]) -> None:
    shown = in_help(*words)

    assert len(shown) >= 2
    assert all(" ".join(words) in line for line in shown)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the files that examples name, and have a journal, as by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KOOPHONE_JOURNAL", str(tmp_path / "journal.db"))
    contents = {"video": VIDEO, "change": to_wire(CHANGE), "routes": {}, "version": VERSION}
    for name, content in contents.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def with_ids(line: str) -> Line:
    """Replace the words in capitals by ids of the emulator."""

    def replaced(previous: Result) -> list[str]:
        phones = [row["id"] for row in previous.rows if "server" in row]
        servers = [row["id"] for row in previous.rows if "phone_model" in row]
        ids = {"PHONE": phones[0], "OTHER": phones[1], "SERVER": servers[0]}
        words = shlex.split(line)[1:]
        return [re.sub("[A-Z]{5,}", lambda word: ids.get(word[0], word[0]), word) for word in words]

    return replaced


@pytest.mark.parametrize("entry", OPERATIONS, ids=lambda entry: entry.operation.name)
def test_the_examples_of_an_operation_run(koophone: Invoke, entry: Entry, files: Path) -> None:
    (files / "order.json").write_text(json.dumps(ORDERS.get(entry.operation.name, {})))
    lists = (("cph", "phones", "list", "--output", "jsonl"), ("cph", "servers", "list", "--output", "jsonl"))

    for example in examples(entry):
        ended = koophone(*lists, with_ids(example), edition="international")

        # What an example names, such as an image or a user, may not be there.
        is_refused = entry.operation.anonymous or " matched; nothing was done" in ended.err
        assert ended.code in ((0, 1, 3) if is_refused else (0, 1)), ended.err
        assert "Nothing was sent" not in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "entry",
    [entry for entry in OPERATIONS if entry.changes_something and not (entry.verb and entry.verb.reads)],
    ids=lambda entry: entry.operation.name,
)
def test_a_dry_run_of_every_write_sends_nothing(koophone: Invoke, entry: Entry, files: Path) -> None:
    (files / "order.json").write_text(json.dumps(ORDERS.get(entry.operation.name, {})))
    lists = (("cph", "phones", "list", "--output", "jsonl"), ("cph", "servers", "list", "--output", "jsonl"))
    line, _ = examples(entry)
    result = koophone(
        *lists,
        with_ids(f"{line.replace(' --yes', '')} --dry-run"),
        edition="international",
        faults=[Fault(Refuse(500), operation=entry.operation.name)],
    )

    assert result.code == 0, result.err
    if entry.verb is None:
        call = result.out.splitlines()[-1]
        assert call.split()[:2] == [entry.operation.name, entry.operation.method]
        assert result.err.endswith("koophone: a dry run: nothing was sent\n")


@pytest.mark.parametrize("words", [("api",), ("config",), ("doctor",), ("exec",)], ids=" ".join)
def test_the_examples_of_other_commands_run(koophone: Invoke, words: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / ".huaweicloud"
    folder.mkdir()
    (folder / "credentials").write_text("[prod]\nak = A\nsk = B\n")
    for example in in_help(*words):
        ended = koophone(shlex.split(example)[1:])

        assert ended.code == (1 if "prod" in example and words == ("doctor",) else 0), ended.err
