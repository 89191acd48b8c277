"""Which account a command uses: options before the environment, the environment before a profile."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Final

import attrs
import pytest
import typer
from typer.main import get_command

from koophone_async.cli.app import app
from koophone_async.cli.errors import Exit
from koophone_async.cli.targets.profiles import current_profile, run_over

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import RunMain

KEY: Final = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
PROJECT: Final = "HUAWEICLOUD_SDK_PROJECT_ID"
IAM: Final = "HUAWEICLOUD_SDK_IAM_ENDPOINT"
PHONES: Final = ("cph", "phones", "list", "--where", "name == phone-00001")
OTHER: Final = {KEY[0]: "OTHERKEY", KEY[1]: "other", PROJECT: "otherproject"}


@attrs.frozen
class Profile:
    """The profile [prod] with the key of the emulator."""

    environ: dict[str, str]
    """The environment of the emulator without what is in the profile."""

    file: str
    """The profile, as `koophone config` names it."""

    project: str
    iam: str


@pytest.fixture
def profile(emulator: dict[str, str], tmp_path: Path) -> Profile:
    file = tmp_path / ".huaweicloud" / "credentials"
    file.parent.mkdir()
    names = {"ak": KEY[0], "sk": KEY[1], "project_id": PROJECT, "iam_endpoint": IAM}
    lines = [f"{name} = {emulator[variable]}" for name, variable in names.items()]
    file.write_text("\n".join(("[prod]", "domain_id = d1", *lines)))
    environ = {name: value for name, value in emulator.items() if name not in names.values()}
    return Profile(environ, f"the file {file} ([prod])", emulator[PROJECT], emulator[IAM])


@pytest.mark.parametrize(
    "environ, ignored",
    [
        ({}, None),
        (OTHER, "HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_PROJECT_ID in the environment are ignored"),
        ({PROJECT: "otherproject"}, "HUAWEICLOUD_SDK_PROJECT_ID in the environment is ignored"),
        ({KEY[0]: "OTHERKEY"}, "HUAWEICLOUD_SDK_AK in the environment is ignored"),
        ({"KOOPHONE_PROFILE": "none"}, None),
    ],
)
def test_an_explicit_profile_goes_before_the_environment(
    run_main: RunMain, profile: Profile, environ: dict[str, str], ignored: str | None
) -> None:
    result = run_main("--profile", "prod", *PHONES, "--output", "jsonl", environ=profile.environ | environ)

    assert [row["name"] for row in result.rows] == ["phone-00001"]
    assert result.err == (f"koophone: --profile prod is used; {ignored}\n" if ignored else "")


@pytest.mark.parametrize(
    "line",
    [
        ("--region", "", "instances", "list"),
        ("cph", "--region", "", "phones", "list"),
        ("cph", "--project-id", "", "phones", "list"),
        ("exec", "--all", "--where-output", "", "--", "id"),
        ("exec", "--all", "--waves", "", "--", "id"),
        ("exec", "--all", "--stop-at", "", "--", "id"),
        ("exec", "--where", "", "--", "id"),
        ("exec", "--name", "", "--", "id"),
        ("exec", "--ids-file", "", "--", "id"),
        ("exec", "--failed-from", "", "--", "id"),
        ("rollout", "list", "--since", ""),
        ("rollout", "prune", "--older-than", ""),
        ("rollout", "resume", "--deadline", ""),
    ],
    ids=" ".join,
)
def test_an_empty_option_is_no_default(
    run_main: RunMain, emulator: dict[str, str], line: tuple[str, ...]
) -> None:
    """A variable that is not set must not select all phones, all at once, or those of another project."""
    result = run_main(*line, environ=emulator)

    assert result.code == Exit.USAGE
    assert result.out == ""


def test_an_explicit_project_goes_before_the_profile(run_main: RunMain, profile: Profile) -> None:
    cph, *line = PHONES

    result = run_main(
        "--profile", "prod", cph, "--project-id", "other", *line, environ=profile.environ | OTHER
    )

    assert result.code == 3
    assert "HUAWEICLOUD_SDK_AK in the environment is ignored" in result.err


def test_the_environment_goes_before_a_profile_that_it_names(run_main: RunMain, profile: Profile) -> None:
    result = run_main(*PHONES, environ=profile.environ | OTHER | {"KOOPHONE_PROFILE": "prod"})

    assert result.code == 3
    ignored = "KOOPHONE_PROFILE=prod is ignored, because HUAWEICLOUD_SDK_AK is set; --profile prod uses it"
    assert result.err.startswith(f"koophone: {ignored}\n")


def test_an_empty_profile_option_uses_the_environment(
    run_main: RunMain, profile: Profile, emulator: dict[str, str]
) -> None:
    result = run_main(
        "--profile", "", *PHONES, environ=profile.environ | emulator | {"KOOPHONE_PROFILE": "none"}
    )

    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    "line, environ, settings",
    [
        (
            ("--profile", "prod"),
            OTHER,
            {
                "profile": ("prod", "command-line option"),
                "project": ("{project}", "{file}"),
                "endpoint iam": ("{iam}", "{file}"),
            },
        ),
        (
            ("--profile", "prod"),
            {IAM: "https://iam.example"},
            {"endpoint iam": ("{iam}", "{file}")},
        ),
        (
            (),
            {"KOOPHONE_PROFILE": "prod"},
            {
                "profile": ("prod", "environment KOOPHONE_PROFILE"),
                "project": ("{project}", "{file}"),
                "endpoint iam": ("{iam}", "{file}"),
            },
        ),
        (
            (),
            {"KOOPHONE_PROFILE": "prod", PROJECT: "otherproject", IAM: "https://iam.example"},
            {
                "project": ("otherproject", f"environment {PROJECT}"),
                "endpoint iam": ("https://iam.example", f"environment {IAM}"),
            },
        ),
        (
            (),
            OTHER | {"KOOPHONE_PROFILE": "prod"},
            {
                "profile": (None, "KOOPHONE_PROFILE=prod is ignored"),
                "project": ("otherproject", f"environment {PROJECT}"),
            },
        ),
        (
            ("--limits", "redis://user:secret@quotas:1/0"),
            {"KOOPHONE_LIMITS": "redis://other"},
            {"limits": ("redis://quotas:1/0", "command-line option")},
        ),
        (
            (),
            {"KOOPHONE_LIMITS": "postgresql://db/quotas?account=a"},
            {"limits": ("postgresql://db/quotas", "environment KOOPHONE_LIMITS")},
        ),
        (
            (),
            {KEY[0]: "OTHERKEY", KEY[1]: "other"},
            {"project": (None, "looked up by the name of the region")},
        ),
    ],
)
def test_config_shows_what_is_used(
    run_main: RunMain,
    profile: Profile,
    line: tuple[str, ...],
    environ: dict[str, str],
    settings: dict[str, tuple[str | None, str]],
) -> None:
    result = run_main(*line, "config", "--output", "jsonl", environ=profile.environ | environ)

    shown = {row["setting"]: (row["value"], row["source"]) for row in result.rows}
    values = {f"{{{name}}}": value for name, value in attrs.asdict(profile).items() if name != "environ"}
    for name, pair in settings.items():
        assert shown[name] == tuple(values.get(str(text), text) for text in pair)


@pytest.mark.parametrize(
    "environ, setting, shown",
    [
        ({}, "confirmation", ("asked", "default")),
        ({"KOOPHONE_YES": "1"}, "confirmation", ("not asked", "environment KOOPHONE_YES")),
        ({"KOOPHONE_YES": "0"}, "confirmation", ("asked", "environment KOOPHONE_YES")),
        ({"KOOPHONE_JOURNAL": "off"}, "journal", ("off", "environment KOOPHONE_JOURNAL")),
        ({"KOOPHONE_JOURNAL": "", "XDG_STATE_HOME": "/s"}, "journal", ("/s/koophone/rollouts.db", "default")),
        (
            {"KOOPHONE_JOURNAL": "postgresql://ann:secret@db/runs"},
            "journal",
            ("postgresql://***@db/runs", "environment KOOPHONE_JOURNAL"),
        ),
        ({}, "plain HTTP", ("loopback", "default")),
        ({"KOOPHONE_ALLOW_HTTP": "box"}, "plain HTTP", ("box", "environment KOOPHONE_ALLOW_HTTP")),
    ],
)
def test_config_shows_what_is_no_setting_of_an_account(
    run_main: RunMain, profile: Profile, environ: dict[str, str], setting: str, shown: tuple[str, str]
) -> None:
    result = run_main("config", "--output", "jsonl", environ=profile.environ | environ)

    assert next((row["value"], row["source"]) for row in result.rows if row["setting"] == setting) == shown


def test_a_question_shows_the_account(run_main: RunMain, profile: Profile) -> None:
    result = run_main("--profile", "prod", "instances", "reset", "a", "b", environ=profile.environ | OTHER)

    assert f"(profile prod, account d1, project {profile.project})" in result.err


@pytest.fixture
def two_accounts(profile: Profile, tmp_path: Path) -> Profile:
    """Add a second account with the same key, and one with a wrong key."""
    file = tmp_path / ".huaweicloud" / "credentials"
    text = file.read_text()
    copies = [text.replace("[prod]", "[test]"), text.replace("[prod]", "[bad]").replace("ak = ", "ak = NO")]
    file.write_text("\n".join((text, *copies)))
    return profile


SEVERAL: Final = ("--profile", "prod", "--profile", "test")
ASKED: Final = ("instances", "list", "--columns", "profile,id", "--where", "id == phone0001", "--output")


@pytest.mark.parametrize("output", ["jsonl", "json", "csv"])
def test_a_command_runs_over_several_accounts(run_main: RunMain, two_accounts: Profile, output: str) -> None:
    result = run_main(*SEVERAL, *ASKED, output, environ=two_accounts.environ)

    rows = [{"profile": "prod", "id": "phone0001"}, {"profile": "test", "id": "phone0001"}]
    match output:
        case "json":
            assert json.loads(result.out) == rows
        case "jsonl":
            assert result.rows == rows
        case _:
            assert result.out == "profile,id\nprod,phone0001\ntest,phone0001\n"
    assert result.code == 0


def test_outcomes_carry_the_profile(run_main: RunMain, two_accounts: Profile) -> None:
    line = ("exec", "phone0001", "--sync", "--no-journal", "--output", "jsonl", "--", "id", "-u")
    result = run_main(*SEVERAL, *line, environ=two_accounts.environ)

    assert [(row["profile"], row["state"]) for row in result.rows] == [
        ("prod", "succeeded"),
        ("test", "succeeded"),
    ]


def test_groups_are_those_of_each_account(run_main: RunMain, two_accounts: Profile) -> None:
    line = ("exec", "phone0001", "--sync", "--no-journal", "--group", "--", "id", "-u")
    result = run_main(*SEVERAL, *line, environ=two_accounts.environ)

    assert [row for row in result.out.splitlines() if row.startswith("profile")] == [
        "profile prod:",
        "profile test:",
    ]


@pytest.mark.parametrize("option", ["-", "--ids-file=-"])
def test_every_account_gets_the_ids_of_stdin(
    run_main: RunMain, two_accounts: Profile, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"phone0001\nphone0002\n")))
    line = ("exec", option, "--sync", "--no-journal", "--output", "jsonl", "--", "id", "-u")

    result = run_main(*SEVERAL, *line, environ=two_accounts.environ)

    ids = sorted((row["profile"], row["id"], row["state"]) for row in result.rows)
    assert ids == [
        (profile, phone, "succeeded") for profile in ("prod", "test") for phone in ("phone0001", "phone0002")
    ]


def test_what_failed_is_selected_for_the_account_that_it_failed_for(
    run_main: RunMain, two_accounts: Profile, tmp_path: Path
) -> None:
    rows = [("prod", "phone0001", "failed"), ("prod", "phone0002", "succeeded")]
    rows += [("test", "phone0001", "succeeded"), ("test", "phone0002", "failed")]
    file = tmp_path / "run.csv"
    file.write_text("profile,id,state\n" + "".join(f"{','.join(row)}\n" for row in rows))
    line = ("exec", "--failed-from", str(file), "--sync", "--no-journal", "--output", "jsonl", "--", "id")

    both = run_main(*SEVERAL, *line, environ=two_accounts.environ)
    one = run_main("--profile", "test", *line, environ=two_accounts.environ)
    neither = run_main(*line, environ=two_accounts.environ)

    assert [(row["profile"], row["id"]) for row in both.rows] == [
        ("prod", "phone0001"),
        ("test", "phone0002"),
    ]
    assert [row["id"] for row in one.rows] == ["phone0002"]
    assert "has rows of the profile prod; use --profile prod, or several" in neither.err


@pytest.mark.parametrize("command", ["rollout", "emulator", "demo", "events"])
def test_what_is_of_no_account_takes_one_profile(
    run_main: RunMain, two_accounts: Profile, command: str
) -> None:
    result = run_main(*SEVERAL, command, environ=two_accounts.environ)

    assert (result.code, result.out) == (2, "")
    assert f"{command} takes one profile" in result.err


@pytest.mark.parametrize(
    "codes, count, combined",
    [
        ((Exit.NOT_STARTED, Exit.NOT_STARTED), 2, Exit.NOT_STARTED),
        ((Exit.DONE, Exit.NOT_STARTED), 2, Exit.SOME_FAILED),
        ((Exit.INTERRUPTED, Exit.DONE), 1, Exit.INTERRUPTED),
        ((Exit.DONE, Exit.TERMINATED, Exit.DONE), 2, Exit.TERMINATED),
    ],
)
def test_a_signal_stops_the_command_for_all_accounts(
    codes: tuple[Exit, ...], count: int, combined: Exit
) -> None:
    context = typer.Context(get_command(app))
    context.params["profile"] = [f"p{number}" for number in range(len(codes))]
    used: list[str | None] = []

    def invoke(_: object) -> None:
        used.append(current_profile())
        raise typer.Exit(codes[len(used) - 1])

    with pytest.raises(typer.Exit) as ended:
        run_over(context, invoke)

    assert ended.value.exit_code == combined
    assert used == [f"p{number}" for number in range(count)]


@pytest.mark.parametrize("profiles, code", [(("bad", "prod"), 1), (("bad", "none"), 3)])
def test_one_account_that_fails_does_not_stop_the_others(
    run_main: RunMain, two_accounts: Profile, profiles: tuple[str, ...], code: int
) -> None:
    options = [word for profile in profiles for word in ("--profile", profile)]
    result = run_main(*options, *ASKED, "jsonl", environ=two_accounts.environ)

    assert [row["profile"] for row in result.rows] == [name for name in profiles if name == "prod"]
    assert result.code == code
