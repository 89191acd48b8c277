"""Which account a command uses: options before the environment, the environment before a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs
import pytest

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


def test_a_question_shows_the_account(run_main: RunMain, profile: Profile) -> None:
    result = run_main("--profile", "prod", "instances", "reset", "a", "b", environ=profile.environ | OTHER)

    assert f"(profile prod, account d1, project {profile.project})" in result.err
