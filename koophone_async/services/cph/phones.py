"""Phones: listing, naming, stopping, restarting and wiping them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Between, Listed, OneOf, Text, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.services.cph.connections import CONNECTIONS, ClientType, ConnectionRequest, Connections
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.phone import Phone, PhoneDetails, PhoneState, PhoneType
from koophone_async.services.cph.phone_models import MODELS, PhoneModel, PhoneModelQuery, SaleState
from koophone_async.services.cph.properties import (
    UPDATE_PROPERTIES,
    PropertyTexts,
    PropertyUpdate,
    UpdateProperties,
    json_text,
    parse_optional_properties,
)
from koophone_async.services.cph.started_jobs import Accepted, Started
from koophone_async.wire import wire

Item = TypeVar("Item")


@frozen
class PhoneQuery:
    """Which phones to list."""

    name: str | None = field(default=None, metadata=wire("phone_name"))
    """Part of the name."""

    server: str | None = field(default=None, metadata=wire("server_id"))
    state: PhoneState | None = field(
        default=None, validator=OneOf((*PhoneState, None)), metadata=wire("status")
    )
    type: PhoneType | None = field(default=None, validator=OneOf((*PhoneType, None)))
    """TRIAL until 2020-07-30 only."""

    offset: int = field(default=0, validator=Between(0, 10**9))
    # Services of 2020-07-30 give no more than 100, and no total that would tell of the rest.
    limit: int = field(default=100, validator=Between(1, 200))
    """How many to ask for at once; the list has them all."""


@frozen
class PhonePage:
    """One page of the list."""

    items: tuple[Phone, ...] = field(default=(), metadata=wire("phones"))
    total: int | None = field(default=None, metadata=wire("count"))
    """None from services of 2020-07-30."""


@frozen
class PhoneRequest:
    """The phone that a call is about."""

    # Another operation has the path of a phone that were called phone-export (CPH 7.1).
    phone: str = field(
        validator=Text(MAX_ID_LENGTH, pattern="(?!phone-export$).*"), metadata=wire("phone_id")
    )


@frozen
class RenamePhone(PhoneRequest):
    """A new name for a phone."""

    name: str = field(validator=Text(60, pattern=r"[A-Za-z0-9_\u4e00-\u9fff-]+"), metadata=wire("phone_name"))


@frozen
class StopPhones:
    """Phones to stop."""

    phones: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("phone_ids"))


@frozen
class PhoneChange:
    """A phone to restart or to reset, and the properties that it takes up with it."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    properties: PropertyTexts | None = field(
        default=None, converter=parse_optional_properties, metadata=wire("property", as_text=json_text)
    )


@frozen
class PhoneReset(PhoneChange):
    """A phone to reset."""

    clear_properties: bool | None = field(default=None, metadata=wire("factory_reset_enabled"))
    """Whether it loses all properties that were ever set. Only the vendor's SDK knows it."""


def _reject_string(phones: Iterable[Item]) -> Iterable[Item]:
    if isinstance(phones, str):
        raise InvalidRequest(
            "", "phones", f"is the string {phones!r}; give a list of phones", Rule.WRONG_TYPE
        )
    return phones


def _changes(phones: Iterable[str | PhoneChange]) -> tuple[PhoneChange, ...]:
    return tuple(PhoneChange(phone) if isinstance(phone, str) else phone for phone in _reject_string(phones))


def _resets(phones: Iterable[str | PhoneReset]) -> tuple[PhoneReset, ...]:
    return tuple(PhoneReset(phone) if isinstance(phone, str) else phone for phone in _reject_string(phones))


@frozen
class RestartPhones:
    """Phones to restart."""

    phones: tuple[PhoneChange, ...] = field(converter=_changes, validator=Listed())
    image: str | None = field(default=None, validator=Text(MAX_ID_LENGTH), metadata=wire("image_id"))


@frozen
class ResetPhones:
    """Phones to wipe."""

    phones: tuple[PhoneReset, ...] = field(converter=_resets, validator=Listed())
    image: str | None = field(default=None, validator=Text(MAX_ID_LENGTH), metadata=wire("image_id"))


