"""Scheduled maintenance of servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, marked
from koophone_async.emulator.cph.state import MaintenanceEvent
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import scheduled_events
from koophone_async.services.cph.scheduled_events import EventState, EventType, ScheduledEvent
from koophone_async.services.cph.started_jobs import Accepted

NOTICE: Final = timedelta(minutes=5)
"""How long before its start an event can be rescheduled."""

DURATION: Final = timedelta(hours=1)
MAX_DELAY: Final = timedelta(days=30)
"""How far the start can be moved from the day on which the event was published."""


class ScheduledEvents(Resource):
    """Lists, authorizes and reschedules events. The seed schedules one in each region."""

    @serves(scheduled_events.LIST)
    async def list(self, request: scheduled_events.EventQuery) -> scheduled_events.EventPage:
        rows = [self._row(event) for event in self.project.cph.events.values() if self._is_here(event)]
        found = [event for event in rows if _matches(event, request)]
        return scheduled_events.EventPage(*marked(found, request.marker, request.limit), len(found))

    @serves(scheduled_events.AUTHORIZE)
    async def authorize(self, request: scheduled_events.AuthorizeEvent) -> Accepted:
        """Authorize an event, at once or for a time."""
        event = self._pending(request.event)
        event.starts = self._start(request.start)
        event.authorization = str(request.authorization)
        return Accepted()

    @serves(scheduled_events.RESCHEDULE)
    async def reschedule(self, request: scheduled_events.RescheduleEvent) -> Accepted:
        event = self._pending(request.event)
        event.starts = self._start(request.start)
        return Accepted()

    def _is_here(self, event: MaintenanceEvent) -> bool:
        return event.region == self.project.region and event.server in self.project.cph.servers.by_id

    def _pending(self, id_: str) -> MaintenanceEvent:
        event = self.project.cph.events.get(id_)
        if event is None or not self._is_here(event):
            raise cph_refusal(error_table.NO_RESOURCE, reason=id_)
        if self._state(event) not in (EventState.INQUIRING, EventState.SCHEDULED):
            raise cph_refusal(error_table.INVALID_TIME, reason="the event has begun")
        return event

    def _start(self, start: str | None) -> datetime:
        """Parse the start; by default it is now.

        Raises:
            Refusal: It is malformed, or less than five minutes from now (CPS.0174).
        """
        now = self.project.now
        if not start:
            return now
        try:
            starts = datetime.fromisoformat(start)
        except ValueError:
            raise cph_refusal(error_table.INVALID_TIME, reason=start) from None
        if starts.tzinfo is None or starts < now + NOTICE:
            raise cph_refusal(error_table.INVALID_TIME, reason=start)
        return starts.astimezone(UTC)

    def _state(self, event: MaintenanceEvent) -> EventState:
        if not event.authorization:
            return EventState.INQUIRING
        since = self.project.now - event.starts
        if since < timedelta():
            return EventState.SCHEDULED
        return EventState.EXECUTING if since < DURATION else EventState.COMPLETED

    def _row(self, event: MaintenanceEvent) -> ScheduledEvent:
        server, state, starts = self.project.cph.servers.by_id[event.server], self._state(event), event.starts
        return ScheduledEvent(
            event.id,
            server.id,
            server.name,
            server.model,
            server.state,
            EventType.MAINTENANCE,
            event.authorization or None,
            state,
            event.published,
            starts if state in (EventState.EXECUTING, EventState.COMPLETED) else None,
            starts + DURATION if state is EventState.COMPLETED else None,
            starts,
            starts + DURATION,
            event.published + MAX_DELAY,
            "maintenance of the server's disks",
        )


def _matches(event: ScheduledEvent, query: scheduled_events.EventQuery) -> bool:
    published = event.published_at
    return (
        query.event in (None, event.id)
        and query.server in (None, event.server)
        and (query.states is None or event.state in query.states)
        and (query.types is None or event.type in query.types)
        and (query.since is None or published is None or published >= query.since)
        and (query.until is None or published is None or published <= query.until)
    )
