"""Rows of answers, of which some may be unreadable.

A service may answer with a row that no document describes: null for an id, "yesterday" for a time. Such a
row does not spoil the others. The rows that can be read are returned, and the others are recorded here and
logged.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from typing import Self, TypeVar

from attrs import define, field, frozen

T_co = TypeVar("T_co", covariant=True)


@frozen
class UnreadableValue:
    """A value of an answer that is not what the service documents."""

    field: str
    """Name of the field on the wire; empty if the row itself is no JSON object."""

    value: str
    """The value as JSON, shortened and without secrets; `missing` if the row does not have the field."""

    ids: tuple[str, ...] = ()
    """Every id that the row has: of the job, phone, instance or server."""

    drops_row: bool = True
    """Whether the row is left out, because the field is mandatory; otherwise the field has its default."""

    expected: str = ""
    """What the field holds, such as `a list`; empty if the value is null or missing."""

    def __str__(self) -> str:
        """Return field, value, expectation and first id: `status is "x", not an integer (id j1)`."""
        row = f" (id {self.ids[0]})" if self.ids else ""
        expected = f", not {self.expected}" if self.expected else ""
        return f"{self.field or 'a row'} is {self.value}{expected}{row}"


class Rows(tuple[T_co, ...]):  # noqa: SLOT001 - a tuple cannot have slots for attributes
    """The readable rows of a list, and what is unreadable in it."""

    unreadable: tuple[UnreadableValue, ...]
    """Every unreadable value, also those of rows that are kept and of lists in them."""

    dropped: tuple[UnreadableValue, ...]
    """One value for each row of this list that is left out."""

    def __new__(
        cls,
        rows: Iterable[T_co],
        unreadable: Iterable[UnreadableValue],
        dropped: Iterable[UnreadableValue] = (),
    ) -> Self:
        """Create a tuple of the readable rows."""
        self = super().__new__(cls, rows)
        self.unreadable, self.dropped = tuple(unreadable), tuple(dropped)
        return self

    def __getnewargs__(
        self,
    ) -> tuple[tuple[T_co, ...], tuple[UnreadableValue, ...], tuple[UnreadableValue, ...]]:
        """Return the arguments that copies are created with."""
        return tuple(self), self.unreadable, self.dropped


def unreadable_values(rows: tuple[object, ...]) -> tuple[UnreadableValue, ...]:
    """Return what is unreadable in a list of an answer, such as `answer.jobs` or `answer.results`."""
    return rows.unreadable if isinstance(rows, Rows) else ()


def dropped_rows(rows: tuple[object, ...]) -> tuple[UnreadableValue, ...]:
    """Return a value for each row that is left out of a list."""
    return rows.dropped if isinstance(rows, Rows) else ()


@define(eq=False)
class Items(AsyncIterator[T_co]):
    """Async iterator over the items of a list, page by page.

    ```python
    phones = cph.phones.list()
    async for phone in phones:
        print(phone.id)
    for value in phones.unreadable:
        print(value)
    ```
    """

    _pages: AsyncGenerator[tuple[Iterable[T_co], int | None], None] = field(repr=False)
    """Yields the rows of each page, and how many the service counts on all pages."""

    unreadable: list[UnreadableValue] = field(factory=list[UnreadableValue])
    """What could not be read in the pages so far."""

    total: int | None = field(default=None, init=False)
    """Number of rows by the service's last count; None before the first page, and if it does not count."""

    _rows: Iterator[T_co] = field(factory=lambda: iter(()), init=False, repr=False)

    def __aiter__(self) -> Self:
        """Return the iterator itself."""
        return self

    async def __anext__(self) -> T_co:
        """Return the next item, from the next page if necessary."""
        while True:
            for row in self._rows:
                return row
            rows, total = await anext(self._pages)
            self._rows, self.total = iter(rows), total

    async def aclose(self) -> None:
        """Stop iterating; no further page is requested."""
        self._rows = iter(())
        await self._pages.aclose()
