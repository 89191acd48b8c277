"""The handlers of KooPhone's operations, one class for each resource."""

from __future__ import annotations

from typing import Final

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

_HANDLERS: Final = (Apps, Commands, Instances, Orders, Streaming, Tasks, Users, Video)


def handlers(jobs: Jobs, account: Account) -> list[object]:
    """Return the handlers of every resource."""
    return [handler(jobs, account) for handler in _HANDLERS]
