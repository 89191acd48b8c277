"""Groups of phones with the same result, and their differences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Outcome, State
from koophone_async.cli.output.groups import group, group_lines, group_rows
from koophone_async.cli.output.id_ranges import fold, shorten
from koophone_async.cli.output.terminal import is_visible, visible, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.cli.conftest import Invoke


def numbered(first: int, last: int, state: State = State.SUCCEEDED, **result: Any) -> list[Outcome]:  # noqa: ANN401 - fields of an outcome
    return [Outcome(f"phone{number:05}", state, **result) for number in range(first, last + 1)]


BUSY: Final = {"error_code": "KOOPHONE.API.5005", "error_message": "the phone is busy."}
FLEET: Final = [
    *numbered(9_901, 9_943, State.FAILED, **BUSY),
    *numbered(9_944, 9_990, output="11\npatched\n"),
    *numbered(1, 9_900, output="11\n"),
    *numbered(9_991, 10_000, State.UNKNOWN, error_message="no answer"),
]


def lines(outcomes: Sequence[Outcome], width: int | None = 80, *, diff: bool = False) -> list[str]:
    return [*group_lines(group(outcomes), width, diff=diff)]


def test_groups_show_count_state_and_output_before_the_ids() -> None:
    assert lines(FLEET) == [
        "9,900 succeeded: 11",
        "      on phone[00001-09900]",
        "   47 succeeded:",
        "  | 11",
        "  | patched",
        "      on phone[09944-09990]",
        "   43 failed: KOOPHONE.API.5005 the phone is busy",
        "      on phone[09901-09943]",
        "   10 unknown: no answer",
        "      on phone[09991-10000]",
    ]


def test_a_diff_compares_with_the_largest_group() -> None:
    shown = lines(FLEET, diff=True)

    assert shown[0] == "9,900 succeeded: 11"
    assert shown[3:8] == [
        "  | --- largest group (9,900)",
        "  | +++ this group (47)",
        "  | @@ -1 +1,2 @@",
        "  |  11",
        "  | +patched",
    ]


def test_rows_of_groups_have_the_diff_and_all_ids() -> None:
    first, second, *_ = group_rows(group(FLEET), diff=True)

    assert (first["count"], first["ids"], first["diff"]) == (9_900, "phone[00001-09900]", "")
    assert second["diff"].endswith("@@ -1 +1,2 @@\n 11\n+patched")


def test_a_phone_without_output_has_no_diff() -> None:
    assert lines(numbered(1, 2, State.FAILED, **BUSY), diff=True) == [
        "2 failed: KOOPHONE.API.5005 the phone is busy",
        "  on phone[00001-00002]",
    ]


def test_an_output_cannot_imitate_another_group() -> None:
    shown = lines(numbered(1, 1, output="ok\n9 failed: x\n  on phone[1-9]\x1b[2J"))

    assert shown == [
        "1 succeeded:",
        "  | ok",
        "  | 9 failed: x",
        "  |   on phone[1-9]\\x1b[2J",
        "  on phone00001",
    ]


def test_request_ids_do_not_separate_groups() -> None:
    lost = [
        Outcome(f"p{n}", State.UNKNOWN, error_message=f"no answer (request a-{n}): reset") for n in (1, 2)
    ]

    assert lines(lost) == ["2 unknown: no answer: reset", "  on p[1-2]"]


IDS: Final = st.lists(
    st.from_regex(r"p[0-9]{1,3}|[a-f]{16}[0-9]|[世界\u202e]{1,9}", fullmatch=True), min_size=1
)


@given(IDS, st.integers(20, 100))
def test_ids_fit_on_one_visible_line(ids: list[str], width: int) -> None:
    line = shorten(ids, width)

    assert width_of(line) <= width
    assert all(map(is_visible, line))


@given(IDS)
def test_all_ids_are_counted(ids: list[str]) -> None:
    line = shorten(ids, 60)

    if line.endswith(" more"):
        _, rest = line.removesuffix(" more").split(" ... and ")
        assert 0 < int(rest.replace(",", "")) < len(set(ids))
    else:
        assert line == visible(",".join(fold(ids))) or line.endswith("…")


HEX: Final = [f"{'abcd' * 6}{number:08}" for number in range(4_123)]


@pytest.mark.parametrize(
    "ids, width, names, line",
    [
        ([f"p{n}" for n in range(1, 481)], 60, {}, "p[1-480]"),
        ([f"p{n}" for n in range(1, 99, 2)], 30, {}, "p[1,3,5,7,9] ... and 44 more"),
        (HEX[:2], 70, {}, ",".join(HEX[:2])),
        (HEX, 120, {}, ",".join(HEX[:3]) + " ... and 4,120 more"),
        (HEX, 60, {}, "abcdabcd…,abcdabcd…,abcdabcd… ... and 4,120 more"),
        (HEX, 60, {id: f"shop-{n:04}" for n, id in enumerate(HEX)}, "shop-[0000-4122]"),
        (HEX[:3], 120, dict.fromkeys(HEX, "shop"), ",".join(HEX[:3])),
        (["p1", "p2"], 60, {"p1": "a", "p2": "b"}, "p[1-2]"),
    ],
)
def test_ids_are_shortened_as_people_read_them(
    ids: list[str], width: int, names: dict[str, str], line: str
) -> None:
    assert shorten(ids, width, names) == line


PHONES: Final = ("phone0001", "phone0002", "x")


def test_a_fleet_is_printed_in_groups(koophone: Invoke) -> None:
    result = koophone(("exec", *PHONES, "--group", "--", "id -u"))

    assert result.out.splitlines() == [
        "2 succeeded · 1 refused",
        "2 succeeded: 2000",
        "  on phone[0001-0002]",
        *result.out.splitlines()[3:4],
        "  on x",
    ]
    assert result.out.splitlines()[3].startswith("1 refused: KOOPHONE.API.1001 ")
    assert result.err.startswith("koophone: 2 succeeded · 1 refused\n  1 refused: KOOPHONE.API.1001 ")


def test_only_failures_are_printed_on_request(koophone: Invoke) -> None:
    rows = koophone(("exec", *PHONES, "--failed-only", "-o", "jsonl", "--", "id -u")).rows
    groups = koophone(("exec", *PHONES, "--failed-only", "--group", "--", "id -u")).out.splitlines()

    assert [row["id"] for row in rows] == ["x"]
    assert (groups[0], groups[2:]) == ("2 succeeded · 1 refused", ["  on x"])


def test_no_phone_is_no_group(koophone: Invoke) -> None:
    result = koophone(("exec", "--where", "name == nobody", "--group", "--", "id -u"))

    assert (result.out, "koophone: no phones matched; nothing was done" in result.err) == ("", True)


def test_a_table_starts_with_the_failures(koophone: Invoke) -> None:
    result = koophone(("exec", *PHONES, "--", "id -u"))

    assert [line.split()[0] for line in result.out.splitlines()] == ["ID", "x", "phone0001", "phone0002"]


def test_servers_of_a_list_are_grouped_by_name(koophone: Invoke) -> None:
    result = koophone(
        ("cph", "commands", "run", "--where", 'name ~ "phone-0000[1-3]"', "--group", "--command", "id -u")
    )

    assert result.out.splitlines()[0] == "3 succeeded"
    assert json.dumps(result.out).count("on ") == 1
