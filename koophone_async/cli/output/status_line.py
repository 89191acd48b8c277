"""The last line of a terminal, which is rewritten in place, and the lines printed above it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Final

from koophone_async.cli.output.terminal import cut, terminal_width, visible, wrap

_ERASE: Final = "\x1b[J"
"""Erases everything after the cursor.

The cursor stays at the start of the line: a terminal that becomes narrower may lay a long line out anew, as
several, and they are all after it.
"""


class StatusLine:
    """A line on stderr that is rewritten in place; everything printed by `print_above` goes above it."""

    _text = ""

    @staticmethod
    def is_possible() -> bool:
        """Return whether stderr is a terminal that can rewrite a line."""
        return sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")

    def draw(self, text: str) -> None:
        """Show a text, cut to the present width of the terminal, in one write that does not flicker."""
        # The last column stays free: many terminals wrap there.
        shown = cut(visible(text), max((terminal_width(sys.stderr) or 1) - 1, 1))
        if shown != self._text:
            self._text = shown
            self._write(f"\r{shown}{_ERASE}\r")

    def clear(self) -> None:
        """Erase the line."""
        if self._text:
            self._text = ""
            self._write(f"\r{_ERASE}")

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError):  # the terminal was closed
            sys.stderr.write(text)
            sys.stderr.flush()


STATUS: Final = StatusLine()
"""The status line of this process, as its terminal has only one last line."""


def print_above(text: str) -> None:
    """Print text that a terminal may show to stderr; in a terminal, long lines are broken between words."""
    STATUS.clear()
    if width := terminal_width(sys.stderr):
        text = "\n".join(wrap(line, width) for line in text.split("\n"))
    with suppress(OSError):  # a terminal that was closed; the rows on stdout matter more
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
