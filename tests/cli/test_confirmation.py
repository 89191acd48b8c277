"""Confirmation of destructive commands: a question in a terminal, `--yes` without one."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cli.commands.confirmation import Consequence, confirm
from koophone_async.cli.commands.services import entries
from koophone_async.cli.errors import Exit
from koophone_async.emulator import Fault, Refuse

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.cli.conftest import Invoke, Line, Result

IDS: Final = ["p1", "p2", "p3", "p4", "p5"]
ERROR: Final = "overwrite the data of 5 phones (p1, p2, p3 and 2 more), with access key AKID…"
QUESTION: Final = (
    "koophone: about to overwrite the data of 5 phones\r\n",
    "  phones: p[1-5]\r\n",
    "  account: access key AKID…\r\n",
    "Continue? [y/N] ",
)
PHONES: Final = ("cph", "phones", "list", "--where", 'name ~ "phone-0000[12]"', "--output", "jsonl")


def ask(*, yes: bool = False) -> Exit | None:
    consequence = Consequence.of_change("overwrite the data of", "phones", IDS)
    return confirm(consequence, "access key AKID…", yes=yes)


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> Generator[int]:
    """Make stdin and stderr a terminal, in which a text was typed."""
    outer, inner = os.openpty()
    os.write(outer, typed.encode())
    with os.fdopen(os.dup(inner)) as stdin, os.fdopen(inner, "w") as stderr:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("sys.stderr", stderr)
        yield outer
    os.close(outer)


def test_yes_is_a_confirmation() -> None:
    assert ask(yes=True) is None


def test_without_a_terminal_yes_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask() is Exit.USAGE

    problem = f"--yes: is required without a terminal: would {ERROR}"
    assert capsys.readouterr().err == f"koophone: {problem}. Nothing was sent.\n"


@pytest.mark.parametrize(
    "typed, code",
    [
        ("y\n", None),
        ("Yes\n", None),
        ("n\n", Exit.SOME_FAILED),
        ("\n", Exit.SOME_FAILED),
        ("\x04", Exit.SOME_FAILED),
    ],
)
def test_the_answer_decides(typed: str, code: Exit | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, typed) as outer:
        assert ask() is code

        shown = ""
        while QUESTION[-1] not in shown:
            shown += os.read(outer, 4096).decode()

        # The terminal's echo of the answer may come between them.
        assert all(line in shown for line in QUESTION)


def test_ids_and_accounts_cannot_change_the_question(monkeypatch: pytest.MonkeyPatch) -> None:
    consequence = Consequence.of_change("erase the data of", "phones", ["p1\x1b[2K\r", "p2\u202e", "p3\n"])
    with terminal(monkeypatch, "n\n") as outer:
        assert confirm(consequence, "key\x9b2J", yes=False) is Exit.SOME_FAILED

        shown = ""
        while "[y/N]" not in shown:
            shown += os.read(outer, 4096).decode()

    assert r'phones: "p1\u001b[2K\r",p2\u202e,"p3\n"' in shown
    assert r"account: key\x9b2J" in shown
    assert "\x1b" not in shown


def migrate(*options: str) -> Line:
    """Migrate the first listed phone to the second, and the second to a third."""

    def line(previous: Result) -> tuple[str, ...]:
        first, second = (row["id"] for row in previous.rows[:2])
        sources = ("--sources", f"{first}={second}", "--sources", f"{second}={first}")
        return ("cph", "phones", "migrate", first, second, *sources, *options, "--output", "jsonl")

    return line


def test_a_destructive_command_runs_with_yes(koophone: Invoke) -> None:
    ended = koophone(PHONES, migrate("--yes"))

    assert [row["state"] for row in ended.rows[2:]] == ["succeeded"] * 2
    assert ended.code == 0


def test_the_environment_can_confirm(koophone: Invoke) -> None:
    assert koophone(PHONES, migrate("--no-wait")).code == 0  # the fixture sets KOOPHONE_YES


@pytest.mark.parametrize(
    "line",
    [
        "instances reset phone0001 phone0002",
        "cph commands uninstall --package app --server s",
        "cph servers delete s",
        "cph servers change-model --server s --model m --phone-model p",
    ],
)
def test_nothing_is_sent_without_a_confirmation(
    koophone: Invoke, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.delenv("KOOPHONE_YES")
    everything_fails = [Fault(Refuse())]
    with terminal(monkeypatch, "n\n") as outer:
        assert koophone(line.split(), faults=everything_fails).code == Exit.SOME_FAILED

        shown = ""
        while "nothing was done" not in shown:
            shown += os.read(outer, 4096).decode()

    assert "not confirmed" in shown


@pytest.fixture
def unconfirmed(koophone: Invoke, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run commands without a terminal and without KOOPHONE_YES."""
    monkeypatch.delenv("KOOPHONE_YES")
    return koophone


