"""Fold ids into ranges: `phone0001` to `phone0480` and `phone0502` become `phone[0001-0480,0502]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from attrs import define

from koophone_async.cli.output.terminal import cut, visible, width_of

_NUMBERED: Final = re.compile(
    r"(?P<before>.*?(?<![0-9]))(?P<number>[0-9]{1,18})(?P<after>[^0-9]*)", re.DOTALL
)
_SPECIAL: Final = re.compile(r'[\[\],"\s]|^$')
"""Characters with a meaning in folded ids; an id that contains one is quoted as a JSON string."""

_HEX: Final = re.compile(r"(?=.*[a-f])[0-9a-f-]{16,}")
"""Ids that the service made up, whose digits number nothing."""

_MAX_HEX: Final = 3
"""How many of these are shown of many: nobody reads them."""

_ABBREVIATED: Final = 8
"""Characters of each, if they do not fit."""


def fold(ids: Iterable[str]) -> list[str]:
    """Fold ids that differ in their last number only into one entry, ordered by number.

    The ids can be restored: numbers with leading zeros keep their width, and `[8-10]` has no leading zeros.
    An id that contains a bracket, comma, quote or whitespace is quoted and not folded.
    """
    return _entries(_ranges(ids))


def shorten(ids: Sequence[str], width: int, names: Mapping[str, str] | None = None) -> str:
    """Return folded ids in one line, and the number of those that do not fit.

    Args:
        ids: The ids.
        width: Columns of the line.
        names: Names by id, which are shown instead of hexadecimal ids if every id has one of its own.
    """
    ranges = _ranges(_labels(ids, names or {}))
    if ranges and _is_hex(ranges[0].before):
        line = _first(ranges, _MAX_HEX)
        return line if width_of(line) <= width else cut(_first(ranges, _MAX_HEX, _ABBREVIATED), width)
    line = _first(ranges, 1)
    for count in range(2, len(ranges) + 1):
        longer = _first(ranges, count)
        if width_of(longer) > width:
            break
        line = longer
    return cut(line, width)


def _first(ranges: Sequence[_Range], count: int, length: int | None = None) -> str:
    """Return the first few ranges in one line, and the number of ids that are left out.

    Args:
        ranges: Ranges of ids.
        count: How many to return.
        length: To how many characters each is shortened.
    """
    entries = _entries(ranges[:count])
    shown = ",".join(visible(entry if length is None else f"{entry[:length]}…") for entry in entries)
    rest = sum(map(len, ranges[count:]))
    return f"{shown} ... and {rest:,} more" if rest else shown


def _is_hex(id: str) -> bool:
    return _HEX.fullmatch(id) is not None


def _labels(ids: Sequence[str], names: Mapping[str, str]) -> Sequence[str]:
    named = [names[id] for id in ids if names.get(id)]
    has_names = len(set(named)) == len(set(ids)) and all(map(_is_hex, ids))
    return named if has_names else ids


def by_number(id: str) -> tuple[list[str | tuple[int, str]], int, str]:
    """Return a sort key that orders `phone9` before `phone10`."""
    return list(_text_and_numbers(id)), len(id), id


def _text_and_numbers(id: str) -> Iterator[str | tuple[int, str]]:
    """Yield the parts of an id; numbers are compared by their length first, as they may have many digits."""
    for index, part in enumerate(re.split("([0-9]+)", id)):
        digits = part.lstrip("0")
        yield (len(digits), digits) if index % 2 else part


@define
class _Range:
    """Consecutive ids: equal except for a number that grows by one."""

    before: str
    first: str
    last: str
    after: str

    @classmethod
    def of(cls, id: str) -> _Range:
        """Start a range; an id that cannot be folded has an empty number."""
        if _SPECIAL.search(id):
            return cls(json.dumps(id), "", "", "")
        parts = None if _is_hex(id) else _NUMBERED.fullmatch(id)
        if parts is None:
            return cls(id, "", "", "")
        return cls(parts["before"], parts["number"], parts["number"], parts["after"])

    def extend(self, id: str) -> bool:
        """Add an id if it is the next of the range; return whether it was added."""
        next_number = self._next() if self.last else ""
        if not next_number or id != f"{self.before}{next_number}{self.after}":
            return False
        self.last = next_number
        return True

    def _next(self) -> str:
        """Return the next number, or an empty string if it would outgrow the padding."""
        next_number = str(int(self.last) + 1).zfill(len(self.last))
        is_padded = self.first.startswith("0") and self.first != "0"
        return "" if is_padded and len(next_number) > len(self.last) else next_number

    def __len__(self) -> int:
        """Return the number of ids."""
        return int(self.last) - int(self.first) + 1 if self.last else 1

    @property
    def numbers(self) -> str:
        """The number, or the first and the last."""
        return self.first if self.first == self.last else f"{self.first}-{self.last}"


def _ranges(ids: Iterable[str]) -> list[_Range]:
    ranges: list[_Range] = []
    for id in sorted(set(ids), key=by_number):
        if not (ranges and ranges[-1].extend(id)):
            ranges.append(_Range.of(id))
    return ranges


def _entries(ranges: Iterable[_Range]) -> list[str]:
    """Return one entry for adjacent ranges of the same name: `phone[0001-0480,0502]`."""
    entries: list[str] = []
    for (before, after, is_numbered), group in groupby(ranges, _name):
        numbers = ",".join(range_.numbers for range_ in group) if is_numbered else ""
        is_one = numbers.isdigit() or not is_numbered
        entries.append(f"{before}{numbers}{after}" if is_one else f"{before}[{numbers}]{after}")
    return entries


def _name(range_: _Range) -> tuple[str, str, bool]:
    """Return what adjacent ranges of one entry have in common."""
    return range_.before, range_.after, bool(range_.last)
