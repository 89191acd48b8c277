"""Connections to the database of a journal for procrastinate, and its tables there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def connection_options(location: str) -> Mapping[str, Any]:
    """Return the arguments of a pool of connections."""
    raise NotImplementedError(location)


def create_tables(location: str) -> None:
    """Create the tables of procrastinate, unless they exist."""
    raise NotImplementedError(location)
