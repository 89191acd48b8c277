"""Tables that fit the terminal; columns, order and number of rows as chosen."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Final

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.commands.services import entries
from koophone_async.cli.output.columns import IN_TABLES, Columns
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.rows import EnumName, item_model, model_fields, rows
from koophone_async.cli.output.tables import table_lines, words
from koophone_async.cli.output.terminal import chop, cut, width_of, wrap
from koophone_async.services.cph.server import ServerState
from tests.cli.terminals import PLAIN, run_in_terminal

if TYPE_CHECKING:
    from koophone_async.cli.output.rows import Row
    from koophone_async.operation import AnyOperation
    from tests.cli.conftest import Invoke

JSONL: Final = ("-o", "jsonl")
WIDE: Final = st.text(st.sampled_from("ab世界😀é e\u0301"), max_size=60)
ROWS: Final = st.lists(st.fixed_dictionaries({"id": WIDE, "name": WIDE, "output": WIDE}), min_size=1)


@given(ROWS, st.integers(30, 120))
def test_no_line_of_a_table_is_wider_than_the_terminal(items: list[Row], width: int) -> None:
    lines = [*table_lines(("id", "name", "output"), items, width, is_chosen=True)]

    assert max(map(width_of, lines)) <= width


@given(WIDE, st.integers(2, 40))
def test_text_is_cut_by_display_width(text: str, width: int) -> None:
    short = cut(text, width)

    assert width_of(short) <= width
    assert short == text or (short.endswith("…") and text.startswith(short[:-1]))


@given(WIDE, st.integers(2, 40))
def test_wrapped_text_loses_nothing(text: str, width: int) -> None:
    lines = chop(text, width)

    assert "".join(lines) == text
    assert all(width_of(line) <= width for line in lines)


def test_columns_stay_aligned_behind_wide_text() -> None:
    items = [{"id": "世界" * 5, "state": "on"}, {"id": "p1", "state": "off"}]

    _, wide, short = table_lines(("id", "state"), items, 40)

    assert width_of(wide.removesuffix("on")) == width_of(short.removesuffix("off"))


def test_an_output_is_shown_in_full() -> None:
    items = [{"id": "p1", "output": "one two\nthree\n"}]

    assert [*table_lines(("id", "output"), items, 12)] == ["ID  OUTPUT", "p1  one two", "    three"]


@given(WIDE, st.integers(10, 40), st.integers(0, 4))
def test_lines_are_broken_between_words(text: str, width: int, indent: int) -> None:
    lines = wrap(text.strip(), width, indent).split("\n")

    assert " ".join(lines).split() == text.split()
    assert all(width_of(line) <= width or max(map(width_of, line.split())) + indent > width for line in lines)


def test_a_long_word_stays_in_its_line() -> None:
    token = "t" * 30

    assert wrap(f"  koophone jobs wait {token} or later", 20) == f"  koophone jobs wait {token}\n    or later"


def test_rows_are_printed_as_fields_if_the_columns_do_not_fit() -> None:
    names = ("id", "aa", "bb", "cc")
    items: list[Row] = [dict.fromkeys(names, "x" * 20), {"id": "p2"}]

    assert [*table_lines(names, items, 30)] == [*(f"{name}  {'x' * 20}" for name in names), "", "id  p2"]


@pytest.mark.parametrize(
    "value, text",
    [
        (EnumName("GOING_OFFLINE"), "going offline"),
        (EnumName("CREATING_AS_WELL"), "creating"),
        (EnumName(ServerState.CREATING_3.name), "creating"),
        ("GOING_OFFLINE", "GOING_OFFLINE"),
        (True, "yes"),
        (False, "no"),
        (None, ""),
        (5, "5"),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)
def test_values_are_words_of_people(value: object, text: str) -> None:
    assert words(value) == text


READING: Final = [entry for entry in entries("koophone", "cph") if entry.verb and entry.verb.reads]


@pytest.mark.parametrize("name", IN_TABLES)
def test_the_columns_of_tables_are_columns_of_the_list(name: str) -> None:
    operation = OPERATIONS[name]
    reads = [entry.verb.reads for entry in READING if entry.operation is operation and entry.verb]
    known = Columns.of_values(operation, reads[0] or str) if reads else Columns.of(operation)

    assert set(IN_TABLES[name]) <= set(known.known)


LISTS: Final = [operation for operation in OPERATIONS.values() if Columns.of(operation).is_list]


@pytest.mark.parametrize("operation", LISTS, ids=lambda operation: operation.name)
def test_the_columns_of_a_list_are_those_of_its_rows(operation: AnyOperation) -> None:
    answer = example(operation.answer)
    items = getattr(answer, "items", (answer,))

    assert [tuple(row) for item in items for row in rows(item)] == [Columns.of(operation).known]


def example(model: type) -> object:
    """Create a model of which each list has one item."""
    values: dict[str, object] = {}
    for field in model_fields(model):
        item = item_model(field.type)
        if item is not None:
            values[field.alias or field.name] = (example(item),)
        elif field.default in (attrs.NOTHING, None):
            values[field.alias or field.name] = "x"
    return model(**values)


def test_an_empty_list_says_so_and_csv_has_its_header(koophone: Invoke) -> None:
    listed = ("instances", "list", "--id", "nope")
    table, text = koophone(listed), koophone((*listed, "-o", "csv"))

    assert (table.out, table.err) == ("", "koophone: no results\n")
    assert text.err == "koophone: no results\n"
    assert text.out.startswith("id,name,region,sku,")
    assert text.out.count("\n") == 1


def test_values_of_no_phone_are_no_results(koophone: Invoke) -> None:
    listed = ("apps", "list", "phone0001", "--type", "third-party")

    assert koophone((*listed, "-o", "csv")).out == "id,package,name,version,icon\n"
    assert koophone(listed).err == "koophone: no results from 1 phones\n"


def test_columns_are_chosen(koophone: Invoke) -> None:
    listed = ("instances", "list", "--limit", "2")

    assert koophone((*listed, "--columns", "region, id", "-o", "csv")).out.splitlines() == [
        "region,id",
        "cn-north-4,phone0001",
        "cn-north-4,phone0002",
    ]
    assert koophone((*listed, "--columns", "id", *JSONL)).rows == [{"id": "phone0001"}, {"id": "phone0002"}]
    assert koophone(listed).out.splitlines()[0].split() == ["ID", "NAME", "RUNNING", "REGION"]
    assert len(koophone((*listed, "--columns", "all", "-o", "csv")).out.split("\n")[0].split(",")) > 15


def test_rows_are_sorted_by_number_and_limited(koophone: Invoke) -> None:
    result = koophone(
        ("instances", "list", "--sort", "region,-id", "--limit", "2", "--columns", "id", *JSONL)
    )

    assert [row["id"] for row in result.rows] == ["phone0250", "phone0249"]


def test_a_limit_ends_the_list_early(koophone: Invoke) -> None:
    result = koophone(("instances", "list", "--size", "10", "--limit", "10", *JSONL))

    assert len(result.rows) == 10
    assert koophone(("instances", "list", "--limit", "0", "-o", "csv")).out.count("\n") == 1


@pytest.mark.parametrize("option", ["--columns", "--sort"])
@pytest.mark.parametrize(
    "line", [("instances", "list"), ("exec", "phone0001", "--"), ("apps", "list", "phone0001")]
)
def test_an_unknown_column_is_refused_with_the_known_ones(
    option: str, line: tuple[str, ...], koophone: Invoke
) -> None:
    *words_, last = (*line, "id -u") if line[-1] == "--" else (*line, "")
    dashes = ["--", last] if last else []
    result = koophone([word for word in words_ if word != "--"] + [option, "id,nope", *dashes])

    assert result.code == 2
    assert f"koophone: {option}: has no column 'nope'; the columns are id, " in result.err


FORMULAS: Final = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "\uff1d1", "\n=1"]


def test_csv_can_be_made_safe_for_spreadsheets(capsys: pytest.CaptureFixture[str]) -> None:
    items: list[Row] = [{"output": text, "seconds": -1.5} for text in [*FORMULAS, "1-1", ""]]
    with printer(Format.CSV, csv_safe=True) as out:
        for row in items:
            out.row(row)

    parsed = [*csv.DictReader(io.StringIO(capsys.readouterr().out, newline=""))]
    assert [row["output"] for row in parsed] == [*(f"'{text}" for text in FORMULAS), "1-1", ""]
    assert {row["seconds"] for row in parsed} == {"-1.5"}


def test_csv_is_made_safe_by_an_option(koophone: Invoke) -> None:
    line = ("exec", "phone0001", "--sync", "-o", "csv", "--columns", "output")

    assert koophone((*line, "--csv-safe", "--", "echo =1+1")).out == 'output\n"\'=1+1\n"\n'
    assert koophone((*line, "--", "echo =1+1")).out == 'output\n"=1+1\n"\n'


@pytest.mark.process
@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize(
    "line",
    [
        ("instances", "list"),
        ("cph", "phones", "list"),
        ("cph", "servers", "list"),
        ("cph", "encoding-servers", "list"),
        ("cph", "scheduled-events", "list"),
        ("iam", "projects", "list"),
    ],
    ids=" ".join,
)
def test_lists_fit_the_terminal(line: tuple[str, ...], columns: int, emulator: dict[str, str]) -> None:
    text = run_in_terminal(*line, "--limit", "5", environ=emulator | PLAIN, columns=columns)

    assert "…" not in text
    assert max(map(width_of, text.splitlines())) <= columns
    assert len({line.count("  ") > 0 for line in text.splitlines()}) == 1


NO_STYLES: Final = ({"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb", "NO_COLOR": ""})


@pytest.mark.process
def test_a_header_is_bold_unless_the_terminal_has_no_styles(emulator: dict[str, str]) -> None:
    line = ("instances", "list", "--limit", "1")
    plain = [run_in_terminal(*line, environ=emulator | variables) for variables in NO_STYLES]
    styled = run_in_terminal(*line, environ=emulator | {"TERM": "xterm", "NO_COLOR": ""})

    assert styled.startswith("\x1b[1mID")
    assert {text.startswith("ID ") and "\x1b" not in text for text in plain} == {True}
    assert json.dumps(styled).count("\\u001b") == 2
