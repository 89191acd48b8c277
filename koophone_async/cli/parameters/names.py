"""Options that name a project or a region."""

from __future__ import annotations

import typer


def refuse_empty(name: str | None) -> str | None:
    """Return the name of an option.

    An empty one is what a variable stands for that is not set, and without a name the command would run
    somewhere else.

    Raises:
        BadParameter: The name is empty.
    """
    if name == "":
        raise typer.BadParameter("is empty")
    return name
