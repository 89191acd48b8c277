"""What the handlers of KooPhone's operations have in common."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.server.accounts import Account
from koophone_async.emulator.world import World


@frozen
class Resource:
    """Base of the classes that handle the operations of a resource."""

    jobs: Jobs
    account: Account

    @property
    def world(self) -> World:
        """The state of the emulated cloud."""
        return self.jobs.world
