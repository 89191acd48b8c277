"""List, inspect, reset, reboot and back up instances."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Collection, Iterable
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any, Final
from uuid import uuid4

from attrs import Attribute, field, frozen

from koophone_async.batches.regions import ListTooLongError
from koophone_async.checks import IDS, Between, OneOf, aware, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.koophone.jobs import Accepted, StartedTask
from koophone_async.services.koophone.paging import items, pages
from koophone_async.wire import Edition, doc, wire


class RunningState(IntEnum):
    """Whether an instance runs (KooPhone 4.1.10; in the China edition 4.1.5 too)."""

    UNKNOWN = 0
    STOPPED = 1
    RUNNING = 2
    GOING_OFFLINE = 3
    STARTING = 4
    SHUT_DOWN = 5


class ContentState(IntEnum):
    """What is loaded on an instance (international edition, KooPhone 4.1.5)."""

    IDLE = 0
    RESTORING = 1
    LOADED = 2
    STREAMING = 3
    BACKING_UP = 4
    BACKUP_FAILED = 5
    RESTORE_FAILED = 6
    LOADED_ALTERNATIVE = 7
    """The document describes 7 with the same words as 2."""


class CopyState(IntEnum):
    """Progress of a backup or a restore (KooPhone 4.1.10)."""

    PREPARING = 0
    EXECUTING = 1
    SUCCEEDED = 2
    FAILED = 3
    OTHER = 4


class Scene(StrEnum):
    """Purpose of a pool of instances."""

    CLOUD_APP = "CLOUD_APP"
    CLOUD_PHONE = "CLOUD_PHONE"


MAX_PAGE: Final = 10**4
"""Maximum page size to request; no document states one, and the service may return fewer."""

AS_FLAG: Final = {True: 1, False: 0}
"""How the list of instances encodes booleans."""


@frozen
class Instance:
    """One instance of the tenant."""

    id: str = field(metadata=wire("instance_id"))
    name: str | None = field(default=None, metadata=wire("instance_name"))
    region: str | None = None
    sku: str | None = field(default=None, metadata=wire("instance_sku"))
    """A description for people, in the edition's language."""

    is_frozen: bool | None = field(default=None, metadata=wire("frozen_status", as_text=int))
    running: RunningState | int | None = field(default=None, metadata=wire("running_status"))
    is_logged_in: bool | None = field(default=None, metadata=wire("login_status", as_text=int))
    is_assigned: bool | None = field(default=None, metadata=wire("assign_status", as_text=int))
    user: str | None = field(default=None, metadata=wire("assign_user"))
    billing_mode: str | None = None
    project_id: str | None = None
    project_name: str | None = None
    phone_id: str | None = field(default=None, metadata=wire("phone_id", null_text=True))
    """None for the text "null" too, which the documents' example has."""

    member_name: str | None = None
    account_name: str | None = None
    region_name: str | None = None
    region_name_en: str | None = None
    backup: CopyState | int | None = field(default=None, metadata=wire("backup_status"))
    backup_at: datetime | None = field(default=None, metadata=wire("backup_time"))
    """Answers have no time zone; parsed as UTC, which the documents state for the query only."""

    restore: CopyState | int | None = field(default=None, metadata=wire("restore_status"))
    restore_at: datetime | None = field(default=None, metadata=wire("restore_time"))


def _in_order(query: InstanceQuery, attribute: Attribute[Any], value: datetime | None) -> None:
    if query.since is not None and value is not None and value < query.since:
        raise InvalidRequest(
            "", attribute.name, f"is {value}, before `since`, which is {query.since}", Rule.CONFLICT
        )


@frozen
class InstanceQuery:
    """Which instances to list."""

    id: str | None = field(default=None, metadata=wire("instance_id"))
    name: str | None = field(default=None, metadata=wire("instance_name"))
    since: datetime | None = field(default=None, validator=aware, metadata=wire("query_start_time"))
    until: datetime | None = field(
        default=None, validator=[aware, _in_order], metadata=wire("query_end_time")
    )
    scene: Scene | None = field(
        default=None, metadata=wire("pool_scene_tag", "poolSceneTag"), validator=OneOf((*Scene, None))
    )
    order: str | None = None
    order_by: str | None = None
    pool: str | None = field(default=None, metadata=wire("pool_name"))
    page: int = field(default=1, validator=Between(1, 10**9), metadata=wire("page_no"))
    size: int = field(
        default=100,
        validator=Between(1, MAX_PAGE),
        metadata=wire("page_size") | doc("Instances to request at once; the list returns all of them."),
    )
    # This call documents its request id as part of the query, where others have a header. `list` sets a new
    # one for each page.
    request_id: str = field(factory=lambda: uuid4().hex, metadata=wire("x-request-id"))


@frozen
class InstancePage:
    """One page of the list."""

    items: tuple[Instance, ...] = field(default=(), metadata=wire("result"))
    page: int | None = field(default=None, metadata=wire("page_no"))
    size: int | None = field(default=None, metadata=wire("page_size"))
    total: int | None = field(default=None, metadata=wire("total_count"))


@frozen
class InstancesRequest:
    """The instances of a call."""

    instances: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("instance_ids"))


@frozen
class InstanceStatus:
    """State of one instance, as the client's edition numbers it."""

    instance: str = field(metadata=wire("instance_id"))
    state: RunningState | ContentState | int = field(
        metadata=wire("status", editions={Edition.CHINA: RunningState, Edition.INTERNATIONAL: ContentState})
    )


