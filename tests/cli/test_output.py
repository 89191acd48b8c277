from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import yaml
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import State
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.rows import OUTCOME_COLUMNS, plain, rows
from koophone_async.koophone import Accepted, RunningState, Scene, StartedJob, StartedTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from koophone_async.cli.output.rows import Row

ROWS: list[Row] = [
    {"id": "p1", "state": "failed", "output": "a\nb\n", "value": {"x": [1]}, "none": None},
    {"id": "p2", "state": "succeeded", "output": "世界", "value": None, "none": None},
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def printed(capsys: pytest.CaptureFixture[str], output: Format, items: Sequence[Row], *columns: str) -> str:
    with printer(output, columns) as out:
        for row in items:
            out.row(row)
    return capsys.readouterr().out


def test_a_table_in_a_pipe_has_one_full_line_per_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, Format.TABLE, ROWS).splitlines() == [
        "ID  STATE      OUTPUT  VALUE",
        'p1  failed     a\\nb    {"x": [1]}',
        "p2  succeeded  世界",
    ]


def test_a_long_cell_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert "x" * 5000 in printed(capsys, Format.TABLE, [{"output": "x" * 5000}])


def test_control_codes_in_outputs_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, Format.TABLE, [{"output": "\x1b[2Jgone\x9b\r"}])

    assert out.splitlines()[1] == "\\x1b[2Jgone\\x9b\\r"


@given(st.lists(st.fixed_dictionaries({"id": TEXT, "output": TEXT | st.none()}), max_size=5))
def test_json_and_json_lines_lose_nothing(items: list[Row]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        lines, array = io.StringIO(), io.StringIO()
        for output, stream in ((Format.JSONL, lines), (Format.JSON, array)):
            patch.setattr("sys.stdout", stream)
            with printer(output) as out:
                for row in items:
                    out.row(row)

    assert json.loads(array.getvalue()) == items
    assert [json.loads(line) for line in lines.getvalue().split("\n")[:-1]] == items


@given(st.lists(st.fixed_dictionaries({"id": TEXT, "output": TEXT}), min_size=1, max_size=5))
def test_csv_survives_a_round_trip(items: list[Row]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stream = io.StringIO()
        patch.setattr("sys.stdout", stream)
        with printer(Format.CSV) as out:
            for row in items:
                out.row(row)

    stream.seek(0)
    assert list(csv.DictReader(io.StringIO(stream.getvalue(), newline=""))) == items


@pytest.mark.parametrize(
    "output, text",
    [(Format.CSV, "id,state\n"), (Format.JSON, "[]\n"), (Format.JSONL, ""), (Format.TABLE, "")],
)
def test_output_without_rows(capsys: pytest.CaptureFixture[str], output: Format, text: str) -> None:
    assert printed(capsys, output, [], "id", "state") == text


def test_csv_without_rows_or_columns_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, Format.CSV, []) == ""


def test_rows_before_an_error_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        with printer(Format.JSON) as out:
            out.row({"id": "p1"})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert json.loads(capsys.readouterr().out) == [{"id": "p1"}]


def test_nothing_is_printed_after_a_broken_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    def left_alone() -> None:
        with printer(Format.TABLE) as out:
            out.row({"id": "p1"})
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        left_alone()

    assert capsys.readouterr().out == ""


def test_an_outcome_has_the_documented_columns() -> None:
    columns = ("id", "state", "job_id", "error_code", "error_message", "output", "seconds", "resume_token")
    assert columns == OUTCOME_COLUMNS


def test_enums_and_times_are_printed_readably() -> None:
    @frozen
    class Model:
        running: RunningState | int
        at: datetime

    moment = datetime(2026, 1, 2, tzinfo=UTC)

    assert plain(
        (Model(RunningState.RUNNING, moment), Model(99, moment), Scene.CLOUD_APP, {1: State.FAILED})
    ) == [
        {"running": "RUNNING", "at": "2026-01-02T00:00:00+00:00"},
        {"running": 99, "at": "2026-01-02T00:00:00+00:00"},
        "CLOUD_APP",
        {"1": "failed"},
    ]


def test_a_list_in_an_answer_is_printed_as_rows() -> None:
    started = StartedTask("t1", (StartedJob("p1", "j1"), StartedJob("p2", "j2")))

    assert [*rows(started)] == [
        {"task_id": "t1", "instance": "p1", "id": "j1"},
        {"task_id": "t1", "instance": "p2", "id": "j2"},
    ]
    assert [*rows(Accepted())] == [{"state": "accepted"}]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"id": "a", "tags": {"k": ["v"]}, "note": None}, {"id": "b: c", "n": 1}],
        [{"on": 1, "": 2, "a: b\n- c": 3, "\x1b[2J\U000e0041": 4, "1": 5, "Null": 6}],
    ],
)
def test_yaml_has_an_item_for_each_row(rows: list[Row], capsys: pytest.CaptureFixture[str]) -> None:
    with printer(Format.YAML) as out:
        for row in rows:
            out.row(row)

    assert yaml.safe_load(capsys.readouterr().out) == rows
