"""Which user of the tenant holds which instance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, Text
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.services.koophone.jobs import Accepted, StartedTask
from koophone_async.wire import wire


@frozen
class Holding:
    """A user and the instance that is, or is to be, theirs."""

    user: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("user_id"))
    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))


def _all(pairs: Iterable[Holding]) -> tuple[Holding, ...]:
    return tuple(pairs)


@frozen
class Holdings:
    """Pairs of users and instances."""

    pairs: tuple[Holding, ...] = field(converter=_all, validator=Listed(), metadata=wire("user_instances"))


ASSIGN: Final = Operation(
    "koophone.users.assign", "POST", "/v1/instances/assign",
    Holdings, Accepted, source="KooPhone 4.1.8 (2025-12-31)",
    batch=Batch("pairs", max=100, one_region=True), repeatable=True,
)  # fmt: skip

# The 2025-08-27 edition answers no task; no edition states how many pairs a call takes.
UNASSIGN: Final = Operation(
    "koophone.users.unassign", "POST", "/v1/instances/unassign",
    Holdings, StartedTask, source="KooPhone 4.1.9 (2025-12-31)",
    batch=Batch("pairs", max=UNSTATED, one_region=True), repeatable=False,
)  # fmt: skip


@frozen
class Users:
    """Who holds which instance."""

    _session: Sender

    async def assign(self, pairs: Iterable[Holding]) -> Accepted:
        """Give instances to users of the tenant.

        Args:
            pairs: At most 100 pairs of user and instance, ids of at most 32 characters.

        Raises:
            Refused: The service refused the whole call; nobody got anything.
            NoAnswer: No answer came; the instances may have been given.

        API: KooPhone 4.1.8 (2025-12-31)
        """
        return await self._session.send(ASSIGN, Holdings(pairs))

    async def unassign(self, pairs: Iterable[Holding]) -> StartedTask:
        """Take instances back, and erase what their users left on them.

        Args:
            pairs: Pairs of user and instance; no maximum is stated, 100 are sent at most.

        Raises:
            NotFound: A pair does not exist (KOOPHONE.API.2210).
            Refused: The service refused the whole call; nothing was erased.
            NoAnswer: No answer came; the data may be gone.

        API: KooPhone 4.1.9 (2025-12-31)
        """
        return await self._session.send(UNASSIGN, Holdings(pairs))
