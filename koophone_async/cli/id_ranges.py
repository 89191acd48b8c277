"""Fold ids into ranges: `phone0001` to `phone0480` becomes `phone[0001-0480]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define

_NUMBERED: Final = re.compile(r"(?P<before>.*?)(?P<number>[0-9]+)(?P<after>[^0-9]*)", re.DOTALL)
_SPECIAL: Final = re.compile(r'[\[\],"\s]|^$')
"""Characters with a meaning in folded ids; an id that contains one is quoted as a JSON string."""


def fold(ids: Iterable[str]) -> list[str]:
    """Fold ids that differ in their last number only into ranges, ordered by number.

    The ids can be restored: numbers with leading zeros keep their width, and `[8-10]` has no leading zeros.
    An id that contains a bracket, comma, quote or whitespace is quoted and not folded.
    """
    ranges: list[_Range] = []
    for id in sorted(set(ids), key=by_number):
        if not (ranges and ranges[-1].extend(id)):
            ranges.append(_Range.of(id))
    return [str(range_) for range_ in ranges]


def by_number(id: str) -> tuple[list[str | int], int, str]:
    """Return a sort key that orders `phone9` before `phone10`."""
    return list(_text_and_numbers(id)), len(id), id


def _text_and_numbers(id: str) -> Iterator[str | int]:
    for index, part in enumerate(re.split("([0-9]+)", id)):
        yield int(part) if index % 2 else part


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
        parts = None if _SPECIAL.search(id) else _NUMBERED.fullmatch(id)
        if parts is None:
            return cls(json.dumps(id) if _SPECIAL.search(id) else id, "", "", "")
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

    def __str__(self) -> str:
        number = self.first if self.first == self.last else f"[{self.first}-{self.last}]"
        return f"{self.before}{number}{self.after}"
