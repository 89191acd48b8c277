"""A stream that cannot encode a character loses no row, and JSON stays JSON."""

from __future__ import annotations

import csv
import io
import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.batches import Outcome, State
from koophone_async.cli.output.encoding import dump_json, escape_unencodable
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.rows import OUTCOME_COLUMNS
from tests.cli.conftest import started

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.cli.conftest import Start

ENCODINGS = ("ascii", "cp1252", "latin-1", "gbk", "gb18030", "big5", "shift_jis", "koi8-r", "cp437", "utf-8")
texts = st.text(st.characters(exclude_characters="\r\n\t") | st.sampled_from("😀中é\ud83d€"), max_size=8)


@contextmanager
def stdout_of(encoding: str) -> Generator[io.BytesIO]:
    buffer, previous = io.BytesIO(), sys.stdout
    sys.stdout = io.TextIOWrapper(buffer, encoding=encoding, newline="")
    try:
        escape_unencodable(sys.stdout, sys.stderr)
        yield buffer
    finally:
        sys.stdout.flush()
        sys.stdout = previous


@pytest.mark.parametrize("output", Format)
@given(st.sampled_from(ENCODINGS), st.lists(texts, min_size=1, max_size=3))
def test_no_row_is_lost(output: Format, encoding: str, outputs: list[str]) -> None:
    rows = [Outcome(f"p{i}", State.FAILED, output=text).to_row() for i, text in enumerate(outputs)]
    with stdout_of(encoding) as buffer:
        with printer(output, OUTCOME_COLUMNS) as out:
            for row in rows:
                out.row(row)
        sys.stdout.flush()
        printed = buffer.getvalue().decode(encoding)

    match output:
        case Format.JSON:
            assert json.loads(printed) == rows
        case Format.JSONL:
            assert [json.loads(line) for line in printed.split("\n")[:-1]] == rows
        case Format.YAML:
            assert yaml.safe_load(printed) == rows
        case Format.CSV:
            parsed = list(csv.DictReader(io.StringIO(printed, newline="")))
            assert [row["id"] for row in parsed] == [row["id"] for row in rows]
        case _:
            assert [line.split()[0] for line in printed.split("\n")[:-1]] == [
                "ID",
                *(row["id"] for row in rows),
            ]


@given(
    st.sampled_from(ENCODINGS), st.recursive(texts, lambda inner: st.dictionaries(texts, inner, max_size=2))
)
def test_json_is_the_same_in_every_encoding(encoding: str, value: object) -> None:
    with stdout_of(encoding):
        text = dump_json(value, indent=2)

    assert json.loads(text.encode(encoding).decode(encoding)) == value


def test_only_what_cannot_be_encoded_is_escaped() -> None:
    assert dump_json("é中😀\ud83d", "latin-1") == '"é\\u4e2d\\ud83d\\ude00\\ud83d"'
    assert dump_json("é中😀\ud83d", "utf-8") == '"é中😀\\ud83d"'
    assert dump_json("é中", "ascii") == '"\\u00e9\\u4e2d"'


@pytest.mark.process
def test_a_redirected_stdout_of_windows_gets_every_row(start: Start) -> None:
    line = ("exec", "phone0001", "phone0002", "--sync", "--output", "csv", "--", "echo 😀")
    result = start(*line, environ={"PYTHONIOENCODING": "gbk"}).end()

    assert (result.code, result.out.count("\\U0001f600")) == (0, 2)


@pytest.mark.process
def test_help_and_errors_are_printed_in_ascii() -> None:
    ascii_only = {"PYTHONIOENCODING": "ascii:strict", "TERM": "dumb"}
    with started("exec", "--help", environ=ascii_only) as process:
        result = process.end()
    with started("api", "中😀", environ=ascii_only) as process:
        refused = process.end()

    assert (result.code, result.err) == (0, "")
    assert refused.code == 2
    assert refused.err.startswith("koophone: OPERATION: \\u4e2d\\U0001f600 does not exist")


@pytest.mark.process
def test_marks_of_messages_have_ascii_forms(emulator: dict[str, str]) -> None:
    environ = emulator | {"PYTHONIOENCODING": "ascii:strict"}
    with started("instances", "reset", "phone0001", "phone0002", environ=environ) as process:
        result = process.end()

    key = emulator["HUAWEICLOUD_SDK_AK"][:4]
    assert f"with permanent access key {key}... (project" in result.err
