"""Encode values that CPH wants as text: lists joined by commas, times in ISO 8601."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from koophone_async.checks import ids


def join_commas(values: Iterable[str]) -> str:
    """Join a list into one text with commas between the values."""
    return ",".join(values)


def split_commas(values: Iterable[str]) -> tuple[str, ...]:
    """Return the values of an iterable as a tuple; values that are comma-separated lists are split."""
    return tuple(part for value in ids(values) for part in value.split(","))


def format_time(at: datetime) -> str:
    """Format a time as CPH does, in UTC and without fractions: `2025-02-08T12:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_milliseconds(at: datetime) -> int:
    """Return a time as a number: milliseconds since 1970-01-01 UTC."""
    return round(at.timestamp() * 1000)
