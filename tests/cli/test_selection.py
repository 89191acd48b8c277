"""Selection of phones by names, and by the output of a command."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cli.commands.call_commands import CallCommand
from koophone_async.cli.commands.services import entries
from koophone_async.cli.targets.output_selection import OutputCondition
from koophone_async.emulator import Fault, Reset
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke

JSONL: Final = ("--output", "jsonl")
FIRST: Final = ("phone0001", "phone0002", "phone0003")
OTHER: Final = ("exec", "phone0002", *JSONL, "--", "setprop", "persist.shop", "7")
SHOP: Final = "getprop persist.shop == 7"


@pytest.mark.parametrize(
    "options, count",
    [
        (("--name", "phone-00001"), 1),
        (("--name", "phone-00001", "--name", "phone-00002"), 2),
        (("--name", "phone-0000[12]"), 2),
        (("--name", "phone-0001?"), 10),
        (("--name", "phone-0001*", "--where", "id != x"), 10),
        (("--name", "none*"), 0),
    ],
)
def test_names_are_accepted_where_ids_are(koophone: Invoke, options: tuple[str, ...], count: int) -> None:
    result = koophone(("cph", "phones", "stop", *options, *JSONL))

    assert [row["state"] for row in result.rows] == ["succeeded"] * count
    assert result.code == (0 if count else 3)


@pytest.mark.parametrize("line", [("cph", "phones", "stop"), ("exec",)])
def test_a_name_of_none_is_wrong_usage(koophone: Invoke, line: tuple[str, ...]) -> None:
    after = ("--", "id") if line == ("exec",) else ()

    result = koophone((*line, "--name", 'no "such" phone', *JSONL, *after))

    assert (result.code, result.out) == (2, "")
    assert """--name: is 'no "such" phone', which is the name of no phone""" in result.err


def test_a_name_is_one_way_of_selection(koophone: Invoke) -> None:
    result = koophone(("exec", "phone0001", "--name", "x", "--", "id"))

    assert "phones were selected in more than one way" in result.err


@pytest.mark.parametrize("line", [("exec", *FIRST), ("exec", "--all")])
def test_phones_are_selected_by_the_output_of_a_command(koophone: Invoke, line: tuple[str, ...]) -> None:
    result = koophone(OTHER, (*line, "--where-output", SHOP, *JSONL, "--", "id"))

    total, calls = (3, "1 call") if "phone0001" in line else (250, "3 calls")
    assert [row["id"] for row in result.rows[1:]] == ["phone0002"]
    assert re.search(rf"--where-output: {calls} and about \d+ polls ask {total} phones\n", result.err)
    assert f"koophone: --where-output: 1 of {total} phones match\n" in result.err


def test_a_dry_run_asks_no_phone_for_its_output(koophone: Invoke) -> None:
    line = ("exec", "--all", "--where-output", "setprop persist.shop 7 == ''", "--dry-run", "--", "id")

    result = koophone(line, ("exec", "phone0001", "--", "getprop persist.shop"))

    assert "would ask 250 phones; all of them are counted" in result.err
    assert "phones:      250" in result.out
    assert "7" not in result.out.splitlines()[-1].split()


@pytest.mark.parametrize(
    "line, problem",
    [
        (("cph", "phones", "show"), "PHONE: is missing; --name NAME can replace it"),
        (("cph", "phones", "show", "x", "--name", "y"), "--name: cannot be combined with PHONE"),
        (
            ("cph", "phones", "show", "--name", "phone-0000*"),
            "--name phone-0000*: is the name of 9 phones; the call takes one",
        ),
        (("cph", "servers", "show", "--name", "x*"), "--name x*: is the name of no server"),
        (("cph", "servers", "show", "--name", "x"), "--name: is 'x', which is the name of no server"),
    ],
)
def test_a_single_call_takes_one_id_or_name(koophone: Invoke, line: tuple[str, ...], problem: str) -> None:
    result = koophone(line)

    assert (result.code, result.out) == (2, "")
    assert result.err == f"koophone: {problem}. Nothing was sent.\n"


@pytest.mark.parametrize(
    "line, name",
    [
        (("cph", "phones", "show"), "phone-00007"),
        (("cph", "servers", "show"), "server-0002"),
        (("cph", "tags", "show"), "server-0001"),
        (("cph", "shared-apps", "list"), "server-0001"),
        (("cph", "gaming", "deployments", "on-phone"), "phone-00001"),
        (("cph", "gaming", "deployments", "on-server"), "server-0001"),
    ],
)
def test_a_single_call_takes_a_name(koophone: Invoke, line: tuple[str, ...], name: str) -> None:
    assert koophone((*line, "--name", name)).code == 0


def test_every_single_call_about_a_phone_or_server_takes_a_name() -> None:
    for entry in entries("koophone", "cph", "gaming"):
        if entry.verb is None:
            command = CallCommand(entry)
            required = {each.name for each in command.options.parameters if each.default is each.empty}
            names = {each.name for each in command.parameters} & {"name", "names"}
            assert names or not required & {"phone", "server", "servers", "instance"}, entry.operation.name


@pytest.mark.parametrize(
    "line, advice",
    [
        (("apps", "list"), "unknown: Nothing was changed: it only reads. Run it again."),
        (("instances", "status"), "unknown: Nothing was changed: it only reads. Run it again."),
        (("instances", "reset"), "unknown: It may have been executed. Check before you run it again."),
    ],
)
def test_a_lost_answer_of_a_read_has_changed_nothing(
    koophone: Invoke, line: tuple[str, ...], advice: str
) -> None:
    lost = Fault(Reset(executed=True), operation=f"koophone.{'.'.join(line)}")

    result = koophone((*line, "phone0001", *JSONL), faults=[lost])

    assert result.code == 1
    assert advice in result.err


@pytest.mark.parametrize(
    "condition, count",
    [
        ("getprop ro.build.version.release ~ [1-9]*", 250),
        ("getprop ro.build.version.release == 2.4", 0),
        ("dumpsys package com.android.phone | grep versionName ~ *versionName=[1-9]*", 250),
        ("dumpsys package com.android.phone | grep versionName ~ *versionName=2.4*", 0),
        ("pm path com.android.phone != ''", 250),
        ("pm path com.example.app != ''", 0),
    ],
)
def test_phones_are_selected_by_properties_and_apps(koophone: Invoke, condition: str, count: int) -> None:
    result = koophone(("instances", "status", "--all", "--where-output", condition, *JSONL))

    assert len(result.rows) == count


NONE: Final = ("--where", "name == none")


@pytest.mark.parametrize(
    "how", [("--journal", "JOURNAL"), ("--no-journal",), ("--no-journal", "--no-wait")], ids=" ".join
)
@pytest.mark.parametrize(
    "line, selection",
    [
        (("exec",), NONE),
        (("instances", "reset"), NONE),
        (("instances", "reset"), ("--name", "none*")),
        (("orders", "unsubscribe"), NONE),
        (("cph", "servers", "restart"), NONE),
        (("cph", "phones", "stop"), NONE),
        (("exec",), ("--all", "--where-output", "getprop ro.none == x")),
        (("instances", "reboot"), ("--all", "--where-output", "getprop ro.none == x")),
    ],
)
def test_a_selection_without_a_match_does_nothing(
    koophone: Invoke, tmp_path: Path, line: tuple[str, ...], selection: tuple[str, ...], how: tuple[str, ...]
) -> None:
    how = tuple(str(tmp_path / "journal.db") if word == "JOURNAL" else word for word in how)
    after = ("--", "id") if line == ("exec",) else ()
    if line == ("orders", "unsubscribe") and "--no-wait" in how:
        how = ("--no-journal",)  # an order has no jobs to wait for

    results = [koophone((*line, *selection, *how, *empty, *after)) for empty in ((), ("--allow-empty",))]

    assert [result.code for result in results] == [3, 0]
    for result in results:
        assert "matched; nothing was done" in result.err


def test_what_does_not_answer_is_left_out(koophone: Invoke) -> None:
    line = ("instances", "reboot", *FIRST, "nope", "--where-output", "getprop persist.shop != 7")

    result = koophone(OTHER, (*line, *JSONL))

    assert sorted(row["id"] for row in result.rows[1:]) == ["phone0001", "phone0003"]
    assert "2 of 4 phones match; 1 did not answer, and are left out" in result.err


def test_phones_of_cph_are_selected_by_output_too(koophone: Invoke) -> None:
    line = ("cph", "phones", "restart", "--name", "phone-0000*", "--where-output", "getprop ro.none == ''")

    result = koophone((*line, *JSONL))

    assert [row["state"] for row in result.rows] == ["succeeded"] * 9


@pytest.mark.parametrize(
    "text, output, is_match",
    [
        ("getprop x == 10", "10\n", True),
        ("getprop x == 10", "11\n", False),
        ("getprop x != 10", "11\n", True),
        ("cat a ~ *b*", "abc", True),
        ("cat a !~ *b*", "abc", False),
        ("cat a == 'b c'", " b c ", True),
        ("test a == b == c", "b == c", True),
    ],
)
def test_an_output_is_compared_without_space_at_its_ends(text: str, output: str, *, is_match: bool) -> None:
    assert OutputCondition.parse(text).matches(output) == is_match


def test_a_condition_on_an_output_needs_an_operator() -> None:
    with pytest.raises(InvalidRequest, match="expected COMMAND, one of ==, !=, ~, !~"):
        OutputCondition.parse("getprop x")
