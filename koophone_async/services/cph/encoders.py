"""Values that CPH wants as text: lists joined by commas, numbers in quotes, times in ISO 8601."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from attrs import frozen

from koophone_async.checks import ids


@frozen
class Written(Mapping[Any, str]):
    """Every value and its text, by a rule and not by a list."""

    _write: Callable[[Any], str]

    def __getitem__(self, value: object) -> str:
        """Write one value."""
        return self._write(value)

    def __iter__(self) -> Iterator[Any]:
        """List nothing: there is no end of values."""
        return iter(())

    def __len__(self) -> int:
        """Be true, and nothing more."""
        return 1


COMMAS: Final = Written(",".join)
"""A list of texts as one, joined by commas."""

DIGITS: Final = Written(str)
"""A number in quotes."""


def moment(at: datetime) -> str:
    """Write a time as CPH does, in UTC and without fractions: `2025-02-08T12:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


TIME: Final = Written(moment)
"""A time, as CPH writes it."""


def comma_list(values: Iterable[str]) -> tuple[str, ...]:
    """Take any iterable of texts, and those that are already joined by commas apart."""
    return tuple(part for value in ids(values) for part in value.split(","))
