"""Groups of ids with the same result, as clush and dshbak show them: each output once, the largest first."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Final

from attrs import frozen

from koophone_async.batches import Outcome, State
from koophone_async.cli.output.encoding import printable
from koophone_async.cli.output.id_ranges import fold, shorten
from koophone_async.cli.output.rows import Row
from koophone_async.cli.output.tables import STATE_STYLES
from koophone_async.cli.output.terminal import Style, styled, visible

GROUP_COLUMNS: Final = ("count", "state", "error_code", "error_message", "output", "ids")

_MARGIN: Final = "  | "
"""Before each line of an output, which can thus imitate no other line."""

_REQUEST: Final = re.compile(r" \(request [\w-]+\)")
"""Id of a request in a message, which differs from call to call."""

_DIFF_STYLES: Final = {"+": Style.GREEN, "-": Style.RED}


@frozen
class Group:
    """Ids with the same result."""

    state: State
    error_code: str | None
    error_message: str | None
    output: str | None
    ids: tuple[str, ...]

    @property
    def error(self) -> str:
        """Error code and message; empty if there is none."""
        return " ".join(filter(None, (self.error_code, self.error_message)))

    @property
    def lines(self) -> list[str]:
        """Lines of the output."""
        return self.output.rstrip("\n").split("\n") if self.output else []

    def to_row(self) -> Row:
        """Return the group as a row; its ids are folded and can be restored."""
        return {
            "count": len(self.ids),
            "state": self.state.value,
            "error_code": self.error_code,
            "error_message": self.error_message,
            "output": self.output,
            "ids": ",".join(fold(self.ids)),
        }


def group(outcomes: Iterable[Outcome]) -> list[Group]:
    """Group outcomes with the same result, the largest group first."""
    ids: dict[tuple[State, str | None, str | None, str | None], list[str]] = {}
    for outcome in outcomes:
        message = _REQUEST.sub("", outcome.error_message) if outcome.error_message else None
        result = (outcome.state, outcome.error_code, message, outcome.output)
        ids.setdefault(result, []).append(outcome.id)
    groups = [Group(*result, tuple(members)) for result, members in ids.items()]
    return sorted(groups, key=lambda group: -len(group.ids))


def group_rows(groups: Sequence[Group], *, diff: bool = False) -> Iterator[Row]:
    """Return a row for each group, with a column `diff` to the output of the largest if that is wanted."""
    reference = _reference(groups) if diff else None
    for each in groups:
        row = each.to_row()
        yield row | {"diff": "\n".join(_diff(reference, each))} if reference is not None else row


def group_lines(
    groups: Sequence[Group], width: int | None, *, diff: bool = False, names: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Return the lines of groups for people: count, state, output, and the ids in one line.

    Args:
        groups: The groups, the largest first.
        width: Width of the terminal; None in a pipe, where all ids are printed.
        diff: Whether to show the differences from the output of the largest group instead of each output.
        names: Names by id, which are shown instead of hexadecimal ids.
    """
    reference = _reference(groups) if diff else None
    digits = max((len(f"{len(each.ids):,}") for each in groups), default=0)
    for each in groups:
        state = styled(each.state.value, STATE_STYLES[each.state.value], sys.stdout)
        head = ": ".join(
            filter(None, (f"{len(each.ids):>{digits},} {state}", _shown(each.error).rstrip(".")))
        )
        lines = _differences(reference, each) or [_shown(line) for line in each.lines]
        if len(lines) == 1 and not each.error:
            yield f"{head}: {lines[0]}"
        else:
            yield f"{head}:" if lines else head
            yield from (f"{_MARGIN}{line}" for line in lines)
        yield f"{' ' * digits} on {_ids(each.ids, width and width - digits - len(' on '), names)}"


def _ids(ids: Sequence[str], width: int | None, names: Mapping[str, str] | None) -> str:
    return printable(visible(",".join(fold(ids))) if width is None else shorten(ids, width, names))


def _shown(line: str) -> str:
    return printable(visible(line, keep_lines=True))


def _reference(groups: Sequence[Group]) -> Group | None:
    """Return the largest group that has an output."""
    return next((each for each in groups if each.output is not None), None)


def _diff(reference: Group | None, other: Group) -> list[str]:
    """Return the unified diff from the output of one group to that of another, if it has one."""
    if reference is None or other.output is None or other is reference:
        return []
    labels = (f"largest group ({len(reference.ids):,})", f"this group ({len(other.ids):,})")
    return [*unified_diff(reference.lines, other.lines, *labels, lineterm="")]


def _differences(reference: Group | None, other: Group) -> list[str]:
    """Return the lines of the diff as a terminal shows them."""
    return [_colored(_shown(line), line[:1]) for line in _diff(reference, other)]


def _colored(line: str, sign: str) -> str:
    style = _DIFF_STYLES.get(sign)
    return styled(line, style, sys.stdout) if style else line
