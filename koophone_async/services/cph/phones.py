"""Phones: list, rename, stop, restart, reset and migrate them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Between, Listed, OneOf, Text, ids, list_problem
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.connections import CONNECTIONS, ClientType, ConnectionRequest, Connections
from koophone_async.services.cph.migration import MIGRATE, MigratePhones, Migration
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
from koophone_async.wire import PAGE_SIZE, doc, wire

Item = TypeVar("Item")


@frozen
class PhoneQuery:
    """Filter of the list of phones."""

    name: str | None = field(default=None, metadata=wire("phone_name") | doc("The name or a part of it."))
    server: str | None = field(default=None, metadata=wire("server_id"))
    state: PhoneState | None = field(
        default=None, validator=OneOf((*PhoneState, None)), metadata=wire("status")
    )
    type: PhoneType | None = field(
        default=None,
        validator=OneOf((*PhoneType, None)),
        metadata=doc("TRIAL only for services of 2020-07-30."),
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    # Services of 2020-07-30 return at most 100 rows, without a total.
    limit: int = field(default=100, validator=Between(1, 200), metadata=PAGE_SIZE)


@frozen
class PhonePage:
    """One page of the list of phones."""

    items: tuple[Phone, ...] = field(default=(), metadata=wire("phones"))
    total: int | None = field(default=None, metadata=wire("count"))
    """None in answers of 2020-07-30."""


@frozen
class PhoneRequest:
    """Request about one phone."""

    # The id phone-export would yield the path of another operation (CPH 7.1).
    phone: str = field(
        validator=Text(MAX_ID_LENGTH, pattern="(?!phone-export$).*"), metadata=wire("phone_id")
    )


@frozen
class RenamePhone(PhoneRequest):
    """Request to rename a phone."""

    name: str = field(validator=Text(60, pattern=r"[A-Za-z0-9_\u4e00-\u9fff-]+"), metadata=wire("phone_name"))


@frozen
class StopPhones:
    """Request to stop phones."""

    phones: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("phone_ids"))


@frozen
class PhoneChange:
    """A phone to restart or reset, and the properties to set with it."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    properties: PropertyTexts | None = field(
        default=None, converter=parse_optional_properties, metadata=wire("property", as_text=json_text)
    )


@frozen
class PhoneReset(PhoneChange):
    """A phone to reset, and the properties to set or clear with it."""

    clear_properties: bool | None = field(default=None, metadata=wire("factory_reset_enabled"))
    """Whether to remove all properties that were ever set. Only the vendor's SDK has it."""


def _reject_string(phones: Iterable[Item]) -> Iterable[Item]:
    if problem := list_problem(phones, "phones"):
        raise InvalidRequest("", "phones", problem, Rule.WRONG_TYPE)
    return phones


def _changes(phones: Iterable[str | PhoneChange]) -> tuple[PhoneChange, ...]:
    return tuple(PhoneChange(phone) if isinstance(phone, str) else phone for phone in _reject_string(phones))


def _resets(phones: Iterable[str | PhoneReset]) -> tuple[PhoneReset, ...]:
    return tuple(PhoneReset(phone) if isinstance(phone, str) else phone for phone in _reject_string(phones))


@frozen
class RestartPhones:
    """Request to restart phones."""

    phones: tuple[PhoneChange, ...] = field(converter=_changes, validator=Listed())
    image: str | None = field(default=None, validator=Text(MAX_ID_LENGTH), metadata=wire("image_id"))


@frozen
class ResetPhones:
    """Request to reset phones."""

    phones: tuple[PhoneReset, ...] = field(converter=_resets, validator=Listed())
    image: str | None = field(default=None, validator=Text(MAX_ID_LENGTH), metadata=wire("image_id"))


