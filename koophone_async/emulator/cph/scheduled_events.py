"""Maintenance that is planned for servers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Site, marked
from koophone_async.emulator.cph.state import Event, when
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import scheduled_events
from koophone_async.services.cph.scheduled_events import EventState, EventType, ScheduledEvent
from koophone_async.services.cph.started_jobs import Accepted

NOTICE: Final = timedelta(minutes=5)
"""How long before its beginning an event must be given another time."""

LASTS: Final = timedelta(hours=1)
LATEST: Final = timedelta(days=30)
"""How far its beginning can be moved away from its first day."""


@frozen
class ScheduledEvents:
    """Tells of planned events, which wait until the tenant agrees. The seed plans one a region."""

    site: Site

    @serves(scheduled_events.LIST)
    async def list(self, request: scheduled_events.EventQuery) -> scheduled_events.EventPage:
        """Give one page of the events."""
        shown = [self._shown(event) for event in self.site.estate.events.values() if self._is_here(event)]
        found = [event for event in shown if _fits(event, request)]
        return scheduled_events.EventPage(*marked(found, request.marker, request.limit), len(found))

    @serves(scheduled_events.AUTHORIZE)
    async def authorize(self, request: scheduled_events.AuthorizeEvent) -> Accepted:
        """Let an event happen: at once, or when it is wanted."""
        event = self._waiting(request.event)
        event.begins = self._beginning(request.start)
        event.authorization = str(request.authorization)
        return Accepted()

    @serves(scheduled_events.RESCHEDULE)
    async def reschedule(self, request: scheduled_events.RescheduleEvent) -> Accepted:
        """Move the beginning of an event that has not begun."""
        event = self._waiting(request.event)
        event.begins = self._beginning(request.start)
        return Accepted()

    def _is_here(self, event: Event) -> bool:
        return event.region == self.site.region and event.server in self.site.estate.servers.by_id

    def _waiting(self, id_: str) -> Event:
        event = self.site.estate.events.get(id_)
        if event is None or not self._is_here(event):
            raise cph(error_table.NO_RESOURCE, reason=id_)
        if self._state(event) not in (EventState.INQUIRING, EventState.SCHEDULED):
            raise cph(error_table.BAD_TIME, reason="the event has begun")
        return event

    def _beginning(self, start: str | None) -> str:
        """Read when to begin; nothing is at once.

        Raises:
            Refusal: It is no time, or less than five minutes from now (CPS.0174).
        """
        now = self.site.now.astimezone(UTC)
        if not start:
            return now.isoformat()
        try:
            begins = datetime.fromisoformat(start)
        except ValueError:
            raise cph(error_table.BAD_TIME, reason=start) from None
        if begins.tzinfo is None or begins < now + NOTICE:
            raise cph(error_table.BAD_TIME, reason=start)
        return begins.isoformat()

    def _state(self, event: Event) -> EventState:
        if not event.authorization:
            return EventState.INQUIRING
        since = self.site.now - when(event.begins)
        if since < timedelta():
            return EventState.SCHEDULED
        return EventState.EXECUTING if since < LASTS else EventState.COMPLETED

    def _shown(self, event: Event) -> ScheduledEvent:
        server, state, begins = (
            self.site.estate.servers.by_id[event.server],
            self._state(event),
            when(event.begins),
        )
        return ScheduledEvent(
            event.id,
            server.id,
            server.name,
            server.model,
            server.state,
            EventType.MAINTENANCE,
            event.authorization or None,
            state,
            when(event.published),
            begins if state in (EventState.EXECUTING, EventState.COMPLETED) else None,
            begins + LASTS if state is EventState.COMPLETED else None,
            begins,
            begins + LASTS,
            when(event.published) + LATEST,
            "maintenance of the server's disks",
        )


def _fits(event: ScheduledEvent, query: scheduled_events.EventQuery) -> bool:
    published = event.published_at
    return (
        query.event in (None, event.id)
        and query.server in (None, event.server)
        and (query.states is None or event.state in query.states)
        and (query.types is None or event.type in query.types)
        and (query.since is None or published is None or published >= query.since)
        and (query.until is None or published is None or published <= query.until)
    )
