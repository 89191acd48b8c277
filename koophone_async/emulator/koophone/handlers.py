"""The handlers of KooPhone's operations, one class for each resource."""

from __future__ import annotations

from koophone_async.emulator.jobs.engine import Jobs
from koophone_async.emulator.koophone.apps import Apps
from koophone_async.emulator.koophone.commands import Commands
from koophone_async.emulator.koophone.instances import Instances
from koophone_async.emulator.koophone.orders import Orders
from koophone_async.emulator.koophone.streaming import Streaming
from koophone_async.emulator.koophone.tasks import Tasks
from koophone_async.emulator.koophone.users import Users
from koophone_async.emulator.koophone.video import Video
from koophone_async.emulator.server.accounts import Account


def handlers(jobs: Jobs, account: Account) -> tuple[object, ...]:
    """Return the handlers of every resource."""
    world = jobs.world
    return (
        Apps(world, jobs),
        Commands(world, jobs),
        Instances(world, jobs, account),
        Tasks(world, jobs),
        Orders(world, jobs),
        Streaming(world, jobs),
        Users(world, jobs),
        Video(world),
    )
