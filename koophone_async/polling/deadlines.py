"""Default deadlines: how long a wait for jobs lasts unless the caller says otherwise.

Every wait ends. A deadline ends the wait and not the job: what is still open then is reported as unfinished,
and can be awaited again.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

MINUTES_30: Final = 30 * 60.0
HOUR: Final = 3600.0
HOURS_6: Final = 6 * HOUR


class Deadline(Enum):
    """The deadline of a wait for which the caller gives none; None is no deadline."""

    DEFAULT = "default"
    """Seconds from the start of the jobs, by the kind of operation that started them."""

    NO_WAIT = "no wait"
    """At once: everything is sent, and each job is left running."""

    def seconds(self, operation: str) -> float:
        """Return the seconds after which a wait for jobs of an operation ends."""
        return 0.0 if self is Deadline.NO_WAIT else default_deadline(operation)


DEFAULT_DEADLINES: Final = {
    # Installs: packages are downloaded first, and a server installs on its phones one after the other.
    "koophone.apps.install": HOUR,
    "cph.commands.install": HOUR,
    "cph.commands.install_split": HOUR,
    "cph.commands.push": HOUR,
    "cph.shared_apps.push": HOUR,
    "cph.shared_files.push": HOUR,
    "gaming.deployments": HOUR,
    "gaming.deployments.deploy": HOUR,
    "gaming.deployments.push": HOUR,
    "gaming.deployments.undeploy": HOUR,
    "gaming.deployments.update": HOUR,
    # Backups and restores: a whole phone is copied.
    "koophone.instances.backup": HOURS_6,
    "koophone.streaming.prepare": HOURS_6,
    "cph.phones.migrate": HOURS_6,
    "cph.storage.export": HOURS_6,
    "cph.storage.restore": HOURS_6,
    # Buying.
    "cph.servers.change": HOURS_6,
    "cph.storage.expand": HOURS_6,
    # Jobs of an unknown operation.
    "koophone.jobs": HOURS_6,
    "cph.jobs": HOURS_6,
}
"""Seconds by operation; 30 minutes for all others."""


def default_deadline(operation: str) -> float:
    """Return the seconds after which a wait for jobs of an operation ends by default."""
    return DEFAULT_DEADLINES.get(operation, MINUTES_30)


def seconds_of(deadline: float | Deadline | None, operation: str) -> float | None:
    """Return a deadline in seconds; None if there is none."""
    return deadline.seconds(operation) if isinstance(deadline, Deadline) else deadline
