from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.cli.output.id_ranges import by_number, fold


def named(before: str, number: int, width: int, after: str) -> str:
    return f"{before}{number:0{width}}{after}"


NUMBERED = st.builds(
    named,
    st.sampled_from(["phone", "p-", "", "1x", "é"]),
    st.integers(0, 120),
    st.integers(1, 4),
    st.sampled_from(["", "", "b", "-c"]),
)
IDS = st.lists(NUMBERED | st.text(max_size=8), unique=True, max_size=25)


def unfold(entry: str) -> list[str]:
    if entry.startswith('"'):
        return [json.loads(entry)]
    parts = re.fullmatch(r"(.*?)\[([0-9,-]+)\](.*)", entry, re.DOTALL)
    if parts is None:
        return [entry]
    before, numbers, after = parts.groups()
    return [f"{before}{number}{after}" for range_ in numbers.split(",") for number in unfold_range(range_)]


def unfold_range(numbers: str) -> list[str]:
    first, _, last = numbers.partition("-")
    last = last or first
    width = len(first) if len(first) == len(last) else 0
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]


@given(IDS)
def test_folded_ids_can_be_restored(ids: list[str]) -> None:
    unfolded = [id for entry in fold(ids) for id in unfold(entry)]

    assert sorted(unfolded) == sorted(ids)


@given(IDS)
def test_folded_ids_are_ordered_by_number(ids: list[str]) -> None:
    unfolded = [id for entry in fold(ids) for id in unfold(entry)]

    assert unfolded == sorted(ids, key=by_number)


@given(st.integers(0, 500), st.integers(1, 300), st.integers(1, 5))
def test_consecutive_numbers_are_one_range(first: int, count: int, width: int) -> None:
    ids = [f"phone{number:0{width}}" for number in range(first, first + count)]
    padded = f"{first:0{width}}".startswith("0") and width > 1
    grows = padded and len(ids[-1]) > len(ids[0])

    (entry,) = fold(ids)
    assert entry.count(",") == grows


@pytest.mark.parametrize(
    "ids, folded",
    [
        (["phone0001", "phone0003", "phone0002"], ["phone[0001-0003]"]),
        (["phone0001", "phone0002", "phone0004"], ["phone[0001-0002,0004]"]),
        (["phone0001", "phone0004"], ["phone[0001,0004]"]),
        (["0a1b2c3d4e5f60718", "0a1b2c3d4e5f60719"], ["0a1b2c3d4e5f60718", "0a1b2c3d4e5f60719"]),
        (["p8", "p9", "p10"], ["p[8-10]"]),
        (["p08", "p09", "p10"], ["p[08-10]"]),
        (["p99", "p099", "p100"], ["p[99,099-100]"]),
        (["a1x", "a2x", "a3"], ["a[1-2]x", "a3"]),
        (["p1", "p1"], ["p1"]),
        (["p[1-2]", "", "a,b"], ['""', '"a,b"', '"p[1-2]"']),
        (["p" + "9" * 5_000, "p1", "p2"], ["p[1-2]", "p" + "9" * 5_000]),
        ([], []),
    ],
    ids=lambda ids: ",".join(ids)[:40],
)
def test_ids_fold_as_a_person_would_write_them(ids: list[str], folded: list[str]) -> None:
    assert fold(ids) == folded
