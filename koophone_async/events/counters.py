"""Counters of a receiver."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from koophone_async.events.errors import Reason
    from koophone_async.events.models import Kind


@define
class Counts:
    """Counters of a receiver since it was created."""

    accepted: int = 0
    """Events answered with 200, including those without a handler."""

    delivered: int = 0
    """Events whose handler returned."""

    failures: int = 0
    """Deliveries whose handler failed or timed out."""

    given_up: int = 0
    """Events that failed as often as `Delivery.attempts` allows."""

    unhandled: Counter[Kind] = field(factory=Counter["Kind"])
    """Events without a handler by kind: answered with 200 and dropped, also with a journal."""

    dropped_connections: int = 0
    """Connections that `serve` closed at a bound or a deadline of `Limits`."""

    verified: int = 0
    """Accesses that were genuine."""

    refused: Counter[Reason] = field(factory=Counter["Reason"])
    """Refused calls by reason."""