@pytest.mark.parametrize(
    "line, action",
    [
        (
            "instances reset --all",
            "erase the data of 250 phones (phone0001, phone0002, phone0003 and 247",
        ),
        ("instances backup a b", "back up, and release the machines of 2 phones (a, b)"),
        ("orders unsubscribe --all", "end the subscriptions, and delete the data, of 250 phones"),
        ("users unassign a b --user u", "erase the data, and end the assignment, of 2 phones"),
        ("instances reset a a b --no-wait", "erase the data of 2 phones (a, b)"),
        ("cph phones reset a b", "erase the data of 2 phones"),
        ("cph phones migrate a b --sources a=c --sources b=d", "overwrite the data of 2 phones"),
        ("cph commands uninstall a b --package app", "uninstall the app from 2 phones"),
        ("cph storage restore a b --bucket shop --path {phone}.tar", "overwrite the data of 2 phones"),
        ("cph servers delete s", "delete, with their phones and data, 1 server (s)"),
        ("cph servers restart s", "restart, with their phones, 1 server (s)"),
        ("cph encoding-servers restart e f", "restart 2 encoding servers"),
        ("cph shared-apps delete s --package com.shop", "delete the shared app of 1 server"),
        ("cph shared-files delete s --paths /data/a", "delete the shared files of 1 server"),
        ("cph gaming deployments undeploy s --versions v", "undeploy the versions from 1 server"),
        ("cph gaming deployments remove s --versions v", "remove the versions from 1 server"),
        (
            "cph storage expand a --size 200",
            "place an order, which costs money, for 1 phone (a): size 200",
        ),
        (
            "cph servers change-model --server s --model m --phone-model p",
            "place an order, which costs money: server s, model m, phone-model p",
        ),
    ],
)
def test_what_destroys_or_costs_money_needs_yes(unconfirmed: Invoke, line: str, action: str) -> None:
    ended = unconfirmed(line.split())

    assert f"koophone: --yes: is required without a terminal: would {action}" in ended.err
    assert "permanent access key" in ended.err
    assert ended.code == Exit.USAGE


def test_an_order_is_shown_before_it_is_placed(unconfirmed: Invoke) -> None:
    order = ("--os", "AOSP11", "--sku", "sku1", "--band-sku", "band1", "--region", "cn-north-4")
    more = (
        "--prefix",
        "shop",
        "--bandwidth",
        "2",
        "--count",
        "3",
        "--charge-period",
        "2",
        "--charge-count",
        "1",
    )

    ended = unconfirmed(("orders", "buy", *order, *more))

    shown = "os AOSP11, sku sku1, band-sku band1, region cn-north-4, prefix shop, bandwidth 2.0, count 3"
    assert f"costs money: {shown}, charge-period 2, charge-count 1" in ended.err


@pytest.mark.parametrize(
    "line",
    [
        "instances reset phone0001",
        "orders unsubscribe phone0001",
        "instances reset --where id==nobody",
        "cph storage expand --where name==nobody --size 200",
        "instances reboot phone0001 phone0002",
    ],
)
def test_one_phone_or_none_needs_no_confirmation(unconfirmed: Invoke, line: str) -> None:
    ended = unconfirmed(line.split())

    assert "--yes" not in ended.err
    assert ended.code == (Exit.NOT_STARTED if "nobody" in line else Exit.DONE)


DESTRUCTIVE: Final = (
    *("backup", "delete", "migrate", "reset", "restore", "unassign", "undeploy", "uninstall", "unsubscribe"),
    *("buy", "change", "expand"),
)


def test_every_destructive_operation_is_confirmed() -> None:
    all_entries = [*entries("koophone", "cph", "gaming")]
    confirmed = {entry.operation.name for entry in all_entries if entry.is_confirmed}
    names = {entry.operation.name for entry in all_entries}
    named = {name for name in names if name.split(".")[2].startswith(DESTRUCTIVE)}
    of_one_thing = {"cph.images.delete", "gaming.applications.delete", "gaming.versions.delete"}

    assert named - confirmed == of_one_thing | {"cph.undocumented.delete_peering_routes"}
    assert confirmed - named == {
        "cph.encoding_servers.restart",
        "cph.servers.restart",
        "gaming.deployments.remove",
    }
