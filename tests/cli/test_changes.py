"""Properties of phones before and after a command that changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from koophone_async import Outcome, State
from koophone_async.cli.commands.changes import COLUMNS, Changes, print_changes
from koophone_async.cli.output.printing import Format
from koophone_async.cli.output.progress import Work
from koophone_async.cli.output.view import View
from koophone_async.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

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


class Ended:
    """A run of two phones, of which one failed."""

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        yield Outcome("p1", State.SUCCEEDED)
        yield Outcome("p2", State.FAILED, error_code="X")

    async def cancel(self) -> None: ...


async def test_only_phones_that_succeeded_are_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    reads: list[str] = []

    async def read(id: str) -> Mapping[str, str]:
        reads.append(id)
        return {"reads": str(len(reads))}

    changes = await Changes.of(["p1", "p2"], read, 1)
    code = await print_changes(Ended(), changes, View(Format.CSV).values_printer(COLUMNS), Work("x"))

    assert (code, reads) == (1, ["p1", "p2", "p1"])
    assert capsys.readouterr().out == "id,property,before,after\np1,reads,1,3\n"


async def test_a_failure_of_the_second_read_keeps_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    reads: list[str] = []

    async def read(id: str) -> Mapping[str, str]:
        reads.append(id)
        if reads.count(id) == 2:
            raise NotFound("cph.phones.show", 404, "X", "gone")
        return {}

    changes = await Changes.of(["p1", "p2"], read, 1)
    await print_changes(Ended(), changes, View().values_printer(COLUMNS), Work("x"))

    err = capsys.readouterr().err
    assert err.startswith("koophone: what changed could not be read: cph.phones.show: X: gone")
    assert "koophone: 1 succeeded · 1 failed" in err
