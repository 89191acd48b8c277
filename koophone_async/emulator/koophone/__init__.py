"""What each operation of KooPhone does to the emulated phones, a desk a resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from koophone_async.emulator.koophone.apps import Apps
from koophone_async.emulator.koophone.commands import Commands
from koophone_async.emulator.koophone.instances import Instances
from koophone_async.emulator.koophone.jobs import Jobs
from koophone_async.emulator.koophone.orders import Orders
from koophone_async.emulator.koophone.streaming import Streaming
from koophone_async.emulator.koophone.users import Users
from koophone_async.emulator.koophone.video import Video

if TYPE_CHECKING:
    from koophone_async.emulator.server.accounts import Account
    from koophone_async.emulator.world import World


def desks(world: World, account: Account) -> tuple[object, ...]:
    """Set up a desk for every resource."""
    return (
        Apps(world),
        Commands(world),
        Instances(world, account),
        Jobs(world),
        Orders(world),
        Streaming(world),
        Users(world),
        Video(world),
    )
