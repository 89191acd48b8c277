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
from koophone_async.cli.services import entries, service
from koophone_async.cph import EncodingFleet, PhoneFleet, ServerFleet
from koophone_async.services.gaming import fleet as gaming_fleet
from koophone_async.services.koophone import fleet as koophone_fleet
from tests.cli.conftest import Ended

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke

JSONL = ("--output", "jsonl")
TWO = ("phone0001", "phone0002")
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
        return {found for name, child in children.items() for found in commands(child, *path, name)}

    there = commands(get_command(app))

    having = {
        entry.operation.name for entry in entries("cph", "gaming", "iam", "koophone") if entry.words in there
    }
    assert sorted(OPERATIONS.keys() - having) == []


def test_every_verb_of_a_fleet_has_its_command() -> None:
    fleets = (koophone_fleet.Fleet, PhoneFleet, ServerFleet, EncodingFleet, gaming_fleet.Fleet)
    verbs = {
        verb for fleet in fleets for name, verb in vars(fleet).items() if isfunction(verb) and name[0] != "_"
    }

    commands = [verb.run for name in ("koophone", "cph", "gaming") for verb in service(name).verbs.values()]
    assert {*commands} == verbs


def test_every_resource_of_cph_has_its_group_beside_gaming() -> None:
    cph = getattr(get_command(app), "commands", {})["cph"]
    resources = {entry.words[1] for entry in entries("cph")}

    assert {*cph.commands} == {*resources, "gaming"}
    assert len(cph.commands) == len(resources) + 1


@pytest.mark.parametrize(
    "line, states",
    [
        (("commands", "run", *TWO, "--command", "echo hi"), ["succeeded"] * 2),
        (("commands", "run-sync", *TWO, "--command", "echo hi"), ["succeeded"] * 2),
        (("commands", "run_sync", *TWO, "--command", "echo hi"), ["succeeded"] * 2),
        (("apps", "install", *TWO, *PACKAGE), ["succeeded"] * 2),
        (("instances", "reboot", *TWO), ["succeeded"] * 2),
        (("instances", "reset", *TWO), ["succeeded"] * 2),
        (("instances", "backup", *TWO), ["succeeded"] * 2),
        (("orders", "unsubscribe", *TWO), ["accepted"] * 2),
        (("users", "assign", "--user", "u1", *TWO), ["accepted"] * 2),
        (("video", "set", *TWO, "--body", json.dumps(VIDEO)), ["accepted"] * 2),
        (("exec", *TWO, "--", "echo", "hi"), ["succeeded"] * 2),
        (("exec", *TWO, "--sync", "--", "echo", "hi"), ["succeeded"] * 2),
    ],
)
def test_a_write_prints_an_outcome_for_each_instance(
    koophone: Invoke, line: tuple[str, ...], states: list[str]
) -> None:
    at = line.index("--") if "--" in line else len(line)

    ended = koophone((*line[:at], *JSONL, *line[at:]))

    assert [row["state"] for row in ended.rows] == states
    assert {tuple(row) for row in ended.rows} == {tuple(OUTCOME)}
    assert (ended.code, ended.err) == (0, "")


def test_instances_are_prepared_streamed_and_taken_back(koophone: Invoke) -> None:
    ended = koophone(
        ("users", "assign", "--user", "u1", *TWO, *JSONL),
        ("streaming", "prepare", "--user", "u1", *TWO, *JSONL),
        ("streaming", "progress", "--user", "u1", TWO[0], *JSONL),
        ("streaming", "authorize", *TWO, *JSONL),
        ("streaming", "stop", TWO[0], *JSONL),
        ("streaming", "release", TWO[0], *JSONL),
        ("users", "unassign", "--user", "u1", *TWO, *JSONL),
        edition="international",
    )

    states = [row.get("state", "token" in row) for row in ended.rows]
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
    assert ended.code == 0


