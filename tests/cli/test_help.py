from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from koophone_async.cli import words
from koophone_async.cli.app import app
from koophone_async.cli.services import ENTRIES, Entry
from koophone_async.services.koophone.apps import InstallApp


def help_of(*line: str) -> str:
    result = CliRunner().invoke(app, [*line, "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 0
    return re.sub(r"[\s│]+", " ", result.output)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.operation.name)
def test_the_help_of_an_operation_names_its_source(entry: Entry) -> None:
    source = re.sub(r"\s+", " ", entry.operation.source)

    assert source in help_of(*entry.words)


@pytest.mark.parametrize(
    "line, said",
    [
        (("commands", "run"), "--command <str> At most 1,024 bytes of UTF-8"),
        (("apps", "install"), "--size <str> In MB, at most 2,048"),
        (("apps", "install"), "--fast --no-fast"),
        (("orders", "buy"), "--os <AOSP9|AOSP11|AOSP14> Required"),
        (("orders", "buy"), "--count <int> 1 to 1,500. Required"),
        (("orders", "buy"), "--charge-period <2|3> 2: months, 3: years. Required"),
        (("apps", "list"), "--type <system|third-party>"),
        (("instances", "list"), "--size <int> 1 to 10,000. Default: 100"),
        (("instances", "list"), "--scene <CLOUD_APP|CLOUD_PHONE>"),
        (("jobs", "list"), "TASK"),
        (("exec",), "[ID]... -- COMMAND"),
        (("streaming", "progress"), "--user <str> Who will stream, at most 32 characters"),
    ],
)
def test_the_help_says_what_an_option_takes(line: tuple[str, ...], said: str) -> None:
    assert said in help_of(*line)


@pytest.mark.parametrize("name", ["page", "request-id", "kind"])
def test_what_the_library_fills_itself_is_no_option(name: str) -> None:
    assert f"--{name}" not in help_of("instances", "list") + help_of("apps", "install")


def test_the_docstrings_under_inherited_fields_are_found() -> None:
    assert words.fields(InstallApp)["md5"] == "Must be sent and may be empty."


def test_what_is_said_twice_is_printed_once() -> None:
    assert (
        words.sentence("A name, at most 3 bytes.", "at most 3 bytes", "", "1 [x]")
        == r"A name, at most 3 bytes. 1 \[x]"
    )
