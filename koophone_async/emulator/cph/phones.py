"""Phones as a whole."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES, SEEDED, PhoneFlavor, image_of
from koophone_async.emulator.cph.project import Details, Site, running, thawed
from koophone_async.emulator.fleet import Phone, Running
from koophone_async.emulator.server.errors import cph
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import phones, properties
from koophone_async.services.cph.order_models import DiskType
from koophone_async.services.cph.phone import (
    DataVolume,
    PhoneDetails,
    PhoneOrder,
    PhonePort,
    PhoneState,
    PhoneType,
)
from koophone_async.services.cph.phone import Phone as Row
from koophone_async.services.cph.phone_models import DiskMode
from koophone_async.services.cph.property_list import FORMER, RULES, UNEXPLAINED
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.services.cph.traffic import Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from koophone_async.services.cph.started_jobs import Started

_STATES: Final = {
    Running.UNKNOWN: PhoneState.ABNORMAL,
    Running.STOPPED: PhoneState.STOPPED,
    Running.RUNNING: PhoneState.RUNNING,
    Running.GOING_OFFLINE: PhoneState.STOPPING,
    Running.STARTING: PhoneState.RESTARTING,
    Running.SHUT_DOWN: PhoneState.STOPPED,
}


@frozen
class Phones:
    """Lists, names, stops, restarts and wipes phones, and sets their properties."""

    site: Site

    @serves(phones.LIST)
    async def list(self, request: phones.PhoneQuery) -> phones.PhonePage:
        """Give one page of the phones, the newest first."""
        page, total = self._page(request)
        return phones.PhonePage(tuple(Row(**row(self.site, phone)) for phone in page), total)

    def _page(self, query: phones.PhoneQuery) -> tuple[Sequence[Phone], int]:
        is_filtered = any((query.name, query.state is not None, query.type))
        if query.server is None and not is_filtered:
            return self.site.page(query.offset, query.limit)
        found = self._some(query)
        if is_filtered:
            found = [phone for phone in found if _fits(phone, query)]
        return found[query.offset : query.offset + query.limit], len(found)

    def _some(self, query: phones.PhoneQuery) -> Sequence[Phone]:
        server = query.server and self.site.estate.servers.by_id.get(query.server)
        if query.server is None:
            return self.site.phones()
        if not server or server.region != self.site.region:
            return []
        return self.site.world.fleet.on_server(server.index)[::-1]

    @serves(phones.SHOW)
    async def show(self, request: phones.PhoneRequest) -> PhoneDetails:
        """Tell everything of one phone."""
        phone = self.site.phone(request.phone)
        return details(self.site, phone)

    @serves(phones.RENAME)
    async def rename(self, request: phones.RenamePhone) -> Accepted:
        """Give a phone another name."""
        self.site.phone(request.phone).name = request.name
        return Accepted()

    @serves(phones.STOP, counted=False)
    async def stop(self, request: phones.StopPhones) -> Started:
        """Stop phones that run."""
        return self.site.on_phones(phones.STOP, [(phone, {}) for phone in request.phones], running)

    @serves(phones.RESTART, counted=False)
    async def restart(self, request: phones.RestartPhones) -> Started:
        """Restart phones that run or stand still; they take up the properties that they were given."""
        return self.site.on_phones(phones.RESTART, _changes(request), self._may_restart)

    @serves(phones.RESET, counted=False)
    async def reset(self, request: phones.ResetPhones) -> Started:
        """Wipe phones. Properties that they were given outlive that unless they are to be forgotten."""
        return self.site.on_phones(phones.RESET, _changes(request), self._may_reset)

    def _may_restart(self, phone: Phone, wanted: Details) -> None:
        if phone.running in (Running.STARTING, Running.GOING_OFFLINE) and "broken" not in phone.drawer:
            raise cph(error_table.NEITHER_STOPPED_NOR_RUNNING, reason=phone.cph_id)
        self._may_reset(phone, wanted)

    def _may_reset(self, phone: Phone, wanted: Details) -> None:
        thawed(phone)
        _check_properties(wanted.get("property") or {})
        image = wanted.get("image")
        if image and self.site.estate.release_of(image, self.site.region) is None:
            raise cph(error_table.NO_IMAGE, reason=str(image))

    @serves(properties.UPDATE_PROPERTIES, counted=False)
    async def update_properties(self, request: properties.UpdateProperties) -> Started:
        """Give phones properties, which they take up when they start next."""
        wanted = [
            (update.phone, {"property": update.properties, "custom": update.custom})
            for update in request.phones
        ]
        return self.site.on_phones(properties.UPDATE_PROPERTIES, wanted, _may_have)


def _changes(request: phones.RestartPhones | phones.ResetPhones) -> Iterator[tuple[str, Details]]:
    for change in request.phones:
        clear_properties = isinstance(change, phones.PhoneReset) and change.clear_properties
        yield (
            change.phone,
            {"property": change.properties, "image": request.image, "clear_properties": clear_properties},
        )


def _may_have(phone: Phone, wanted: Details) -> None:
    thawed(phone)
    _check_properties(wanted["property"])


def _check_properties(given: Mapping[str, str]) -> None:
    """Refuse a property that the documents do not know (CPS.0163) or do not allow (CPS.0164)."""
    for name, value in given.items():
        rule = RULES.get(FORMER.get(name, name))
        if rule is None and name not in UNEXPLAINED:
            raise cph(error_table.UNKNOWN_PROPERTY, name)
        if rule is not None:
            try:
                rule.check(name, value)
            except ValueError:
                raise cph(error_table.WRONG_PROPERTY, name) from None


def state(phone: Phone) -> PhoneState:
    """Say where a phone stands, in CPH's numbers."""
    if phone.frozen:
        return PhoneState.FROZEN
    if "broken" in phone.drawer:
        return PhoneState(phone.drawer["broken"])
    return PhoneState.RESETTING if phone.resetting else _STATES[phone.running]


