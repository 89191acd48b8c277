"""The commands of CPH and of cloud mobile gaming against an emulator, in virtual time."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.cli.conftest import started
from tests.fake_server import FakeServer, Reply, replies_with

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke, Line, Result

JSONL: Final = ("--output", "jsonl")
OUTCOME: Final = ["id", "state", "job_id", "error_code", "error_message", "output", "seconds"]
ONE: Final = ("--where", "name == phone-00001")
PHONES: Final = ("--where", 'name ~ "phone-0000[12]"')
SERVER: Final = ("--where", "name == server-0001")
APP: Final = "com.example.app"


def cph(*words: str) -> tuple[str, ...]:
    return ("cph", *words, *JSONL)


def first(*words: str) -> Line:
    """Replace ID by the first printed id."""
    return lambda previous: cph(*(previous.rows[0]["id"] if word == "ID" else word for word in words))


def later(*words: str) -> Line:
    """Run the command that stderr suggests."""

    def line(previous: Result) -> tuple[str, ...]:
        hint = previous.err.split("to wait for the end: ", 1)[1].split()
        return (*hint[1:], *words, *JSONL)

    return line


@pytest.mark.parametrize("is_journalled", [False, True])
@pytest.mark.parametrize(
    "line, states",
    [
        (("commands", "run", *PHONES, "--command", "echo hi"), ["succeeded"] * 2),
        (("commands", "run-sync", *PHONES, "--command", "echo hi"), ["succeeded"] * 2),
        (("commands", "push", *ONE, "--tar", "obs://b/data.tar"), ["succeeded"]),
        (("commands", "install", *ONE, "--apk", f"obs://b/{APP}.apk", "--options", "-r"), ["succeeded"]),
        (
            ("commands", "install-split", *ONE, "--apks", f"obs://b/{APP}.apk", "--apks", "obs://b/2.apk"),
            ["succeeded"],
        ),
        (("phones", "stop", *PHONES), ["succeeded"] * 2),
        (("phones", "restart", *PHONES, "--properties", "com.cph.mainkeys=1"), ["succeeded"] * 2),
        (("phones", "reset", *PHONES, "--clear-properties"), ["succeeded"] * 2),
        (("phones", "update-properties", *ONE, "--properties", "com.cph.mainkeys=1"), ["succeeded"]),
        (("phones", "update-properties", *ONE, "--properties", '{"com.cph.mainkeys": 1}'), ["succeeded"]),
        (("phones", "reset", *ONE, "--properties", '{"com.cph.mainkeys": 1}'), ["succeeded"]),
        (
            (
                *("storage", "export", *ONE, "--include", "/data/local"),
                *("--bucket", "backups", "--path", "{phone}.tar"),
            ),
            ["succeeded"],
        ),
        (
            (
                "storage",
                "export",
                *ONE,
                "--include",
                "/data/local",
                "--bucket",
                "backups",
                "--path",
                "one.tar",
            ),
            ["succeeded"],
        ),
        (("storage", "expand", *ONE, "--size", "200"), ["succeeded"]),
        (("traffic", "route", *ONE, "--route", "direct"), ["succeeded"]),
        (("servers", "restart", *SERVER), ["succeeded"]),
        (("encoding-servers", "restart", "--where", "name ~ ENCODE_server-000[12]"), ["succeeded"] * 2),
        (("keypairs", "update", *SERVER, "--keypair", "KeyPair-2"), ["succeeded"]),
        (("tags", "add", "--all", "--tags", "env=test", "--tags", "owner=me"), ["accepted"] * 5),
        (("shared-files", "push", *SERVER, "--bucket", "files", "--path", "data.tar"), ["succeeded"]),
        (
            ("shared-apps", "push", *SERVER, "--bucket", "apps", "--path", "app.tar", "--package", APP),
            ["succeeded"],
        ),
    ],
)
def test_a_write_prints_an_outcome_for_each_phone_or_server(
    koophone: Invoke,
    line: tuple[str, ...],
    states: list[str],
    tmp_path: Path,
    *,
    is_journalled: bool,
) -> None:
    journal = ("--journal", str(tmp_path / "journal.db")) if is_journalled else ()

    result = koophone(cph(*line, *journal))

    assert [row["state"] for row in result.rows] == states, result
    assert {tuple(row) for row in result.rows} == {tuple(OUTCOME)}
    assert result.code == 0
    assert re.fullmatch(r"koophone: rollout \w+\n" if is_journalled else "", result.err)


def test_a_deprecated_property_is_warned_about_once(koophone: Invoke) -> None:
    result = koophone(cph("phones", "update-properties", *PHONES, "--properties", "hide_navigate=1"))

    assert [row["state"] for row in result.rows] == ["succeeded"] * 2
    warning = "the property hide_navigate is deprecated; use com.cph.mainkeys"
    assert result.err == f"koophone: {warning}\n"


@pytest.mark.parametrize(
    "words",
    [
        "bandwidths list",
        "encoding-servers list",
        "images list",
        "phone-images list",
        "phones connections --where name==phone-00001 --client ANDROID",
        "phones list",
        "phones models",
        "scheduled-events list",
        "servers list",
        "servers models",
        "servers offerings",
        "shared-files list --where name==server-0001 --path /data",
        "tags count --untagged",
        "tags find",
        "undocumented list-subnets",
        "undocumented export-phone-details",
    ],
)
def test_a_read_prints_rows(koophone: Invoke, words: str) -> None:
    result = koophone(cph(*words.split()))

    assert result.rows
    assert (result.code, result.err) == (0, "")


def test_jobs_started_with_no_wait_can_be_awaited_later(koophone: Invoke) -> None:
    result = koophone(
        cph("commands", "run", *PHONES, "--command", "echo hi", "--no-wait"),
        later(),
    )

    *started, one, two = result.rows
    assert all(row["phone"] and row["id"] for row in started)
    assert [one["output"], two["output"]] == ["hi\n", "hi\n"]
    assert result.code == 0


@pytest.mark.parametrize(
    "line",
    [
        ("phones", "restart", *PHONES, "--image", "461ba93f34aee1620a19bef0805ba9e2"),
        ("phones", "reset", *PHONES, "--clear-properties"),
        ("phones", "update-properties", *PHONES, "--properties", "com.cph.mainkeys=1"),
        ("storage", "export", *PHONES, "--include", "/data", "--bucket", "backups", "--path", "{phone}.tar"),
        ("storage", "expand", *PHONES, "--size", "200"),
        ("keypairs", "update", *SERVER, "--keypair", "KeyPair-2"),
        ("traffic", "route", *PHONES, "--route", "routing"),
    ],
)
def test_single_calls_start_the_same_jobs_as_fleet_verbs(koophone: Invoke, line: tuple[str, ...]) -> None:
    result = koophone(cph(*line, "--no-wait"), later("--group"))

    *started, group = result.rows
    assert (group["state"], group["count"]) == ("succeeded", len(started))
    assert result.code == 0


@pytest.mark.parametrize(
    "line, states",
    [
        (("run", "--command", "echo hi"), ["succeeded"] * 50),
        (("push", "--tar", "obs://b/data.tar"), ["succeeded"] * 50),
        (("uninstall", "--package", APP), ["failed"] * 50),
        (("run-sync", "--command", "echo hi"), ["succeeded"] * 50),
        (("run-sync", "--command", "false"), ["failed"] * 50),
    ],
)
def test_a_command_runs_on_the_phones_of_a_server(
    koophone: Invoke, line: tuple[str, ...], states: list[str]
) -> None:
    result = koophone(cph("servers", "list", *SERVER), first("commands", *line, "--server", "ID"))

    assert [row["state"] for row in result.rows[1:]] == states, result.err
    assert result.code == (1 if "failed" in states else 0)


def test_the_call_for_a_server_can_be_made_alone(koophone: Invoke) -> None:
    result = koophone(
        cph("servers", "list", *SERVER),
        first("commands", "run", "--command", "id", "--server", "ID", "--no-wait"),
    )

    assert len(result.rows) == 51
    assert result.code == 0


def test_a_phone_that_a_server_refuses_has_an_outcome(koophone: Invoke) -> None:
    result = koophone(
        cph("servers", "list", *SERVER),
        cph("phones", "stop", *ONE),
        first("commands", "run", "--command", "echo hi", "--server", "ID"),
    )

    states = [row["state"] for row in result.rows[2:]]
    assert (states.count("refused"), states.count("succeeded")) == (1, 49)


def test_an_unknown_server_is_refused(koophone: Invoke) -> None:
    result = koophone(cph("commands", "run", "--command", "id", "--server", "none"))

    assert (result.code, result.out) == (1, "")
    assert "cph.commands.run" in result.err


def test_uninstalling_from_a_server_is_confirmed(koophone: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KOOPHONE_YES")

    result = koophone(cph("commands", "uninstall", "--package", APP, "--server", "s"))

    assert "--yes: is required without a terminal: would uninstall the app from 1 server (s)" in result.err


def test_a_newer_property_is_sent_with_a_warning(koophone: Invoke, tmp_path: Path) -> None:
    file = tmp_path / "properties.json"
    file.write_text('{"com.cph.mainkeys": 1, "com.cph.newer": "x"}')

    result = koophone(cph("phones", "update-properties", *ONE, "--properties", f"@{file}"))

    (row,) = result.rows  # the emulator knows no more properties than the documents
    assert (row["state"], row["error_code"]) == ("refused", "CPS.0163")
    assert result.err.startswith(
        "koophone: the property com.cph.newer is not documented; it is sent unchecked"
    )


@pytest.mark.parametrize(
    "options, problem",
    [
        (("--properties", "{"), "--properties: is not JSON"),
        (("--properties", '{"com.cph.mainkeys": 7}'), "com.cph.mainkeys"),
        (
            ("--properties", "{}", "--properties", "a=1"),
            "--properties: is a JSON object, which must have",
        ),
    ],
)
def test_json_properties_are_checked(koophone: Invoke, options: tuple[str, ...], problem: str) -> None:
    result = koophone(cph("phones", "update-properties", "a", *options))

    assert result.code == 2
    assert problem in result.err


def test_an_export_of_one_phone_has_any_path(koophone: Invoke) -> None:
    options = ("--include", "/data/local", "--bucket", "backups", "--path", "one.tar")

    one = koophone(
        cph("phones", "list", *ONE),
        first("storage", "export", "ID", *options),
        first("storage", "export", "ID", *options, "--no-wait"),
    )
    two = koophone(cph("storage", "export", "a", "b", *options))

    assert [row.get("state") for row in one.rows[1:]] == ["succeeded", None]
    assert "--path: does not contain {phone}" in two.err


def test_an_export_can_be_restored_on_another_phone(koophone: Invoke) -> None:
    def restore(*words: str) -> Line:
        other = ("--where", "name == phone-00002", "--bucket", "backups", *words)
        return lambda previous: cph("storage", "restore", *other, "--path", f"{previous.rows[0]['id']}.tar")

    result = koophone(
        cph("storage", "export", *ONE, "--include", "/data", "--bucket", "backups", "--path", "{phone}.tar"),
        restore(),
        restore("--no-wait"),
        later(),
    )

    assert [row.get("state") for row in result.rows] == ["succeeded", "succeeded", None, "succeeded"]


def test_servers_can_be_selected_by_tag(koophone: Invoke) -> None:
    result = koophone(
        cph("tags", "add", "--where", "name in (server-0002, server-0003)", "--tags", "env=test"),
        cph("servers", "list", "--tag", "env=test", "--where", "name != server-0003"),
        cph("servers", "restart", "--tag", "env=test", "--tag", "env=prod"),
        cph("tags", "remove", "--tag", "env", "--tags", "env=test"),
        cph("servers", "list", "--tag", "env"),
    )

    assert [row.get("name") or row["state"] for row in result.rows] == [
        *("accepted", "accepted", "server-0002", "succeeded", "succeeded", "accepted", "accepted"),
    ]


def test_lists_are_filtered_by_expressions(koophone: Invoke) -> None:
    result = koophone(
        cph("phones", "list", "--name", "phone-000", "--where", 'name ~ "*7" and state == running'),
        ("instances", "list", "--where", "id == phone0007", *JSONL),
        ("exec", "--where", "id in (phone0001, phone0002)", *JSONL, "--", "echo", "hi"),
    )

    *phones, instance, one, two = result.rows
    assert sorted(row["name"] for row in phones) == [f"phone-000{n}7" for n in range(10)]
    assert instance["id"] == "phone0007"
    assert [one["output"], two["output"]] == ["hi\n", "hi\n"]


def using(*words: str) -> Line:
    """Replace APP and VERSION by the first and second printed id."""

    def line(previous: Result) -> tuple[str, ...]:
        names = iter(("APP", "VERSION"))
        ids: dict[str, str] = {name: row["id"] for name, row in zip(names, previous.rows, strict=False)}
        return cph("gaming", *(ids.get(word, word) for word in words))

    return line


def test_a_game_version_can_be_deployed_updated_and_removed(koophone: Invoke) -> None:
    package = ("--name", "1.0", "--activity", f"{APP}.Main", "--bucket", "games", "--path", "game.tar")

    result = koophone(
        cph("gaming", "applications", "create", "--name", "game", "--package", APP),
        using("versions", "create", "--application", "APP", "--code", "1", *package),
        using("deployments", "push", *SERVER, "--versions", "VERSION"),
        using("deployments", "update", *ONE, "--versions", "VERSION"),
        using("deployments", "deploy", *SERVER, "--versions", "VERSION", "--no-wait"),
        later(),
        using("applications", "servers", "APP"),
        using("deployments", "undeploy", *SERVER, "--versions", "VERSION"),
        using("versions", "delete", "VERSION"),
        using("applications", "delete", "APP"),
        using("applications", "list"),
    )

    assert [row.get("state") for row in result.rows] == [
        *(None, None, "succeeded", "succeeded", None, "succeeded", None, "succeeded", None, None)
    ], result
    assert result.code == 0


def test_a_deployment_update_can_be_a_single_call(koophone: Invoke) -> None:
    package = ("--name", "1.0", "--activity", f"{APP}.Main", "--bucket", "games", "--path", "game.tar")

    result = koophone(
        cph("gaming", "applications", "create", "--name", "game", "--package", APP),
        using("versions", "create", "--application", "APP", "--code", "1", *package),
        using("deployments", "push", *SERVER, "--versions", "VERSION"),
        using("deployments", "update", *ONE, "--versions", "VERSION", "--no-wait"),
        later(),
    )

    assert result.rows[-1]["state"] == "succeeded"
    assert result.code == 0


def test_the_deletion_of_a_server_can_be_awaited(koophone: Invoke) -> None:
    result = koophone(
        cph("servers", "list", *SERVER),
        first("servers", "delete", "ID"),
        later(),
    )

    assert result.rows[-1]["state"] == "succeeded"
    assert result.code == 0


@pytest.mark.parametrize("zone", ["", "+00:00"])
def test_a_time_without_a_zone_is_utc(koophone: Invoke, zone: str) -> None:
    def reschedule(previous: Result) -> tuple[str, ...]:
        (event,) = previous.rows
        at = event["latest_start"].removesuffix("+00:00") + zone
        return cph("scheduled-events", "reschedule", event["id"], "--start", at)

    result = koophone(cph("scheduled-events", "list"), reschedule, cph("scheduled-events", "list"))

    before, _, after = result.rows
    assert after["not_before"] == before["latest_start"] != before["not_before"]


def test_options_and_a_json_body_can_be_combined(koophone: Invoke) -> None:
    def buy(previous: Result) -> tuple[str, ...]:
        (server,) = previous.rows
        return cph(
            *("servers", "buy", "--name", "new", "--model", server["model"], "--vpc", server["vpc"]),
            *("--phone-model", server["phone_model"], "--keypair", server["keypair"]),
            *("--image", "acf42934f10a0ef3e241f4f314755667", "--public-address-new-type", "5_bgp"),
            *("--public-address-count", "1", "--bandwidth-sharing", "dedicated", "--bandwidth-size", "300"),
            *("--bandwidth-charged-by", "bandwidth", "--term-period", "month", "--term-count", "1"),
            *("--term-pay", "1"),
            *("--body", '{"nics": [{"subnet_id": "11111111-2222-3333-4444-555555555555"}]}'),
        )

    result = koophone(cph("servers", "list", *SERVER), buy)

    assert (result.code, result.err) == (0, "")
    assert len(result.rows[-1]["servers"]) == 1


@pytest.mark.parametrize("states", [(), ("--states", "inquiring"), ("--states", "failed")])
def test_an_option_can_be_repeated(koophone: Invoke, states: tuple[str, ...]) -> None:
    result = koophone(cph("scheduled-events", "list", *states, "--types", "system-maintenance"))

    assert len(result.rows) == (0 if "failed" in states else 1)
    assert result.code == 0


def test_raw_calls_accept_any_body_and_query(koophone: Invoke) -> None:
    result = koophone(
        ("api", "cph.undocumented.create_agency", "--body", "{}", *JSONL),
        ("api", "cph.undocumented.list_subnets", "--body", '{"limit": "3"}', *JSONL),
        ("api", "cph.phones.list", "--body", '{"limit": 1}', *JSONL),
    )

    assert [*result.rows[2]] == ["phones", "count"]
    assert result.code == 0


@pytest.mark.process
async def test_a_binary_answer_is_printed_unchanged(tmp_path: Path) -> None:
    reply = replies_with(Reply(b"id,name\n1,\xff"))
    async with FakeServer(default=reply) as server:
        with (tmp_path / "out").open("w+") as out:
            environ = {
                "KOOPHONE_CPH_ENDPOINT": server.url,
                "HUAWEICLOUD_SDK_PROJECT_ID": "p1",
                "HUAWEICLOUD_SDK_AK": "A",
                "HUAWEICLOUD_SDK_SK": "B",
            }
            line = ("cph", "undocumented", "export-phone-details")
            with started(*line, environ=environ, stdout=out) as process:
                result = await asyncio.to_thread(process.end)

    assert (result.code, result.err) == (0, "")
    assert (tmp_path / "out").read_bytes() == b"id,name\n1,\xff"


@pytest.mark.parametrize(
    "line, problem",
    [
        (
            ("phones", "stop"),
            "no phones were selected; use one of ID..., --ids-file, --where, --name, --failed-from or --all",
        ),
        (
            ("servers", "restart"),
            "no servers were selected; use one of ID..., --ids-file, --where, --tag, --name, --failed-from",
        ),
        (("phones", "stop", "a", *ONE), "phones were selected in more than one way"),
        (("phones", "list", "--where", "colour == red"), "--where: column 1: colour is not a field"),
        (("phones", "list", "--where", "name =="), "column"),
        (("servers", "restart", "--tag", "=x"), "--tag: is '=x'; expected KEY=VALUE"),
        (("tags", "add", "a", "--tags", "env"), "--tags: has 0 values for env"),
        (("tags", "add", "a", "--tags", "env=1", "--tags", "env=2"), "--tags: has 2 values for env"),
        (("phones", "update-properties", "a", "--properties", "com.cph.nothing=1"), "com.cph.nothing"),
        (
            ("commands", "run", "a", "--server", "s", "--command", "id"),
            "ID with --server: is not possible",
        ),
        (
            ("scheduled-events", "reschedule", "e", "--start", "soon"),
            "--start: is 'soon'; expected a time such",
        ),
        (("storage", "expand", "a", "--size", "40000"), "--size: is 40,000; it must be 1 to 32,768 GiB"),
        (("servers", "buy", "--name", "s"), ", nics are missing"),
        (("servers", "buy", "--phone-disk-size", "10"), "--phone-disk-type, --name"),
        (("undocumented", "create-peering-routes", "--body", "[]"), "--body: is not a JSON object"),
        (("undocumented", "list-subnets", "--query", "@/none"), "--query @/none: cannot be read"),
        (
            ("gaming", "deployments", "update", "a", "b", "--versions", "v", "--no-wait"),
            "which takes one phone; 2 were selected",
        ),
    ],
)
def test_wrong_usage_is_one_line(koophone: Invoke, line: tuple[str, ...], problem: str) -> None:
    result = koophone(("cph", *line))

    assert result.code == 2
    assert problem in result.err
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_project_and_region_are_options_of_the_cph_group(koophone: Invoke) -> None:
    result = koophone(("cph", "--project-id", "none", "--region", "cn-east-3", "phones", "list", *JSONL))

    assert result.code == 3
    assert "cph.phones.list" in result.err
