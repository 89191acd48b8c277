"""Command table of KooPhone."""

from __future__ import annotations

from typing import Final

from koophone_async.cli.commands.fleet_commands import Details, Inventory, Service, derive_verbs
from koophone_async.services.koophone.apps import App, Apps
from koophone_async.services.koophone.client import KooPhone
from koophone_async.services.koophone.commands import Commands
from koophone_async.services.koophone.fleet import Fleet
from koophone_async.services.koophone.instances import Instance, InstanceQuery, Instances, RunningState
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.services.koophone.orders import Orders
from koophone_async.services.koophone.streaming import StreamAccess, Streaming
from koophone_async.services.koophone.users import Users
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
    runs_commands=True,
)


_DETAILS: Final = {
    "apps.list": Details(reads=App),
    "instances.backup": Details(destroys="back up, and release the machines of"),
    "instances.reboot": Details(waits=True),
    "instances.reset": Details(destroys="erase the data of"),
    "instances.status": Details(reads=RunningState),
    "orders.unsubscribe": Details(destroys="end the subscriptions, and delete the data, of"),
    "streaming.authorize": Details(reads=StreamAccess),
    "streaming.prepare": Details(waits=True),
    "users.unassign": Details(destroys="erase the data, and end the assignment, of"),
}

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
    derive_verbs(
        "koophone",
        StartedTask,
        {Fleet: INSTANCES},
        _DETAILS,
    ),
    details=_DETAILS,
    wait_resource="jobs",
    inventories_by_parameter={"instance": INSTANCES},
    inventories=(INSTANCES,),
)
