"""Tickets that were used: each is accepted once.

Only a genuine access takes a place, so that forged ones cannot fill the bounds. What its sender can change,
such as `auth_ts`, has no influence on how long it is remembered.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from koophone_async.events.errors import Reason, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen(order=True)
class UsedTicket:
    """A ticket that was used, by digests: neither memory nor journal contains the ticket itself."""

    digest: bytes
    """Digest of what proved the access; the session is none, since its name is not signed."""

    session: bytes = field(eq=False)
    end: int | None = field(eq=False, default=None)
    """Milliseconds since 1970 after which it would be refused anyway; None if that is not known."""


@define(eq=False)
class UsedTickets:
    """Remember used tickets: those with an end until then, the others as long as there is room.

    Where only tickets with an end are left, the next access is refused: none of them is forgotten early.
    """

    max_tickets: int
    max_per_session: int
    _ends: dict[UsedTicket, int | None] = field(factory=dict["UsedTicket", "int | None"], init=False)
    _sessions: dict[bytes, int] = field(factory=dict[bytes, int], init=False)
    """Number of tickets by session."""

    _by_end: list[tuple[int, UsedTicket]] = field(factory=list[tuple[int, "UsedTicket"]], init=False)
    _endless: dict[UsedTicket, None] = field(factory=dict["UsedTicket", None], init=False)
    """Those without an end, in the order of their use."""

    def __len__(self) -> int:
        return len(self._ends)

    def load(self, tickets: Iterable[UsedTicket]) -> None:
        """Restore the tickets of an earlier run, in the order of their use."""
        for ticket in tickets:
            self._remember(ticket)

    def spend(self, ticket: UsedTicket, now: int) -> list[UsedTicket]:
        """Mark a ticket as used; return those that are no longer remembered.

        Raises:
            Rejected: The ticket was used before, or a bound is reached.
        """
        forgotten = self._forget_ended(now)
        if ticket in self._ends:
            raise Rejected(Reason.REPLAYED)
        if self._sessions.get(ticket.session, 0) >= self.max_per_session:
            raise Rejected(Reason.FULL)
        while len(self._ends) >= self.max_tickets:
            forgotten.append(self._forget_oldest())
        self._remember(ticket)
        return forgotten

    def release(self, ticket: UsedTicket) -> None:
        """Undo `spend`, when the access was refused after all."""
        del self._ends[ticket]
        self._endless.pop(ticket, None)
        self._sessions[ticket.session] -= 1
        if not self._sessions[ticket.session]:
            del self._sessions[ticket.session]

    def _remember(self, ticket: UsedTicket) -> None:
        self._ends[ticket] = ticket.end
        self._sessions[ticket.session] = self._sessions.get(ticket.session, 0) + 1
        if ticket.end is None:
            self._endless[ticket] = None
        else:
            heappush(self._by_end, (ticket.end, ticket))

    def _forget_ended(self, now: int) -> list[UsedTicket]:
        forgotten: list[UsedTicket] = []
        while self._by_end and self._by_end[0][0] < now:
            end, ticket = heappop(self._by_end)
            if self._ends.get(ticket) == end:
                self.release(ticket)
                forgotten.append(ticket)
        return forgotten

    def _forget_oldest(self) -> UsedTicket:
        oldest = next(iter(self._endless), None)
        if oldest is None:
            raise Rejected(Reason.FULL)
        self.release(oldest)
        return oldest
