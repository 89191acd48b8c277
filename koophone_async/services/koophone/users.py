"""Assign instances to users, and unassign them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, Text
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.services.koophone.jobs import Accepted, StartedTask
from koophone_async.wire import wire


@frozen
class Assignment:
    """A user, and an instance that is or will be assigned to them."""

    user: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("user_id"))
    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))


def _to_tuple(pairs: Iterable[Assignment]) -> tuple[Assignment, ...]:
    return tuple(pairs)


@frozen
class Assignments:
    """Assignments to create or to end."""

    pairs: tuple[Assignment, ...] = field(
        converter=_to_tuple, validator=Listed(), metadata=wire("user_instances")
    )


ASSIGN: Final = Operation(
    "koophone.users.assign", "POST", "/v1/instances/assign",
    Assignments, Accepted, source="KooPhone 4.1.8 (2025-12-31)",
    batch=Batch("pairs", max=100, one_region=True), repeatable=True,
)  # fmt: skip

# The edition of 2025-08-27 answers without a task; no edition states a maximum of pairs.
UNASSIGN: Final = Operation(
    "koophone.users.unassign", "POST", "/v1/instances/unassign",
    Assignments, StartedTask, source="KooPhone 4.1.9 (2025-12-31)",
    batch=Batch("pairs", max=UNSTATED, one_region=True), repeatable=False,
)  # fmt: skip


@frozen
class Users:
    """Assign instances to users, and unassign them."""

    _session: Sender

    async def assign(self, pairs: Iterable[Assignment]) -> Accepted:
        """Assign instances to users of the tenant.

        Args:
            pairs: At most 100 pairs of user and instance, ids of at most 32 characters.

        Raises:
            Refused: The service refused the whole call; nothing was assigned.
            NoAnswer: No answer was received; the instances may have been assigned.

        API: KooPhone 4.1.8 (2025-12-31)
        """
        return await self._session.send(ASSIGN, Assignments(pairs))

    async def unassign(self, pairs: Iterable[Assignment]) -> StartedTask:
        """Unassign instances, which erases the data of their users.

        Args:
            pairs: Pairs of user and instance. The documents state no maximum; 100 are sent at most.

        Raises:
            NotFound: A pair does not exist (KOOPHONE.API.2210).
            Refused: The service refused the whole call; nothing was erased.
            NoAnswer: No answer was received; the data may be erased.

        API: KooPhone 4.1.9 (2025-12-31)
        """
        return await self._session.send(UNASSIGN, Assignments(pairs))
