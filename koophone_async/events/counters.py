"""What a receiver has seen so far."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from koophone_async.events.errors import Reason


@define
class Counts:
    """What a receiver has seen since it was made."""

    accepted: int = 0
    """Events that were answered with 200."""

    delivered: int = 0
    """Events whose handler returned."""

    failures: int = 0
    """Deliveries whose handler failed or took too long."""

    given_up: int = 0
    """Events that were delivered as often as may be, in vain."""

    admitted: int = 0
    """Accesses that were genuine."""

    refused: Counter[Reason] = field(factory=Counter["Reason"])
    """Calls that were refused, by reason."""
