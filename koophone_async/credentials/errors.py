"""Errors of providers, by which a chain decides whether it goes on."""

from __future__ import annotations

from koophone_async.errors import InvalidRequest


class UnreadableDefault(InvalidRequest):
    """The file that is read by default cannot be. Nobody asked for it, so that a chain goes on."""
