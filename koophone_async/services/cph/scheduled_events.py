"""Scheduled events: planned maintenance of servers. Only the vendor's SDK has them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from attrs import Attribute, field, frozen
from attrs.validators import optional

from koophone_async.checks import MAX_ID_LENGTH, Between, Listed, OneOf, Text, aware
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.buying import SDK_SOURCE
from koophone_async.services.cph.encoders import format_time, split_commas
from koophone_async.services.cph.paging import PageInfo, items_by_marker
from koophone_async.services.cph.server import ServerState
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import PAGE_SIZE, doc, wire

EVENT_ID: Final = Text(36, unit="bytes of UTF-8")
"""Id of an event."""


class EventState(StrEnum):
    """State of an event."""

    INQUIRING = "inquiring"
    """Waiting for authorization."""

    SCHEDULED = "scheduled"
    EXECUTING = "executing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class EventType(StrEnum):
    """Kind of maintenance."""

    DISK_REPLACEMENT = "localdisk-recovery"
    MAINTENANCE = "system-maintenance"


class Authorization(StrEnum):
    """What the tenant authorizes the service to do."""

    MAINTENANCE = "maintenance"
    REDEPLOY = "redeploy"


@frozen
class ScheduledEvent:
    """A planned event of one server."""

    id: str = field(metadata=wire("event_id"))
    server: str | None = field(default=None, metadata=wire("server_id"))
    server_name: str | None = None
    server_model: str | None = field(default=None, metadata=wire("server_model_name"))
    server_state: ServerState | int | None = None
    type: EventType | str | None = None
    authorization: Authorization | str | None = field(default=None, metadata=wire("authorization_type"))
    state: EventState | str | None = None
    published_at: datetime | None = field(default=None, metadata=wire("publish_time", as_text=format_time))
    started_at: datetime | None = field(default=None, metadata=wire("start_time", as_text=format_time))
    finished_at: datetime | None = field(default=None, metadata=wire("finish_time", as_text=format_time))
    not_before: datetime | None = field(default=None, metadata=wire("not_before", as_text=format_time))
    """Planned start."""

    not_after: datetime | None = field(default=None, metadata=wire("not_after", as_text=format_time))
    """Planned end."""

    latest_start: datetime | None = field(
        default=None, metadata=wire("not_before_deadline", as_text=format_time)
    )
    """Latest time that the start can be moved to."""

    description: str | None = None


def _optional_values(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else split_commas(values)


@frozen(kw_only=True)
class EventQuery:
    """Filter of the list of events."""

    event: str | None = field(default=None, validator=EVENT_ID, metadata=wire("event_id"))
    server: str | None = field(default=None, validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))
    since: datetime | None = field(
        default=None,
        validator=aware,
        metadata=wire("publish_since", as_text=format_time) | doc("Published at this time or later."),
    )
    until: datetime | None = field(
        default=None, validator=aware, metadata=wire("publish_until", as_text=format_time)
    )
    # The SDK declares these lists as `csv`, but its client sends one query parameter for each value.
    states: tuple[str, ...] | None = field(
        default=None,
        converter=_optional_values,
        validator=optional(Listed(each=OneOf((*EventState,)))),
        metadata=wire("state"),
    )
    types: tuple[str, ...] | None = field(
        default=None,
        converter=_optional_values,
        validator=optional(Listed(each=OneOf((*EventType,)))),
        metadata=wire("type"),
    )
    limit: int = field(default=100, validator=Between(1, 100), metadata=PAGE_SIZE)
    marker: str | None = None


@frozen
class EventPage:
    """One page of the list of events."""

    items: tuple[ScheduledEvent, ...] = field(default=(), metadata=wire("scheduled_events"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))
    total: int | None = field(default=None, metadata=wire("count"))


def _format_start(at: datetime | str | None) -> str:
    """Format a start time; an empty text means at once."""
    if not isinstance(at, datetime):
        return at or ""
    if at.tzinfo is None:
        raise InvalidRequest("", "start", "has no time zone; it must be an aware datetime", Rule.BAD_FORMAT)
    return format_time(at)


@frozen
class RescheduleEvent:
    """Request to move the start of an event."""

    event: str = field(validator=EVENT_ID, metadata=wire("event_id"))
    start: str = field(default="", converter=_format_start, metadata=wire("not_before"))
    """An empty text means at once."""


def _format_optional_start(at: datetime | str | None) -> str | None:
    return None if at is None else _format_start(at)


def _check_maintenance(request: AuthorizeEvent, attribute: Attribute[Any], value: str | None) -> None:
    if value is not None and request.authorization != Authorization.MAINTENANCE:
        raise InvalidRequest("", attribute.name, "is set; only maintenance has a start time", Rule.CONFLICT)


@frozen
class AuthorizeEvent:
    """Request to authorize an event."""

    event: str = field(validator=EVENT_ID, metadata=wire("event_id"))
    authorization: Authorization | str = field(
        validator=OneOf((*Authorization,)), metadata=wire("authorization_type")
    )
    start: str | None = field(
        default=None,
        converter=_format_optional_start,
        validator=_check_maintenance,
        metadata=wire("not_before"),
    )
    """For maintenance only. An empty text means at once."""


LIST: Final = Operation(
    "cph.scheduled_events.list", "GET", "/v1/{project_id}/cloud-phone/scheduled-events",
    EventQuery, EventPage, source=SDK_SOURCE, repeatable=True,
)  # fmt: skip

# Not repeatable: a second "at once" finds the event running and is refused, as if the first had failed.
RESCHEDULE: Final = Operation(
    "cph.scheduled_events.reschedule", "PUT", "/v1/{project_id}/cloud-phone/scheduled-events/{event_id}",
    RescheduleEvent, Accepted, source=SDK_SOURCE, repeatable=False,
)  # fmt: skip

AUTHORIZE: Final = Operation(
    "cph.scheduled_events.authorize", "POST",
    "/v1/{project_id}/cloud-phone/scheduled-events/{event_id}/authorize",
    AuthorizeEvent, Accepted, source=SDK_SOURCE, repeatable=False,
)  # fmt: skip


@frozen
class ScheduledEvents:
    """Planned maintenance of servers."""

    _session: Sender

    def list(self, query: EventQuery = EventQuery()) -> Items[ScheduledEvent]:
        """Iterate over the events that match a query, page by page.

        Args:
            query: Filters, all optional: event, server, time of publication, states, types; `limit` is
                the page size, at most 100.

        Raises:
            Refused: The service refused to list.

        API: huaweicloudsdkcph 3.1.219
        """
        return items_by_marker(self._session, LIST, query)

    async def authorize(
        self, event: str, authorization: Authorization, start: datetime | None = None
    ) -> Accepted:
        """Authorize a planned event of a server.

        Args:
            event: Its id.
            authorization: Maintenance, or redeploying the server on another machine.
            start: Aware time more than five minutes from now, for maintenance only; None means at once.

        Raises:
            Refused: The event was not authorized.
            NoAnswer: No answer arrived; the event may be authorized.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(AUTHORIZE, AuthorizeEvent(event, authorization, start))

    async def reschedule(self, event: str, start: datetime | None = None) -> Accepted:
        """Move the start of a planned event.

        Args:
            event: Its id.
            start: Aware time more than five minutes from now; None means at once.

        Raises:
            Refused: The event was not moved.
            NoAnswer: No answer arrived; the event may have been moved.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(RESCHEDULE, RescheduleEvent(event, start))
