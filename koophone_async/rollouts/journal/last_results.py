"""The last result of each phone of a rollout, without all results in memory.

All rows are read once for which phones they have, and each again for the phones whose last result it has: the
phones of a row are near each other, so that few rows are read for two ranges of phones.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import define, field

from koophone_async.rollouts.journal import queries
from koophone_async.rollouts.journal.encoding import Codec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from koophone_async.rollouts.journal.database import Database
    from koophone_async.rollouts.journal.records import Result
    from koophone_async.rollouts.journal.writer import GroupWriter

_ROWS: Final = "SELECT number, body FROM results WHERE rollout = ? AND number > ? ORDER BY number LIMIT ?"
_NUMBERED: Final = (
    "SELECT number, attempt, step, body, shard FROM results WHERE number IN ({}) ORDER BY number"
)
_READ_AT_ONCE: Final = 100
"""Rows that are read at once; other work of the journal comes between."""


class _Positions(msgspec.Struct, array_like=True):
    """The first column of a row of results; the others are skipped."""

    positions: list[int]


_POSITIONS: Final = Codec[_Positions](_Positions)


@define
class LastResults:
    """The number of the row that has the last result of each phone, by position."""

    _writer: GroupWriter
    _rollout: str
    _rows: array[int] = field(init=False)

    @classmethod
    async def read(cls, writer: GroupWriter, rollout: str, targets: int) -> LastResults:
        """Read which rows a rollout with so many targets has.

        Raises:
            JournalError: The journal could not be read.
        """
        last = cls(writer, rollout)
        last._rows = array("q", bytes(8 * targets))
        number: int | None = 0
        while number is not None:
            number = await writer.read(last._read_rows, number)
        return last

    def _read_rows(self, database: Database, after: int) -> int | None:
        """Read some rows, and return the number of the last one; None if there are no more."""
        rows = database.query(_ROWS, (self._rollout, after, _READ_AT_ONCE))
        for number, body in rows:
            for position in _POSITIONS.decode(body).positions:
                self._rows[position] = number
        return rows[-1][0] if rows else None

    async def within(self, first: int, end: int) -> Mapping[int, Result]:
        """Return the last results of a range of positions.

        Raises:
            JournalError: The journal could not be read.
        """
        numbers = sorted(set(self._rows[first:end]) - {0})
        found: dict[int, Result] = {}
        for start in range(0, len(numbers), _READ_AT_ONCE):
            results = await self._writer.read(self._resolve, numbers[start : start + _READ_AT_ONCE])
            found.update((result.position, result) for result in results if first <= result.position < end)
        return found

    def _resolve(self, database: Database, numbers: Sequence[int]) -> Sequence[Result]:
        statement = _NUMBERED.format(",".join("?" * len(numbers)))
        return queries.resolve(database, self._rollout, database.query(statement, numbers))
