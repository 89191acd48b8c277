"""Properties of phones before and after a command that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.cli.changes import Changes
from koophone_async.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.cli.conftest import Invoke

UPDATE: Final = ("cph", "phones", "update-properties", "--where", 'name ~ "phone-0000[1-3]"', "--changes")
KEYS: Final = "com.cph.mainkeys"


def test_changed_properties_are_printed_with_both_values(koophone: Invoke) -> None:
    set_to = [(*UPDATE, "--properties", f"{KEYS}={value}", "-o", "jsonl") for value in (1, 0)]
    rows = koophone(*set_to).rows

    assert [(row["property"], row["before"], row["after"]) for row in rows] == [
        *[(KEYS, None, "1")] * 3,
        *[(KEYS, "1", "0")] * 3,
    ]
    assert len({row["id"] for row in rows}) == 3


def test_equal_changes_are_one_group(koophone: Invoke) -> None:
    result = koophone(
        (*UPDATE, "--properties", f"{KEYS}=1", "--group", "-o", "csv", "--columns", "property,after,count")
    )

    assert result.out == f"property,after,count\n{KEYS},1,3\n"


def test_no_change_is_reported(koophone: Invoke) -> None:
    line = (*UPDATE, "--properties", f"{KEYS}=1")
    result = koophone(line, line)

    assert result.err.endswith("koophone: no property of 3 phones has another value than before\n")


def test_a_wrong_column_is_refused_before_anything_is_read(koophone: Invoke) -> None:
    result = koophone((*UPDATE, "--properties", f"{KEYS}=1", "--columns", "output"))

    assert result.code == 2
    assert "the columns are id, property, before, after" in result.err


async def test_a_phone_that_cannot_be_read_stops_the_command_before_it_starts() -> None:
    async def read(id: str) -> Mapping[str, str]:
        if id == "p2":
            raise NotFound("cph.phones.show", 404, "X", "no")
        return {}

    with pytest.raises(NotFound):
        await Changes.of(["p1", "p2", "p3"], read, 2)


async def test_only_other_values_are_changes() -> None:
    values = {"p1": {"kept": "1", "gone": "2", "set": "3"}, "p2": {"kept": "1"}}

    async def read(id: str) -> Mapping[str, str]:
        return values[id]

    changes = await Changes.of(values, read, 3)
    values["p1"] = {"kept": "1", "set": "4", "new": "5"}

    assert await changes.compare(["p1", "p2"]) == [
        {"id": "p1", "property": "gone", "before": "2", "after": None},
        {"id": "p1", "property": "new", "before": None, "after": "5"},
        {"id": "p1", "property": "set", "before": "3", "after": "4"},
    ]
