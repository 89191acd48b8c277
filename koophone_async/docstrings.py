"""Read docstrings: what helps and schemas show is said once, where the method is."""

from __future__ import annotations

import inspect
import re
from textwrap import dedent
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def prose(method: Callable[..., Any]) -> str:
    """Return a docstring without its sections."""
    text = inspect.getdoc(method) or ""
    return re.split(r"^(?:Args|Raises|Returns|API):", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def arguments(method: Callable[..., Any]) -> dict[str, str]:
    """Return the descriptions in the Args section of a docstring, by parameter."""
    section = re.search(r"^Args:\n((?: .*\n?|\n)+)", inspect.getdoc(method) or "", re.MULTILINE)
    entries = re.findall(r"^(\w+): (.+(?:\n +.+)*)", dedent(section[1]) if section else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
