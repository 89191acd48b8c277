"""Limits of the receiver on what strangers send."""

from __future__ import annotations

from typing import Final

from attrs import field, frozen
from attrs.validators import gt, optional

MIB: Final = 2**20


@frozen
class Limits:
    """Limits on incoming calls and on what is kept of them; times are seconds, sizes bytes."""

    body: int = field(default=64 * 1024, validator=gt(0))
    """Maximum size of a body."""

    body_timeout: float = field(default=10.0, validator=gt(0))
    """Seconds within which a body must arrive."""

    lookup_timeout: float = field(default=5.0, validator=gt(0))
    """Seconds that a lookup registered with `on_verify` may take."""

    calls: int = field(default=1_024, validator=gt(0))
    """Maximum number of calls in progress; further ones are answered with 503."""

    connections: int = field(default=1_024, validator=gt(0))
    """Maximum number of connections of `serve`, lowered to what the descriptors of the process allow."""

    connections_per_address: int = field(default=512, validator=gt(0))
    """Maximum number of connections of `serve` from one address, lowered to half of all."""

    head_timeout: float = field(default=10.0, validator=gt(0))
    """Seconds within which the first request line and its headers must be complete, for `serve`."""

    idle_timeout: float = field(default=75.0, validator=gt(0))
    """Seconds from the answer of a call to the head of the next one on its connection, for `serve`."""

    tickets: int = field(default=100_000, validator=gt(0))
    """Maximum number of used tickets that are remembered. Past it those without an end are forgotten, the
    oldest first; if there are none, further accesses are answered with 503."""

    tickets_per_session: int = field(default=100, validator=gt(0))
    """Maximum number of used tickets of one session; its further accesses are answered with 503."""

    queue: int | None = field(default=None, validator=optional(gt(0)))
    """Maximum size of the events that are not done, by default 64 MiB without a journal and 1 GiB with one;
    further ones are answered with 503."""

    free_disk: int = 16 * MIB
    """Space that a journal leaves free on its disk; events that would need it are answered with 503."""
