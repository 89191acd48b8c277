from __future__ import annotations

import ast
import inspect
import re
from itertools import pairwise
from textwrap import dedent
from typing import TYPE_CHECKING, Final

import attrs
import pytest
from typer.testing import CliRunner

from koophone_async.cli import help_text
from koophone_async.cli.app import app
from koophone_async.cli.commands.services import Entry, entries
from koophone_async.cli.parameters.json_options import first_type
from koophone_async.cli.parameters.options import MethodOptions, ModelOptions
from koophone_async.selection import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL: Final = [*entries("cph", "gaming", "iam", "koophone")]


def help_of(*line: str) -> str:
    result = CliRunner().invoke(app, [*line, "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert result.exit_code == 0
    return re.sub(r"[\s│]+", " ", result.output)


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.operation.name)
def test_the_help_of_an_operation_names_its_source(entry: Entry) -> None:
    source = re.sub(r"\s+", " ", entry.operation.source)

    assert source in help_of(*entry.words)


@pytest.mark.parametrize(
    "line, text",
    [
        (("commands", "run"), "--command <str> At most 1,024 bytes of UTF-8"),
        (("apps", "install"), "--size <str> In MB, at most 2,048"),
        (("apps", "install"), "--fast / --no-fast"),
        (("orders", "buy"), "--os <AOSP9|AOSP11|AOSP14> `AOSP14` is on the vendor's pages only"),
        (("orders", "buy"), "--count <int> 1 to 1,500. Required"),
        (("orders", "buy"), "--charge-period <2|3> 2: months, 3: years. Required"),
        (("apps", "list"), "--type <system|third-party>"),
        (("instances", "list"), "the list returns all of them. 1 to 10,000. Default: 100"),
        (("instances", "list"), "--scene <CLOUD_APP|CLOUD_PHONE>"),
        (("jobs", "list"), "TASK"),
        (("exec",), "[ID]... -- COMMAND"),
        (
            ("commands", "run"),
            "Run a shell command, and return the first 1,024 bytes of its output. KooPhone",
        ),
        (("instances", "reboot"), "Restart instances, and wait until they run again. KooPhone 4.1.11"),
        (("cph", "commands", "push"), "Unpack a tar file at the file system root of each phone. Pack"),
        (("cph", "tags", "add"), "Add tags to a server. CPH 5.8.4"),
        ((), "cph CPH: cloud phones on servers that you rent."),
        (("cph",), "--project-id <str> Project. Default: HUAWEICLOUD_SDK_PROJECT_ID"),
        (("cph", "gaming"), "Cloud mobile gaming"),
        (("cph", "storage", "expand"), "--size <int> GiB up to 32,768, not less than now"),
        (("cph", "storage", "export"), "--include TEXT Absolute paths in /data or /cache"),
        (("cph", "commands", "run"), "--command <str> At most 1,024 bytes of UTF-8"),
        (("cph", "commands", "run"), "ID <list[str]> Ids of phones. `-` reads them from stdin."),
        (("cph", "phones", "connections"), "--client <ANDROID|WINDOWS|H5_MOBILE|H5_PC|IOS>"),
        (("cph", "servers", "restart"), "--tag KEY=VALUE Select those with this tag"),
        (("cph", "servers", "delete"), "ID"),
        (
            ("cph", "servers", "buy"),
            "--phone-disk-size <int> GiB. 10 to 32,768 GiB. Required with any other --phone-disk option",
        ),
        (("cph", "servers", "buy"), "--public-address-existing <list[str]> Id of one public address"),
        (("cph", "servers", "buy"), "Only in JSON: ports, each with name (at most 16 bytes"),
        (("cph", "servers", "buy"), "listen_port (10,000 to 50,000)"),
        (("video", "set"), "30 or 60 frames a second. A JSON list with the field names of the API"),
        (("cph", "phones", "list"), "Page size; iterating follows all pages. 1 to 200"),
        (("cph", "bandwidths", "update"), "BANDWIDTH"),
        (("cph", "undocumented", "list-subnets"), "--query JSON A JSON object, or @FILE."),
        (
            ("cph", "gaming", "deployments", "deploy"),
            "--versions TEXT Version ids; each is deployed on every",
        ),
        (("events", "serve"), "CPH 6.1 to 6.4 (2020-07-30)"),
        (("streaming", "progress"), "--user <str> The user who will stream; at most 32 characters"),
    ],
)
def test_the_help_describes_options(line: tuple[str, ...], text: str) -> None:
    assert text in help_of(*line)


@pytest.mark.parametrize(
    "entry", [entry for entry in ALL if entry.lists], ids=lambda entry: entry.operation.name
)
def test_the_help_of_lists_shows_a_valid_expression(entry: Entry) -> None:
    assert entry.lists
    parse(entry.lists.example).predicate(entry.lists.model)

    assert entry.lists.example in help_of(*entry.words)


@pytest.mark.parametrize(
    "words, fields",
    [
        (("exec",), "Fields: id, name, region, sku, is_frozen, running,"),
        (("cph", "phones", "stop"), "Fields: id, name, server, state, type, model,"),
        (("cph", "servers", "list"), "Fields: id, name, zone, model, phone_model,"),
    ],
)
def test_the_help_of_where_has_the_fields(words: tuple[str, ...], fields: str) -> None:
    assert fields in help_of(*words)


@pytest.mark.parametrize("name", ["page", "request-id", "kind"])
def test_internal_fields_have_no_option(name: str) -> None:
    assert f"--{name}" not in help_of("instances", "list") + help_of("apps", "install")


def test_the_help_explains_an_inherited_field() -> None:
    assert "--md5 <str> Always sent; may be empty" in help_of("apps", "install")


def models(model: type) -> Iterator[type]:
    yield model
    for attribute in attrs.fields(attrs.resolve_types(model)):
        if attrs.has(hint := first_type(attribute.type)):
            yield from models(hint)


def docstrings_under_fields(model: type) -> set[str]:
    """Return the fields of a model with a string under them, which Python drops when it compiles."""
    classes = [
        ast.parse(dedent(inspect.getsource(parent))).body[0] for parent in model.__mro__ if attrs.has(parent)
    ]
    return {
        above.target.id
        for tree in classes
        if isinstance(tree, ast.ClassDef)
        for above, below in pairwise(tree.body)
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name)
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


@pytest.mark.parametrize("entry", ALL, ids=lambda entry: entry.operation.name)
def test_the_help_of_options_survives_compilation(entry: Entry) -> None:
    options = MethodOptions.of(entry.method, entry.operation)
    groups = [group for group in options.groups if isinstance(group, ModelOptions)]
    lost = {
        name for group in groups for model in models(group.model) for name in docstrings_under_fields(model)
    }

    assert [o.option for group in groups for o in group.field_options if o.path[-1].name in lost] == []


def test_choices_are_not_repeated_in_the_help() -> None:
    text = help_of("apps", "list")

    assert "--type <system|third-party> Only system apps (1) or third-party apps (2) -o, --output" in text


def test_repeated_help_sentences_are_printed_once() -> None:
    assert (
        help_text.sentence("A name, at most 3 bytes.", "at most 3 bytes", "", "1 [x]")
        == "A name, at most 3 bytes. 1 [x]"
    )


def test_a_command_lists_what_a_method_iterates_over() -> None:
    assert "List the phones that match a query" in help_of("cph", "phones", "list")