@frozen
class InstanceStatuses:
    """One state for each instance that the answer lists; some may be missing."""

    statuses: tuple[InstanceStatus, ...] = field(default=(), metadata=wire("status_results"))


LIST: Final = Operation(
    "koophone.instances.list", "GET", "/v1/instances/batch-query",
    InstanceQuery, InstancePage, source="KooPhone 4.1.10 (2025-12-31)", repeatable=True,
)  # fmt: skip

# The documents' example requests two instances and gets one back: a missing one is not an error.
STATUS: Final = Operation(
    "koophone.instances.status", "POST", "/v1/instances/batch-query-status",
    InstancesRequest, InstanceStatuses, source="KooPhone 4.1.5 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=True,
    answer_ids=lambda answer: (status.instance for status in answer.statuses),
)  # fmt: skip

# The edition of 2025-08-27 answers without a task.
RESET: Final = Operation(
    "koophone.instances.reset", "POST", "/v1/instances/batch-reset",
    InstancesRequest, StartedTask, source="KooPhone 4.1.6 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip

# All instances must be running, or the whole call is refused (KOOPHONE.API.5005).
REBOOT: Final = Operation(
    "koophone.instances.reboot", "POST", "/v1/instances/reboot",
    InstancesRequest, Accepted, source="KooPhone 4.1.11 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip

# The documents' example shows the body of prepare-progress, their table a list of ids, which is sent here.
# The edition of 2025-08-27 answers without a task.
BACKUP: Final = Operation(
    "koophone.instances.backup", "POST", "/v1/instances/backup",
    InstancesRequest, StartedTask, source="KooPhone 4.3.3 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip


async def list_regions(
    session: Sender, wanted: Collection[str] | None, max_requests: int | None
) -> AsyncIterator[tuple[str, str]]:
    """Iterate over ids and regions: of all instances or, where that takes fewer requests, of the wanted ones.

    The list has no filter by region, and one by id that takes a single id.

    Raises:
        ListTooLongError: More requests than the maximum would follow the first page.
    """
    is_first, is_long = True, False
    async for rows, total in pages(session, LIST, InstanceQuery(size=MAX_PAGE)):
        for instance in rows:
            if instance.region:
                yield instance.id, instance.region
        if is_first and total and rows:
            following = math.ceil(total / len(rows)) - 1
            is_long = wanted is not None and len(wanted) < following
            if max_requests is not None and (len(wanted) if is_long and wanted else following) > max_requests:
                raise ListTooLongError
        is_first = False
        if is_long:
            break
    else:
        return
    for id in wanted or ():
        async for instance in items(session, LIST, InstanceQuery(id=id)):
            if instance.region:
                yield instance.id, instance.region


@frozen
class Instances:
    """List, inspect, reset, reboot and back up the tenant's instances."""

    _session: Sender

    def list(self, query: InstanceQuery = InstanceQuery()) -> Items[Instance]:
        """List every instance of the tenant that matches the query, page by page.

        Args:
            query: Filters, all optional: id, name, times (aware; sent as UTC), scene. `size` is the number
                of instances to request at once; the service may return fewer.

        Raises:
            Forbidden: The tenant has not subscribed to the service (KOOPHONE.API.1004).

        API: KooPhone 4.1.10 (2025-12-31)
        """
        return items(self._session, LIST, query)

    async def status(self, instances: Iterable[str]) -> InstanceStatuses:
        """Return the current state of instances.

        The editions number different states: `RunningState` in China, `ContentState` internationally.

        Args:
            instances: At most 100 ids, all of one region.

        Raises:
            Forbidden: One of the ids is wrong or not yours (KOOPHONE.API.1001).

        API: KooPhone 4.1.5 (2025-12-31)
        """
        return await self._session.send(STATUS, InstancesRequest(instances))

    async def reset(self, instances: Iterable[str]) -> StartedTask:
        """Reset instances to their initial state, and erase their data.

        Args:
            instances: At most 100 ids, all of one region.

        Raises:
            Refused: The service refused the whole call; nothing was erased.
            NoAnswer: No answer was received; the data may be erased.

        API: KooPhone 4.1.6 (2025-12-31)
        """
        return await self._session.send(RESET, InstancesRequest(instances))

    async def reboot(self, instances: Iterable[str]) -> Accepted:
        """Restart instances. The call returns at once; only their state shows when they run again.

        Args:
            instances: At most 100 ids, all of one region and all running.

        Raises:
            Busy: Not all of them are running (KOOPHONE.API.5005); none was restarted.
            NoAnswer: No answer was received; they may be restarting.

        API: KooPhone 4.1.11 (2025-12-31)
        """
        return await self._session.send(REBOOT, InstancesRequest(instances))

    async def backup(self, instances: Iterable[str]) -> StartedTask:
        """Back up instances to object storage, and release the machines that they run on.

        This ends streaming from them.

        Args:
            instances: At most 100 ids, all of one region.

        Raises:
            Refused: The service refused the whole call; nothing was backed up.
            NoAnswer: No answer was received; the backup may be running.

        API: KooPhone 4.3.3 (2025-12-31)
        """
        return await self._session.send(BACKUP, InstancesRequest(instances))