LIST: Final = Operation(
    "cph.phones.list", "GET", "/v1/{project_id}/cloud-phone/phones",
    PhoneQuery, PhonePage, source="CPH 5.3.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

SHOW: Final = Operation(
    "cph.phones.show", "GET", "/v1/{project_id}/cloud-phone/phones/{phone_id}",
    PhoneRequest, PhoneDetails, source="CPH 5.3.2 (2025-02-08)", repeatable=True,
    answer_ids=lambda answer: (answer.id,),
)  # fmt: skip

# The document of 2020-07-30 calls it UpdatePhoneNumber; it has nothing to do with telephone numbers.
RENAME: Final = Operation(
    "cph.phones.rename", "PUT", "/v1/{project_id}/cloud-phone/phones/{phone_id}",
    RenamePhone, Accepted, source="CPH 5.3.9 (2025-02-08)", repeatable=True,
)  # fmt: skip

# Not repeatable: a second call may refuse the phones that the first is stopping, and hide its jobs.
STOP: Final = Operation(
    "cph.phones.stop", "POST", "/v1/{project_id}/cloud-phone/phones/batch-stop",
    StopPhones, Started, source="CPH 5.3.8 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

# No other call starts a phone: this one starts stopped phones too.
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
    """Phones of the project."""

    _session: Sender

    def list(self, query: PhoneQuery = PhoneQuery()) -> Items[Phone]:
        """Iterate over the phones that match a query, newest first, page by page.

        Args:
            query: Filters, all optional: part of the name, server, state; `limit` is the page
                size, at most 200.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, query)

    async def show(self, phone: str) -> PhoneDetails:
        """Return the details of one phone, with its ports and properties.

        Args:
            phone: Its id.

        Raises:
            NotFound: The phone does not exist (CPS.0005).

        API: CPH 5.3.2 (2025-02-08)
        """
        return await self._session.send(SHOW, PhoneRequest(phone))

    def models(self, state: SaleState | None = None) -> Items[PhoneModel]:
        """Iterate over the phone models, page by page.

        Args:
            state: Only models with this state; None for all.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.3.4 (2025-02-08)
        """
        return items_by_offset(self._session, MODELS, PhoneModelQuery(state))

    async def connections(self, phones: Iterable[str], client: ClientType) -> Connections:
        """Request connections to phones for a kind of client.

        Each phone gets a connection or a refusal; the answer lists both.

        Args:
            phones: At most 10 ids.
            client: Kind of the streaming client.

        Raises:
            Refused: The service refused the whole call; no access ticket was issued.
            NoAnswer: No answer arrived; access tickets may have been issued.

        API: CPH 5.3.3 (2025-02-08)
        """
        return await self._session.send(CONNECTIONS, ConnectionRequest(phones, client))

    async def rename(self, phone: str, name: str) -> Accepted:
        """Rename a phone.

        Args:
            phone: Its id.
            name: At most 60 letters, digits, Chinese characters, `_` and `-`.

        Raises:
            Refused: The name stays as it is.
            NoAnswer: No answer arrived; the name may have changed.

        API: CPH 5.3.9 (2025-02-08)
        """
        return await self._session.send(RENAME, RenamePhone(phone, name))

    async def stop(self, phones: Iterable[str]) -> Started:
        """Start stopping phones. `restart` starts them again.

        Args:
            phones: At most 100 ids of running phones (no document states a maximum).

        Raises:
            Refused: The service refused the whole call; none is being stopped.
            NoAnswer: No answer arrived; they may be stopping.

        API: CPH 5.3.8 (2025-02-08)
        """
        return await self._session.send(STOP, StopPhones(phones))

    async def restart(self, phones: Iterable[str | PhoneChange], image: str | None = None) -> Started:
        """Start restarting phones, or starting stopped ones.

        Args:
            phones: Ids, or `PhoneChange`s with properties to set; at most 100 (no document states a maximum).
            image: Id of the image that all phones change to. Encrypted phones change it by `reset`
                (CPS.0379).

        Raises:
            Refused: The service refused the whole call; none is being restarted.
            NoAnswer: No answer arrived; they may be restarting.

        API: CPH 5.3.7 (2025-02-08)
        """
        return await self._session.send(RESTART, RestartPhones(phones, image))

    async def reset(self, phones: Iterable[str | PhoneReset], image: str | None = None) -> Started:
        """Start resetting phones to their initial state. All their data is lost.

        Args:
            phones: Ids, or `PhoneReset`s with properties to set; at most 100 (no document states a maximum).
            image: Id of the image that all phones change to.

        Raises:
            Refused: The service refused the whole call; no phone was reset.
            NoAnswer: No answer arrived; the phones may have been reset.

        API: CPH 5.3.6 (2025-02-08)
        """
        return await self._session.send(RESET, ResetPhones(phones, image))

    async def migrate(self, migrations: Iterable[Migration]) -> Started:
        """Start overwriting the data of phones with that of other phones. Data of the targets is lost.

        Args:
            migrations: At most 100 pairs of source and target, each target once. The maximum is ours: no
                document states one.

        Raises:
            Refused: The service refused the whole call; nothing is being overwritten.
            NoAnswer: No answer arrived; the targets may be overwritten.

        API: CPH, published interface (2025-10-28), the request only
        """
        return await self._session.send(MIGRATE, MigratePhones(migrations))

    async def update_properties(self, updates: Iterable[PropertyUpdate]) -> Started:
        """Start changing properties of phones. Some take effect only after a restart.

        A phone in the abnormal state applies them when it runs again.

        Args:
            updates: At most 100 phones with their new properties (no document states a maximum).

        Raises:
            InvalidRequest: A property is unknown or its value not allowed; nothing was sent.
            Refused: The service refused the whole call; nothing is being changed.
            NoAnswer: No answer arrived; the properties may be changing.

        API: CPH 5.3.10 (2025-02-08)
        """
        return await self._session.send(UPDATE_PROPERTIES, UpdateProperties(updates))
