"""Equal values of many phones: one row with their number and their ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.cli.output.columns import Columns
from koophone_async.cli.output.pivot import Pivot
from koophone_async.cli.output.printing import Format, Printer
from koophone_async.cli.output.view import View

if TYPE_CHECKING:
    from koophone_async.cli.output.rows import Row
    from tests.cli.conftest import Invoke


class Collected(Printer):
    """Keeps the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[Row] = []

    def row(self, row: Row) -> None:
        self.rows.append(row)


def pivot(rows: list[Row], *columns: str) -> list[Row]:
    with Pivot(inner := Collected(), columns) as out:
        for row in rows:
            out.row(row)
    return inner.rows


def installed(id: str, app: str, version: str) -> Row:
    return {"id": id, "app": app, "version": version, "icon": None}


APPS: Final = [
    installed("p1", "rare", "1"),
    *(installed(f"p{number}", "shop", "2.4") for number in (1, 2)),
    *(installed(f"p{number}", "shop", "2.5") for number in (3, 4, 5)),
    *(installed(f"p{number}", "game", "1") for number in (1, 2, 3, 4)),
]


def test_versions_of_an_app_stay_together_and_common_apps_come_first() -> None:
    assert [
        (row["app"], row["version"], row["count"], row["ids"]) for row in pivot(APPS, "app", "version")
    ] == [
        ("shop", "2.5", 3, "p[3-5]"),
        ("shop", "2.4", 2, "p[1-2]"),
        ("game", "1", 4, "p[1-4]"),
        ("rare", "1", 1, "p1"),
    ]


def test_only_the_chosen_columns_are_compared() -> None:
    assert [(row["app"], row["count"]) for row in pivot(APPS, "app")] == [
        ("shop", 5),
        ("game", 4),
        ("rare", 1),
    ]


def test_a_phone_is_counted_once() -> None:
    assert pivot([installed("p1", "a", "1")] * 2, "app") == [{"app": "a", "count": 1, "ids": "p1"}]


VALUES: Final = st.fixed_dictionaries(
    {"id": st.sampled_from("abc"), "v": st.lists(st.integers(0, 2), max_size=2)}
)


@given(st.lists(VALUES))
def test_each_value_has_one_row(rows: list[Row]) -> None:
    values = [row["v"] for row in pivot(rows, "v")]

    assert sorted(values) == sorted(map(list, {tuple(row["v"]) for row in rows}))


def test_an_audit_of_apps(koophone: Invoke) -> None:
    line = ("apps", "list", "--where", 'id ~ "phone000*"', "--group")
    header, first, *_ = koophone(line).out.splitlines()
    rows = koophone((*line, "-o", "jsonl", "--columns", "package,count")).rows

    assert header.split() == ["PACKAGE", "VERSION", "COUNT", "IDS"]
    assert first.split()[0] == "android"
    assert {row["count"] for row in rows} == {9}
    assert rows[0].keys() == {"package", "count"}


def test_states_are_counted(koophone: Invoke) -> None:
    result = koophone(("instances", "status", "phone0001", "phone0002", "--group", "-o", "csv"))

    assert result.out == "state,count,ids\nRUNNING,2,phone[0001-0002]\n"


def test_phones_that_could_not_be_read_are_listed(koophone: Invoke) -> None:
    result = koophone(("apps", "list", "phone0001", "nope", "--failed-only", "-o", "jsonl"))

    assert [(row["id"], row["state"]) for row in result.rows] == [("nope", "refused")]
    assert result.code == 1


@pytest.mark.parametrize("group", [False, True])
def test_values_have_columns_without_rows(group: bool, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: FBT001 - a parameter of the test
    with View(Format.CSV, group=group).values_printer(Columns(("id", "state"), ("id", "state"))):
        pass

    assert capsys.readouterr().out == ("state,count,ids\n" if group else "id,state\n")
