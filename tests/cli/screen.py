"""A model of a terminal's screen: what a person sees after the bytes that a command wrote."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final, TypeAlias

from attrs import define, field
from rich.cells import cell_len

_TOKEN: Final = re.compile(r"\x1b\[([\d;]*)([A-Za-z])|(.)", re.DOTALL)

Cell: TypeAlias = tuple[str, str]
"""A character and its style; the second column of a wide character is empty."""


@define
class Row:
    """A row of the screen."""

    cells: list[Cell] = field(factory=list[Cell])
    continues: bool = False
    """Whether its text goes on in the next row, because the terminal was too narrow for it."""


@define
class Screen:
    """A terminal without an end, which knows the few controls that `koophone` uses."""

    columns: int
    reflows: bool = True
    """Whether long lines are laid out anew at a resize, as most terminals do; xterm cuts them off."""

    _rows: list[Row] = field(factory=lambda: [Row()], init=False)
    _row: int = field(default=0, init=False)
    _column: int = field(default=0, init=False)
    _style: str = field(default="", init=False)

    def feed(self, text: str) -> None:
        """Process what a command wrote.

        Raises:
            ValueError: It has a control that the screen does not know.
        """
        for match in _TOKEN.finditer(text):
            parameters, command, character = match.groups()
            if character:
                self._character(character)
            elif command == "m":
                self._style = parameters
            elif command in ("J", "K") and not parameters:
                self._erase(rows=command == "J")
            else:
                raise ValueError(match.group())

    def resize(self, columns: int) -> None:
        """Change the width."""
        if self.reflows:
            self._reflow(columns)
        else:
            for row in self._rows:
                del row.cells[columns:]
            self._column = min(self._column, columns - 1)
        self.columns = columns

    @property
    def lines(self) -> list[str]:
        """The rows as plain text."""
        return ["".join(character for character, _ in row.cells).rstrip() for row in self._rows]

    @property
    def text(self) -> str:
        """The rows as plain text, without empty ones at the end."""
        return "\n".join(self.lines).rstrip("\n") + "\n"

    @property
    def styled(self) -> str:
        """The rows with escape sequences for their styles."""
        return "\n".join(
            "".join(
                f"\x1b[{style}m{run}\x1b[m" if style else run
                for style, run in (
                    (style, "".join(character for character, _ in cells))
                    for style, cells in groupby(row.cells, lambda cell: cell[1])
                )
            )
            for row in self._rows
        )

    def _character(self, character: str) -> None:
        match character:
            case "\r":
                self._column = 0
            case "\n":
                self._next_row()
            case "\x07":
                pass
            case _ if character.isprintable():
                self._put(character)
            case _:
                raise ValueError(character)

    def _put(self, character: str) -> None:
        width = cell_len(character)
        if self._column + width > self.columns:
            self._rows[self._row].continues = True
            self._next_row()
            self._column = 0
        cells = self._rows[self._row].cells
        cells.extend([(" ", "")] * (self._column - len(cells)))
        cells[self._column : self._column + width] = [
            (character, self._style),
            *[("", self._style)] * (width - 1),
        ]
        self._column += width

    def _next_row(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(Row())

    def _erase(self, *, rows: bool) -> None:
        """Erase from the cursor to the end of the row, or of the screen."""
        row = self._rows[self._row]
        row.continues = False
        del row.cells[self._column :]
        if rows:
            del self._rows[self._row + 1 :]

    def _reflow(self, columns: int) -> None:
        rows, position = list[Row](), (0, 0)
        cells, offset = list[Cell](), -1
        for number, row in enumerate(self._rows):
            if number == self._row:
                offset = len(cells) + self._column
            cells += row.cells
            if row.continues:
                continue
            if offset >= 0:
                position = (len(rows) + min(offset, max(len(cells), 1) - 1) // columns, offset % columns)
            parts = [cells[start : start + columns] for start in range(0, max(len(cells), 1), columns)]
            rows += [Row(part, continues=index < len(parts) - 1) for index, part in enumerate(parts)]
            cells, offset = [], -1
        self._rows, (self._row, self._column) = rows, position