def _fits(phone: Phone, query: phones.PhoneQuery) -> bool:
    return (
        (query.name or "") in phone.name
        and query.state in (None, state(phone))
        and query.type in (None, PhoneType.COMMON)
    )


def flavor(site: Site, phone: Phone) -> PhoneFlavor:
    """What a phone was bought as."""
    return PHONES.get(site.estate.servers.of(phone).phone_model or "", SEEDED)


def row(site: Site, phone: Phone) -> dict[str, Any]:
    """What lists and details say of a phone."""
    server, kind = site.estate.servers.of(phone), flavor(site, phone)
    made = phone.created.astimezone(UTC)
    return {
        "id": phone.cph_id,
        "name": phone.name,
        "server": server.id,
        "state": state(phone),
        "type": PhoneType.COMMON,
        "model": kind.name,
        "image": phone.drawer.get("image") or image_of(phone.release),
        "image_version": f"AOSP {phone.release.number}.0",
        "imei": f"{860000000000000 + phone.number}",
        "route": Route(phone.drawer.get("route", Route.DIRECT.value)),
        "disk_mode": DiskMode.OWN if kind.own_disk else DiskMode.SHARED,
        "zone": server.zone,
        "is_encrypted": False,
        "bought": PhoneOrder(server.order or f"CS{server.id[:14].upper()}", kind.name),
        "created_at": made,
        "updated_at": made,
    }


def details(site: Site, phone: Phone) -> PhoneDetails:
    """Everything that is said of one phone."""
    kind, port = flavor(site, phone), _port(site, phone)
    disk = DataVolume(DiskType.GENERAL_PURPOSE_SSD, disk_of(phone)) if kind.own_disk else None
    return PhoneDetails(
        **row(site, phone),
        properties=phone.drawer.get("property", {}),
        custom=phone.drawer.get("custom"),
        ports=(port,),
        disk=disk,
    )


def disk_of(phone: Phone) -> int:
    """How large the data disk of a phone is, in GiB."""
    return int(phone.drawer.get("disk", phone.model.storage))


def _port(site: Site, phone: Phone) -> PhonePort:
    server, inside = (
        site.estate.servers.of(phone),
        f"10.237.{phone.number // 250 % 250}.{phone.number % 250 + 1}",
    )
    access = 10000 + phone.number % 50000
    return PhonePort("adb", inside, server.internal_ip, server.public_ip, None, None, 5555, access)
