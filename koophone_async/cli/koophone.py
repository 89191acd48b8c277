"""Command table of KooPhone."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from koophone_async.cli.fleet_commands import Inventory, Service, Verb
from koophone_async.services.koophone.apps import Apps
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.commands import Commands
from koophone_async.services.koophone.fleet import Fleet
from koophone_async.services.koophone.instances import Instance, InstanceQuery, Instances
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.services.koophone.orders import Orders
from koophone_async.services.koophone.streaming import Streaming
from koophone_async.services.koophone.users import Assignment, Users
from koophone_async.services.koophone.video import Video
from koophone_async.services.koophone.waiting import Jobs

INSTANCES: Final = Inventory(
    "phones",
    "koophone.instances.list",
    Instance,
    InstanceQuery,
    lambda koophone, query: koophone.instances.list(query),
    KooPhone.fleet,
    example='running == running and name ~ "shop-*"',
)


def _unassign(resource: Users, ids: tuple[str, ...], user: str) -> Awaitable[StartedTask]:
    return resource.unassign(Assignment(user, id) for id in ids)


SERVICE: Final = Service(
    (),
    KooPhone,
    {
        "apps": Apps,
        "commands": Commands,
        "instances": Instances,
        "jobs": Jobs,
        "orders": Orders,
        "streaming": Streaming,
        "users": Users,
        "video": Video,
    },
    {
        "apps.install": Verb(Fleet.install, INSTANCES, waits=True),
        "apps.list": Verb(Fleet.apps, INSTANCES, reads=True),
        "commands.run": Verb(Fleet.run, INSTANCES, waits=True),
        "commands.run_sync": Verb(Fleet.run_sync, INSTANCES),
        "instances.backup": Verb(Fleet.backup, INSTANCES, waits=True),
        "instances.reboot": Verb(Fleet.reboot, INSTANCES, waits=True),
        "instances.reset": Verb(Fleet.reset, INSTANCES, waits=True),
        "instances.status": Verb(Fleet.status, INSTANCES, reads=True),
        "orders.unsubscribe": Verb(Fleet.unsubscribe, INSTANCES),
        "streaming.authorize": Verb(Fleet.authorize, INSTANCES, reads=True),
        "streaming.prepare": Verb(Fleet.prepare, INSTANCES, waits=True),
        "streaming.release": Verb(Fleet.release_session, INSTANCES),
        "streaming.stop": Verb(Fleet.stop_streaming, INSTANCES),
        "users.assign": Verb(Fleet.assign, INSTANCES),
        "users.unassign": Verb(Fleet.unassign, INSTANCES, waits=True, single_call=_unassign),
        "video.set": Verb(Fleet.set_video, INSTANCES),
    },
    wait_resource="jobs",
    inventories=(INSTANCES,),
)
