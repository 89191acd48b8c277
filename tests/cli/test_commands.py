"""Every command against an emulator, in virtual time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from inspect import isfunction
from itertools import product
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

from koophone_async import ResumeToken
from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.app import app
from koophone_async.cli.commands.services import entries, service
from koophone_async.cph import EncodingFleet, PhoneFleet, ServerFleet
from koophone_async.services.gaming import fleet as gaming_fleet
from koophone_async.services.koophone import fleet as koophone_fleet
from tests.cli.conftest import Result

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke

JSONL = ("--output", "jsonl")
PHONES = ("phone0001", "phone0002")
NONE = ("--where", "name == nobody")
OUTCOME = ["id", "state", "job_id", "error_code", "error_message", "output", "seconds"]
PACKAGE = (
    *("--name", "com.example.app", "--file", "app.apk", "--version", "1.0", "--size", "12.5"),
    *("--url", "https://example.com/app.apk?signature=x", "--fast"),
)
ORDER = (
    *("--os", "AOSP9", "--sku", "kp.professional.xlarge.32g.2", "--band-sku", "kp.bandwidth"),
    *("--region", "cn-north-4", "--prefix", "new", "--bandwidth", "2", "--count", "2"),
    *("--charge-period", "2", "--charge-count", "1", "--charge-pay", "1"),
)
RATES = {"code_rate": 2000, "fps": 30}
VIDEO = [
    {
        "network_type": network,
        "encoding_type": encoding,
        "video_spec_groups": [
            dict.fromkeys(("definition_540P", "definition_720P", "definition_1080P"), RATES)
        ],
    }
    for network, encoding in product(("MOBILE_NETWORK", "WIFI", "WIRED"), ("H264", "H265"))
]


def test_every_operation_of_the_catalogue_has_a_command() -> None:
    def commands(group: object, *path: str) -> set[tuple[str, ...]]:
        children = getattr(group, "commands", None)
        if children is None:
            return {path}
        return {command for name, child in children.items() for command in commands(child, *path, name)}

    built = commands(get_command(app))

    with_command = {
        entry.operation.name for entry in entries("cph", "gaming", "iam", "koophone") if entry.words in built
    }
    assert sorted(OPERATIONS.keys() - with_command) == []


def test_every_fleet_verb_has_a_command() -> None:
    fleets = (koophone_fleet.Fleet, PhoneFleet, ServerFleet, EncodingFleet, gaming_fleet.Fleet)
    verbs = {
        verb for fleet in fleets for name, verb in vars(fleet).items() if isfunction(verb) and name[0] != "_"
    }

    commands = [verb.run for name in ("koophone", "cph", "gaming") for verb in service(name).verbs.values()]
    assert {*commands} == verbs


def test_every_cph_resource_has_a_group_beside_gaming() -> None:
    cph = getattr(get_command(app), "commands", {})["cph"]
    resources = {entry.words[1] for entry in entries("cph")}

    assert {*cph.commands} == {*resources, "gaming"}
    assert len(cph.commands) == len(resources) + 1


@pytest.mark.parametrize(
    "line, states",
    [
        (("commands", "run", *PHONES, "--command", "echo hi"), ["succeeded"] * 2),
        (("commands", "run-sync", *PHONES, "--command", "echo hi"), ["succeeded"] * 2),
        (("commands", "run_sync", *PHONES, "--command", "echo hi"), ["succeeded"] * 2),
        (("apps", "install", *PHONES, *PACKAGE), ["succeeded"] * 2),
        (("instances", "reboot", *PHONES), ["succeeded"] * 2),
        (("instances", "reset", *PHONES), ["succeeded"] * 2),
        (("instances", "backup", *PHONES), ["succeeded"] * 2),
        (("orders", "unsubscribe", *PHONES), ["accepted"] * 2),
        (("users", "assign", "--user", "u1", *PHONES), ["accepted"] * 2),
        (("video", "set", *PHONES, "--body", json.dumps(VIDEO)), ["accepted"] * 2),
        (("exec", *PHONES, "--", "echo", "hi"), ["succeeded"] * 2),
        (("exec", *PHONES, "--sync", "--", "echo", "hi"), ["succeeded"] * 2),
    ],
)
def test_a_write_prints_an_outcome_for_each_instance(
    koophone: Invoke, line: tuple[str, ...], states: list[str]
) -> None:
    at = line.index("--") if "--" in line else len(line)

    result = koophone((*line[:at], *JSONL, *line[at:]))

    assert [row["state"] for row in result.rows] == states
    assert {tuple(row) for row in result.rows} == {tuple(OUTCOME)}
    assert (result.code, result.err) == (0, "")


def test_the_life_cycle_of_a_stream(koophone: Invoke) -> None:
    result = koophone(
        ("users", "assign", "--user", "u1", *PHONES, *JSONL),
        ("streaming", "prepare", "--user", "u1", *PHONES, *JSONL),
        ("streaming", "progress", "--user", "u1", PHONES[0], *JSONL),
        ("streaming", "authorize", *PHONES, *JSONL),
        ("streaming", "stop", PHONES[0], *JSONL),
        ("streaming", "release", PHONES[0], *JSONL),
        ("users", "unassign", "--user", "u1", *PHONES, *JSONL),
        edition="international",
    )

    states = [row.get("state", "token" in row) for row in result.rows]
    writes, streams = ["accepted"] * 2, ["accepted"] * 2
    assert states == [
        *writes,
        "succeeded",
        "succeeded",
        "READY",
        True,
        True,
        *streams,
        "succeeded",
        "succeeded",
    ]
    assert result.code == 0


@pytest.mark.parametrize(
    "line, columns",
    [
        (("instances", "status", *PHONES), ["id", "state"]),
        (("apps", "list", *PHONES, "--type", "system"), ["id", "package", "name", "version", "icon"]),
        (("orders", "skus"), ["band", "region", "id", "type"]),
        (("orders", "buy", *ORDER), ["orderId", "id", "name"]),
        (("iam", "projects", "list", "--name", "cn-north-4"), ["id", "name"]),
        (("iam", "projects", "list"), ["id", "name"]),
        (("iam", "projects", "accessible"), ["id", "name"]),
        (
            ("instances", "list", "--id", "phone0007", "--since", "2020-01-01T00:00:00Z"),
            ["id", "name", "region"],
        ),
        (("api", "--list"), ["operation", "method", "path", "document", "section", "batch_maximum", "quota"]),
        (("config",), ["setting", "value", "source"]),
    ],
)
def test_a_read_prints_values(koophone: Invoke, line: tuple[str, ...], columns: list[str]) -> None:
    result = koophone((*line, *JSONL))

    assert result.rows
    assert [list(row)[: len(columns)] for row in result.rows] == [columns] * len(result.rows)
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize("pay", ["0", "1"])
def test_an_unpaid_order_is_reported(koophone: Invoke, pay: str) -> None:
    result = koophone(("orders", "buy", *ORDER, "--charge-pay", pay, *JSONL))

    note = "koophone: the order is unpaid (--charge-pay 0): it takes effect, and its ids are accepted, once"
    assert result.err.startswith(note) == (pay == "0")
    assert result.code == 0


def test_ids_beyond_the_maximum_of_a_call_are_chunked(koophone: Invoke) -> None:
    result = koophone(("instances", "status", "--all", *JSONL))

    assert len(result.rows) == 250


def test_no_wait_prints_the_command_that_waits(koophone: Invoke) -> None:
    started = koophone(("commands", "run", *PHONES, "--command", "id -u", "--no-wait", *JSONL))

    assert [list(row) for row in started.rows] == [["task_id", "instance", "id"]] * 2
    assert "koophone jobs wait kp1." in started.err
    resume_token = ResumeToken.parse(started.err.split()[-1])
    assert (resume_token.operation, resume_token.age(datetime.now(UTC)) < 60) == (
        "koophone.commands.run",
        True,
    )
    assert resume_token.started_at is not None


def wait(previous: Result) -> list[str]:
    resume_token = previous.err.split()[-1]
    return ["jobs", "wait", resume_token, *JSONL]


def wait_grouped(previous: Result) -> list[str]:
    return [*wait(previous), "--group", "--timeout", "0"]


def test_wait_continues_from_a_resume_token(koophone: Invoke) -> None:
    result = koophone(
        ("commands", "run", *PHONES, "--command", "id -u", "--no-wait", *JSONL),
        wait,
    )

    assert [(row["id"], row["state"], row["output"]) for row in result.rows[2:]] == [
        (phone, "succeeded", "2000\n") for phone in PHONES
    ]


def test_wait_takes_the_bare_id_of_a_task(koophone: Invoke, tmp_path: Path) -> None:
    phones = tmp_path / "phones.txt"
    phones.write_text("\n".join(PHONES))

    def wait_bare(previous: Result) -> list[str]:
        return ["jobs", "wait", previous.rows[0]["task_id"], *JSONL]

    def wait_named(previous: Result) -> list[str]:
        return [*wait_bare(previous), "--ids-file", str(phones)]

    result = koophone(
        ("commands", "run", *PHONES, "--command", "id -u", "--no-wait", *JSONL), wait_bare, wait_named
    )

    bare, named = result.rows[2:4], result.rows[4:]
    assert all(row["id"] == row["job_id"] for row in bare)
    assert [row["id"] for row in named] == list(PHONES)
    assert {row["state"] for row in bare + named} == {"succeeded"}


def test_only_a_bare_task_takes_ids(koophone: Invoke, tmp_path: Path) -> None:
    phones = tmp_path / "phones.txt"
    phones.write_text("\n".join(PHONES))

    result = koophone(("jobs", "wait", "t1", "t2", "--ids-file", str(phones)))

    assert result.code == 2
    assert "--ids-file: names the phones of one bare KooPhone task" in result.err


def test_awaited_jobs_can_be_grouped(koophone: Invoke) -> None:
    result = koophone(
        ("commands", "run", *PHONES, "--command", "id -u", "--no-wait", *JSONL),
        wait_grouped,
    )

    assert [(row["ids"], row["state"]) for row in result.rows[2:]] == [("phone[0001-0002]", "unfinished")]
    assert result.code == 1


@pytest.mark.parametrize(
    "line, code, message",
    [
        (("exec", *NONE, "--", "id"), 3, "no phones matched; nothing was done"),
        (("exec", *NONE, "--allow-empty", "--", "id"), 0, "no phones matched; nothing was done"),
        (("instances", "status", *NONE), 0, "no phones matched; nothing was done"),
        (("instances", "list", *NONE), 0, "no results"),
        (("instances", "list", "--id", "nope"), 0, "no results"),
    ],
)
def test_an_empty_selection_or_list_is_reported(
    koophone: Invoke, line: tuple[str, ...], code: int, message: str
) -> None:
    assert koophone(line) == Result(code, "", f"koophone: {message}\n")


def test_a_file_without_ids_is_wrong_usage(koophone: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n# none\n")
    (tmp_path / "binary").write_bytes(b"\xff\x00")

    result = koophone(
        ("exec", "--ids-file", str(tmp_path / "empty"), "--", "id"),
        ("exec", "--ids-file", str(tmp_path / "binary"), "--", "id"),
    )

    assert result.code == 2
    assert "contains no ids" in result.err
    assert "binary: is not UTF-8: byte 0xff in line 1" in result.err


def test_a_single_call_refuses_more_ids_than_documented(koophone: Invoke) -> None:
    result = koophone(("instances", "reboot", "--all", "--no-wait"))

    assert result.code == 2
    assert "ID: has 250 items; a call may have at most 100" in result.err


def test_a_single_call_without_a_task_points_to_the_status(koophone: Invoke) -> None:
    result = koophone(("instances", "reset", *PHONES, "--no-wait"))

    assert (result.code, result.out) == (0, "")
    assert result.err == "koophone: to wait for the end: koophone instances status ID...\n"


def test_a_single_call_with_an_empty_answer_prints_accepted(koophone: Invoke) -> None:
    result = koophone(("instances", "reboot", *PHONES, "--no-wait", *JSONL))

    assert result.rows == [{"state": "accepted"}]


def test_unassign_can_be_a_single_call(koophone: Invoke) -> None:
    result = koophone(
        ("users", "assign", "--user", "u1", *PHONES, *JSONL),
        ("users", "unassign", "--user", "u1", *PHONES, "--no-wait", *JSONL),
        edition="international",
    )

    assert [row["instance"] for row in result.rows[2:]] == [*PHONES]


def test_a_read_prints_refused_ids_to_stderr(koophone: Invoke) -> None:
    result = koophone(("instances", "status", *PHONES, "nope1", "nope2", *JSONL))

    assert [row["id"] for row in result.rows] == [*PHONES]
    assert "KOOPHONE.API.1001" in result.err
    assert "nope[1-2]" in result.err
    assert result.code == 1


def test_ids_with_the_same_result_can_be_grouped(koophone: Invoke) -> None:
    result = koophone(("exec", "phone0001", "phone0002", "phone0003", "x", "--group", *JSONL, "--", "id -u"))

    assert [(row["ids"], row["count"], row["state"]) for row in result.rows] == [
        ("phone[0001-0003]", 3, "succeeded"),
        ("x", 1, "refused"),
    ]


def test_a_table_is_ordered_by_id(koophone: Invoke) -> None:
    result = koophone(("exec", "phone0010", "phone0009", "phone0011", "--sync", "--", "id -u"))

    assert [line.split()[:2] for line in result.out.splitlines()] == [
        ["ID", "STATE"],
        *([phone, "succeeded"] for phone in ("phone0009", "phone0010", "phone0011")),
    ]


def test_jobs_running_at_the_timeout_are_unfinished(koophone: Invoke) -> None:
    result = koophone(("exec", *PHONES, "--timeout", "0.01", *JSONL, "--", "id -u"))

    assert [row["state"] for row in result.rows] == ["unfinished"] * 2
    assert all(row["resume_token"].startswith("kp1.") for row in result.rows)
    assert result.code == 1
    assert result.err.startswith("koophone: 2 unfinished\n  2 unfinished: still running\n")


def test_a_raw_call_uses_the_field_names_of_the_api(koophone: Invoke) -> None:
    result = koophone(("api", "koophone.instances.status", "--body", '{"instance_ids": ["phone0001"]}'))

    assert json.loads(result.out) == {"status_results": [{"instance_id": "phone0001", "status": 2}]}


def test_ids_and_bodies_can_be_read_from_files(koophone: Invoke, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("# two\nphone0001\n\n  phone0002  # the second\n")
    (tmp_path / "video").write_text(json.dumps(VIDEO))

    result = koophone(
        ("video", "set", "--ids-file", str(tmp_path / "ids"), "--body", f"@{tmp_path / 'video'}", *JSONL)
    )

    assert [row["id"] for row in result.rows] == [*PHONES]


def test_a_token_needs_no_credentials(koophone: Invoke) -> None:
    who = ("--user", "emulator", "--password", "hunter2", "--domain", "emulated", "--project", "cn-north-4")

    result = koophone(("iam", "tokens", "create", *who))

    assert result.code == 3
    assert "iam.tokens.create" in result.err
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    "line, problem",
    [
        (
            ("instances", "status"),
            "no phones were selected; use one of ID..., --ids-file, --where, --name, --failed-from or --all",
        ),
        (("instances", "status", "a", "--all"), "phones were selected in more than one way"),
        (("exec", "a"), "COMMAND: is missing"),
        (("exec", "a", "--ids-file", "/none", "--", "id"), "phones were selected in more than one way"),
        (("exec", "--ids-file", "/none", "--", "id"), "--ids-file /none: cannot be read: No such file"),
        (("exec", "a", "--", "x" * 1025), "COMMAND: is 1,025 bytes of UTF-8 long"),
        (
            ("orders", "buy"),
            "options: --os, --sku, --band-sku, --region, --prefix, --bandwidth, --count, --charge-period, ",
        ),
        (
            ("orders", "buy", "--body", '{"chargeParam": {"perod": 2}}'),
            "chargeParam.perod is unknown (the fields are chargingMode, ",
        ),
        (("orders", "buy", *ORDER, "--count", "1501"), "1 to 1,500"),
        (("orders", "buy", "--body", "[]"), "--body: is not a JSON object"),
        (("orders", "buy", "--body", "{"), "--body: is not JSON"),
        (("orders", "buy", "--body", "@/none"), "--body @/none: cannot be read"),
        (("video", "set", "a", "--body", "{}"), "--body: is not a JSON list"),
        (("video", "set", "a", "--body", "[1]"), "is not a JSON object"),
        (("video", "set", "a", "--body", json.dumps(VIDEO[:5])), "lacks WIRED with H265"),
        (
            ("video", "set", "a", "--body", '[{"video_spec_groups": {}}]'),
            "video_spec_groups is not a JSON list",
        ),
        (
            ("instances", "list", "--since", "yesterday"),
            '--since is "yesterday", not a time such as 2026-01-31T12:00:00Z',
        ),
        (("instances", "list", "--body", '{"page_size": "x"}'), '--size is "x", not an integer'),
        (
            ("instances", "list", "--body", '{"pool_scene_tag": "x"}'),
            '--scene is "x", not one of CLOUD_APP, CLOUD_PHONE',
        ),
        (("instances", "list", "--size", "0"), "--size: is 0"),
        (
            ("apps", "install", "a", *PACKAGE, "--url", "ftp://x"),
            "must be a signed download link",
        ),
        (("jobs", "wait", "kp1.nonsense"), "TOKEN: "),
        (("api",), "OPERATION: is missing; `koophone api --list` lists all"),
        (("api", "koophone.orders.skus", "--list"), "--list: lists all operations"),
        (("api", "koophone.command.run"), "did you mean koophone.commands.run?"),
        (("api", "zzz"), "`koophone api --list` lists all"),
        (("api", "koophone.orders.skus", "-o", "csv"), "--output: is csv; the answer of a call"),
        (
            ("api", "koophone.users.assign", "--body", '{"user_instances": [{}]}'),
            "user_instances.user_id, user_instances.instance_id are missing",
        ),
        (("api", "koophone.instances.status"), "instance_ids is missing"),
        (("cph", "servers", "buy", "--name", "shop"), "--vpc, public_ip, --bandwidth-sharing"),
        (("api", "koophone.instances.status", "--body", '{"instance_ids": null}'), "instance_ids is missing"),
        (
            ("api", "cph.phones.restart", "--body", '{"phones": [{"phone_id": "a", "property": 5}]}'),
            "--body: does not fit RestartPhones",
        ),
        (("api", "cph.servers.show", "--body", '{"server_id": ""}'), "server_id is missing"),
        (
            ("api", "koophone.instances.status", "--body", '{"instance_ids": "a"}'),
            "instance_ids is not a JSON list",
        ),
        (
            ("api", "koophone.instances.status", "--body", '{"instance_ids": [{}]}'),
            "instance_ids is not text",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_sends_nothing(
    koophone: Invoke, line: tuple[str, ...], problem: str
) -> None:
    result = koophone(line)

    assert result.code == 2
    assert problem in result.err
    assert result.err.count("\n") == 1
    assert result.err.endswith((". Nothing was sent.\n", "? Nothing was sent.\n"))
    assert result.out == ""