LIST: Final = Operation(
    "cph.phones.list", "GET", "/v1/{project_id}/cloud-phone/phones",
    PhoneQuery, PhonePage, source="CPH 5.3.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

SHOW: Final = Operation(
    "cph.phones.show", "GET", "/v1/{project_id}/cloud-phone/phones/{phone_id}",
    PhoneRequest, PhoneDetails, source="CPH 5.3.2 (2025-02-08)", repeatable=True,
)  # fmt: skip

# The document of 2020-07-30 calls it UpdatePhoneNumber; no telephone number is involved.
RENAME: Final = Operation(
    "cph.phones.rename", "PUT", "/v1/{project_id}/cloud-phone/phones/{phone_id}",
    RenamePhone, Accepted, source="CPH 5.3.9 (2025-02-08)", repeatable=True,
)  # fmt: skip

# Sent twice, the second call may refuse the phones that the first is stopping, and hide its jobs.
STOP: Final = Operation(
    "cph.phones.stop", "POST", "/v1/{project_id}/cloud-phone/phones/batch-stop",
    StopPhones, Started, source="CPH 5.3.8 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

# There is no call that starts a phone: this one starts what is stopped.
RESTART: Final = Operation(
    "cph.phones.restart", "POST", "/v1/{project_id}/cloud-phone/phones/batch-restart",
    RestartPhones, Started, source="CPH 5.3.7 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

RESET: Final = Operation(
    "cph.phones.reset", "POST", "/v1/{project_id}/cloud-phone/phones/batch-reset",
    ResetPhones, Started, source="CPH 5.3.6 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip


@frozen
class Phones:
    """The project's phones."""

    _session: Sender

    def list(self, query: PhoneQuery = PhoneQuery()) -> AsyncIterator[Phone]:
        """Give every phone that the query describes, newest first, page after page.

        Args:
            query: Filters, all optional: part of the name, server, state; `limit` is how many to ask
                for at once, at most 200.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def show(self, phone: str) -> PhoneDetails:
        """Tell how one phone is, with its ports and properties.

        Args:
            phone: One id.

        Raises:
            NotFound: There is no such phone (CPS.0005).

        API: CPH 5.3.2 (2025-02-08)
        """
        return await self._session.send(SHOW, PhoneRequest(phone))

    def models(self, state: SaleState | None = None) -> AsyncIterator[PhoneModel]:
        """Give every model of phones, page after page.

        Args:
            state: Only those on sale, or only those that are not; else both.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.4 (2025-02-08)
        """
        return items_by_offset(self._session, MODELS, PhoneModelQuery(state))

    async def connections(self, phones: Iterable[str], client: ClientType) -> Connections:
        """Get what a client of some kind connects to phones with.

        Some phones may be refused while others are not; the answer lists both.

        Args:
            phones: At most 10 ids.
            client: The kind of client that will stream.

        Raises:
            Refused: The service refused the whole call; no ticket was given out.
            NoAnswer: No answer came.

        API: CPH 5.3.3 (2025-02-08)
        """
        return await self._session.send(CONNECTIONS, ConnectionRequest(phones, client))

    async def rename(self, phone: str, name: str) -> Accepted:
        """Give a phone another name.

        Args:
            phone: One id.
            name: At most 60 letters, digits, Chinese characters, `_` and `-`.

        Raises:
            Refused: The name stays as it is.
            NoAnswer: No answer came; the name may have changed.

        API: CPH 5.3.9 (2025-02-08)
        """
        return await self._session.send(RENAME, RenamePhone(phone, name))

    async def stop(self, phones: Iterable[str]) -> Started:
        """Start stopping phones. `restart` starts them again.

        Args:
            phones: Ids of running phones; no document says how many.

        Raises:
            Refused: The service refused the whole call; none is being stopped.
            NoAnswer: No answer came; they may be stopping.

        API: CPH 5.3.8 (2025-02-08)
        """
        return await self._session.send(STOP, StopPhones(phones))

    async def restart(self, phones: Iterable[str | PhoneChange], image: str | None = None) -> Started:
        """Start restarting phones, or starting those that are stopped.

        Args:
            phones: Ids, or ids with properties that change with it; no document says how many.
            image: The image that all of them change to. Encrypted phones change theirs by `reset` (CPS.0379).

        Raises:
            Refused: The service refused the whole call; none is being restarted.
            NoAnswer: No answer came; they may be restarting.

        API: CPH 5.3.7 (2025-02-08)
        """
        return await self._session.send(RESTART, RestartPhones(phones, image))

    async def reset(self, phones: Iterable[str | PhoneReset], image: str | None = None) -> Started:
        """Start wiping phones back to their first state. What they held is lost.

        Args:
            phones: Ids, or ids with properties that change with it; no document says how many.
            image: The image that all of them change to.

        Raises:
            Refused: The service refused the whole call; nothing was wiped.
            NoAnswer: No answer came; the phones may be wiped.

        API: CPH 5.3.6 (2025-02-08)
        """
        return await self._session.send(RESET, ResetPhones(phones, image))

    async def update_properties(self, updates: Iterable[PropertyUpdate]) -> Started:
        """Start changing properties of phones. Some take effect only after a restart.

        A phone in the abnormal state takes them up when it runs again.

        Args:
            updates: Phones and their new properties; no document says how many.

        Raises:
            InvalidRequest: A property is not known or its value not allowed; nothing was sent.
            Refused: The service refused the whole call; nothing is being changed.
            NoAnswer: No answer came; the properties may be changing.

        API: CPH 5.3.10 (2025-02-08)
        """
        return await self._session.send(UPDATE_PROPERTIES, UpdateProperties(updates))