@pytest.mark.parametrize(
    "line, columns",
    [
        (("instances", "status", *TWO), ["id", "state"]),
        (("apps", "list", *TWO, "--type", "system"), ["id", "package", "name", "version", "icon"]),
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
def test_a_read_prints_what_it_reads(koophone: Invoke, line: tuple[str, ...], columns: list[str]) -> None:
    ended = koophone((*line, *JSONL))

    assert ended.rows
    assert [list(row)[: len(columns)] for row in ended.rows] == [columns] * len(ended.rows)
    assert (ended.code, ended.err) == (0, "")


def test_more_ids_than_a_call_takes_are_sent_in_chunks(koophone: Invoke) -> None:
    ended = koophone(("instances", "status", "--all", *JSONL))

    assert len(ended.rows) == 250


def test_the_plain_call_answers_a_task_that_can_be_awaited_later(koophone: Invoke) -> None:
    started = koophone(("commands", "run", *TWO, "--command", "id -u", "--no-wait", *JSONL))

    assert [list(row) for row in started.rows] == [["task_id", "instance", "id"]] * 2
    assert "koophone jobs wait kp1." in started.err
    resume_token = ResumeToken.parse(started.err.split()[-1])
    assert (resume_token.operation, resume_token.age(datetime.now(UTC)) < 60) == (
        "koophone.commands.run",
        True,
    )
    assert resume_token.started_at is not None


def awaiting(so_far: Ended) -> list[str]:
    resume_token = so_far.err.split()[-1]
    return ["jobs", "wait", resume_token, *JSONL]


def awaiting_together(so_far: Ended) -> list[str]:
    return [*awaiting(so_far), "--group", "--timeout", "0"]


def test_jobs_that_were_started_elsewhere_are_awaited_by_their_ticket(koophone: Invoke) -> None:
    ended = koophone(
        ("commands", "run", *TWO, "--command", "id -u", "--no-wait", *JSONL),
        awaiting,
    )

    assert [(row["id"], row["state"], row["output"]) for row in ended.rows[2:]] == [
        (phone, "succeeded", "2000\n") for phone in TWO
    ]


def test_awaited_jobs_can_be_put_together_too(koophone: Invoke) -> None:
    ended = koophone(
        ("commands", "run", *TWO, "--command", "id -u", "--no-wait", *JSONL),
        awaiting_together,
    )

    assert [(row["ids"], row["state"]) for row in ended.rows[2:]] == [("phone[0001-0002]", "unfinished")]
    assert ended.code == 1


@pytest.mark.parametrize(
    "line, said",
    [
        (("exec", *NONE, "--", "id"), "nothing was chosen, and nothing done"),
        (("instances", "status", *NONE), "nothing was chosen, and nothing done"),
        (("instances", "list", *NONE), "there is none"),
        (("instances", "list", "--id", "nope"), "there is none"),
    ],
)
def test_where_nothing_fits_it_is_said_so(koophone: Invoke, line: tuple[str, ...], said: str) -> None:
    assert koophone(line) == Ended(0, "", f"koophone: {said}\n")


def test_no_ids_in_a_file_is_wrong_usage(koophone: Invoke, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n# none\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")

    ended = koophone(
        ("exec", "--ids-file", str(tmp_path / "empty"), "--", "id"),
        ("exec", "--ids-file", str(tmp_path / "binary"), "--", "id"),
    )

    assert ended.code == 2
    assert "holds no ids" in ended.err
    assert "cannot be read: it is not UTF-8" in ended.err


def test_a_plain_call_refuses_more_ids_than_the_document_allows(koophone: Invoke) -> None:
    ended = koophone(("instances", "reboot", "--all", "--no-wait"))

    assert ended.code == 2
    assert "has 250 items; a call may have at most 100" in ended.err


def test_a_plain_call_without_a_task_says_how_to_see_its_end(koophone: Invoke) -> None:
    ended = koophone(("instances", "reset", *TWO, "--no-wait"))

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "koophone: to await the end: koophone instances status ID...\n"


def test_a_plain_call_that_answers_nothing_prints_that_it_was_accepted(koophone: Invoke) -> None:
    ended = koophone(("instances", "reboot", *TWO, "--no-wait", *JSONL))

    assert ended.rows == [{"state": "accepted"}]


def test_instances_are_taken_back_by_a_plain_call_too(koophone: Invoke) -> None:
    ended = koophone(
        ("users", "assign", "--user", "u1", *TWO, *JSONL),
        ("users", "unassign", "--user", "u1", *TWO, "--no-wait", *JSONL),
        edition="international",
    )

    assert [row["instance"] for row in ended.rows[2:]] == [*TWO]


def test_a_read_tells_on_stderr_which_ids_it_could_not_read(koophone: Invoke) -> None:
    ended = koophone(("instances", "status", *TWO, "nope1", "nope2", *JSONL))

    assert [row["id"] for row in ended.rows] == [*TWO]
    assert "KOOPHONE.API.1001" in ended.err
    assert "nope[1-2]" in ended.err
    assert ended.code == 1


def test_ids_that_ended_alike_can_be_put_together(koophone: Invoke) -> None:
    ended = koophone(("exec", "phone0001", "phone0002", "phone0003", "x", "--group", *JSONL, "--", "id -u"))

    assert [(row["ids"], row["count"], row["state"]) for row in ended.rows] == [
        ("phone[0001-0003]", 3, "succeeded"),
        ("x", 1, "refused"),
    ]


def test_a_table_is_in_the_order_of_the_ids(koophone: Invoke) -> None:
    ended = koophone(("exec", "phone0010", "phone0009", "phone0011", "--sync", "--", "id -u"))

    assert [line.split()[:2] for line in ended.out.splitlines()] == [
        ["ID", "STATE"],
        *([phone, "succeeded"] for phone in ("phone0009", "phone0010", "phone0011")),
    ]


def test_what_still_runs_at_the_deadline_is_unfinished(koophone: Invoke) -> None:
    ended = koophone(("exec", *TWO, "--timeout", "0.01", *JSONL, "--", "id -u"))

    assert [row["state"] for row in ended.rows] == ["unfinished"] * 2
    assert (ended.code, ended.err) == (1, "koophone: 2 unfinished\n")


def test_a_raw_call_takes_and_gives_the_spelling_of_the_api(koophone: Invoke) -> None:
    ended = koophone(("api", "koophone.instances.status", "--body", '{"instance_ids": ["phone0001"]}'))

    assert json.loads(ended.out) == {"status_results": [{"instance_id": "phone0001", "status": 2}]}


def test_ids_and_bodies_come_from_files(koophone: Invoke, tmp_path: Path) -> None:
    (tmp_path / "ids").write_text("# two\nphone0001\n\n  phone0002  # the second\n")
    (tmp_path / "video").write_text(json.dumps(VIDEO))

    ended = koophone(
        ("video", "set", "--ids-file", str(tmp_path / "ids"), "--body", f"@{tmp_path / 'video'}", *JSONL)
    )

    assert [row["id"] for row in ended.rows] == [*TWO]


def test_a_token_needs_no_credentials(koophone: Invoke) -> None:
    who = ("--user", "emulator", "--password", "hunter2", "--domain", "emulated", "--project", "cn-north-4")

    ended = koophone(("iam", "tokens", "create", *who))

    assert ended.code == 3
    assert "iam.tokens.create" in ended.err
    assert "hunter2" not in ended.err


@pytest.mark.parametrize(
    "line, problem",
    [
        (
            ("instances", "status"),
            "instances: say which, by ID..., --ids-file, --where or --all: none was given",
        ),
        (("instances", "status", "a", "--all"), "more than one way was used"),
        (("exec", "a"), "command: is missing"),
        (("exec", "a", "--ids-file", "/none", "--", "id"), "more than one way was used"),
        (("exec", "--ids-file", "/none", "--", "id"), "--ids-file /none: cannot be read: No such file"),
        (("exec", "a", "--", "x" * 1025), "1,025 bytes of UTF-8 long"),
        (("orders", "buy"), "--os is missing; --sku is missing"),
        (("orders", "buy", "--body", '{"chargeParam": {"perod": 2}}'), "chargeParam.perod: unknown"),
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
        (("instances", "list", "--since", "yesterday"), "--since is not a time such as 2026-01-31T12:00:00Z"),
        (("instances", "list", "--body", '{"page_size": "x"}'), "--size is not a whole number"),
        (
            ("instances", "list", "--body", '{"pool_scene_tag": "x"}'),
            "--scene is none of CLOUD_APP, CLOUD_PHONE",
        ),
        (("instances", "list", "--size", "0"), "size: is 0"),
        (("apps", "install", "a", *PACKAGE, "--url", "ftp://x"), "must be a signed download link"),
        (("jobs", "wait", "nonsense"), "resume_token"),
        (("api",), "operation: is missing; `koophone api --list` shows all"),
        (("api", "koophone.orders.skus", "--list"), "--list: is for all operations, and one was given"),
        (("api", "koophone.command.run"), "did you mean koophone.commands.run?"),
        (("api", "zzz"), "`koophone api --list` shows all"),
        (("api", "koophone.orders.skus", "-o", "csv"), "--output: is csv; an answer is json or jsonl"),
        (
            ("api", "koophone.users.assign", "--body", '{"user_instances": [{}]}'),
            "user_instances.user_id is missing",
        ),
        (("api", "koophone.instances.status"), "instance_ids is missing"),
        (("api", "koophone.instances.status", "--body", '{"instance_ids": null}'), "instance_ids is missing"),
        (
            ("api", "cph.phones.restart", "--body", '{"phones": [{"phone_id": "a", "property": 5}]}'),
            "--body: is not what RestartPhones takes",
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
def test_wrong_usage_is_said_in_one_line_and_nothing_is_sent(
    koophone: Invoke, line: tuple[str, ...], problem: str
) -> None:
    ended = koophone(line)

    assert ended.code == 2
    assert problem in ended.err
    assert ended.err.count("\n") == 1
    assert ended.out == ""
