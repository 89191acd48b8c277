"""Many ids in few words: `phone0001` to `phone0480` is `phone[0001-0480]`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from attrs import define

_NUMBERED: Final = re.compile(r"(?P<before>.*?)(?P<number>[0-9]+)(?P<after>[^0-9]*)", re.DOTALL)
_SPECIAL: Final = re.compile(r'[\[\],"\s]|^$')
"""What folded ids are written with; an id that holds any of it is quoted as JSON does."""


def fold(ids: Iterable[str]) -> list[str]:
    """Fold ids that differ in their last number only, in the order of the numbers.

    Nothing is lost: numbers of one width keep their leading zeros, `[8-10]` has none. An id that
    holds a bracket, a comma, a quote or white space is quoted and never folded.
    """
    runs: list[_Run] = []
    for id in sorted(set(ids), key=by_number):
        if not (runs and runs[-1].takes(id)):
            runs.append(_Run.of(id))
    return [str(run) for run in runs]


def by_number(id: str) -> tuple[list[str | int], int, str]:
    """Give the key that sorts `phone9` before `phone10`."""
    return list(_pieces(id)), len(id), id


def _pieces(id: str) -> Iterator[str | int]:
    for index, piece in enumerate(re.split("([0-9]+)", id)):
        yield int(piece) if index % 2 else piece


@define
class _Run:
    """Ids that follow each other: alike but for a number that grows by one."""

    before: str
    first: str
    last: str
    after: str

    @classmethod
    def of(cls, id: str) -> _Run:
        """Begin a run; an id that cannot be folded is one with an empty number."""
        parts = None if _SPECIAL.search(id) else _NUMBERED.fullmatch(id)
        if parts is None:
            return cls(json.dumps(id) if _SPECIAL.search(id) else id, "", "", "")
        return cls(parts["before"], parts["number"], parts["number"], parts["after"])

    def takes(self, id: str) -> bool:
        """Take an id if it is the next of the run."""
        following = self._next() if self.last else ""
        if not following or id != f"{self.before}{following}{self.after}":
            return False
        self.last = following
        return True

    def _next(self) -> str:
        """Give the number that would follow; empty where it would be wider than the zeros before it."""
        following = str(int(self.last) + 1).zfill(len(self.last))
        is_padded = self.first.startswith("0") and self.first != "0"
        return "" if is_padded and len(following) > len(self.last) else following

    def __str__(self) -> str:
        number = self.first if self.first == self.last else f"[{self.first}-{self.last}]"
        return f"{self.before}{number}{self.after}"
