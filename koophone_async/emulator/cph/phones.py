"""Phones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import ClassVar, Final

from attrs import asdict, evolve, frozen

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.flavors import PHONES, SEEDED, PhoneFlavor, image_of
from koophone_async.emulator.cph.object_storage import packed, unpack
from koophone_async.emulator.cph.project import Project, Resource, not_frozen, running
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.cph.server_setup import PHONES_IPV6, SERVERS_IPV6, ipv6_address
from koophone_async.emulator.fleet import Phone, RunningState
from koophone_async.emulator.jobs import phone_effects
from koophone_async.emulator.jobs.engine import Effect, EffectError, Run
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import migration, phones, properties
from koophone_async.services.cph.order_models import DiskType, Port
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
from koophone_async.services.cph.started_jobs import Accepted, Started

_STATES: Final = {
    RunningState.UNKNOWN: PhoneState.ABNORMAL,
    RunningState.STOPPED: PhoneState.STOPPED,
    RunningState.RUNNING: PhoneState.RUNNING,
    RunningState.GOING_OFFLINE: PhoneState.STOPPING,
    RunningState.STARTING: PhoneState.RESTARTING,
    RunningState.SHUT_DOWN: PhoneState.STOPPED,
}


@frozen
class PowerChange(Effect):
    """A change of the power state, of which a failure is visible in the state of the phone."""

    failed_state: ClassVar[PhoneState]

    def fail(self, run: Run) -> None:
        run.phone.resetting, run.phone.failed_state = False, self.failed_state


@frozen
class Stop(PowerChange):
    """Stops a phone."""

    failed_state = PhoneState.STOP_FAILED

    def begin(self, run: Run) -> None:
        run.phone.running, run.phone.streaming = RunningState.GOING_OFFLINE, False

    def finish(self, run: Run) -> None:
        run.phone.running = RunningState.STOPPED


@frozen
class Restart(PowerChange, phone_effects.Restart):
    """Restarts a phone, with new properties and another image if the request has them."""

    failed_state = PhoneState.RESTART_FAILED
    change: phones.PhoneChange
    image: str | None

    def finish(self, run: Run) -> None:
        _apply(self, run)
        super().finish(run)


@frozen
class Reset(PowerChange, phone_effects.Wipe):
    """Resets a phone. Its properties outlive that unless they are to be cleared."""

    failed_state = PhoneState.RESET_FAILED
    change: phones.PhoneReset
    image: str | None

    def finish(self, run: Run) -> None:
        if self.change.clear_properties:
            run.phone.properties = run.phone.custom_properties = {}
        _apply(self, run)
        super().finish(run)


def _apply(effect: Restart | Reset, run: Run) -> None:
    run.phone.configure(effect.change.properties)
    release = effect.image and run.world.cph.release_of(effect.image, run.phone.region)
    if release:
        run.phone.release, run.phone.image = release, effect.image


@frozen
class Configure(Effect):
    """Sets properties, which apply from the next start."""

    request: properties.PropertyUpdate

    def finish(self, run: Run) -> None:
        run.phone.configure(self.request.properties, self.request.custom)


@frozen
class Migrate(Effect):
    """Overwrites what was changed on a phone with what was changed on another."""

    migration: migration.Migration

    def finish(self, run: Run) -> None:
        target, source = run.phone, self._source(run)
        if int(source.release.sdk) > int(target.release.sdk):
            raise EffectError(error_table.INVALID_IMAGE_VERSION)
        tar = packed(source, ("/",), ())
        target.reset()
        unpack(tar, target.android, int(run.at.timestamp()))
        if self.migration.with_properties:
            target.properties, target.custom_properties = source.properties, source.custom_properties

    def _source(self, run: Run) -> Phone:
        try:
            return run.world.fleet.by_cph_id(self.migration.source)
        except KeyError:
            raise EffectError(error_table.NO_PHONE) from None


class Phones(Resource):
    """Lists, renames, stops, restarts, resets and migrates phones, and sets their properties."""

    @serves(phones.LIST)
    async def list(self, request: phones.PhoneQuery) -> phones.PhonePage:
        """Return one page of the phones, newest first."""
        page, total = self._page(request)
        return phones.PhonePage(tuple(row(self.project, phone) for phone in page), total)

    def _page(self, query: phones.PhoneQuery) -> tuple[Sequence[Phone], int]:
        is_filtered = any((query.name, query.state is not None, query.type))
        if query.server is None and not is_filtered:
            return self.project.page(query.offset, query.limit)
        found = self._on_server(query)
        if is_filtered:
            found = [phone for phone in found if _matches(phone, query)]
        return found[query.offset : query.offset + query.limit], len(found)

    def _on_server(self, query: phones.PhoneQuery) -> Sequence[Phone]:
        server = query.server and self.project.cph.servers.by_id.get(query.server)
        if query.server is None:
            return self.project.phones()
        if not server or server.region != self.project.region:
            return []
        return self.project.world.fleet.on_server(server.index)[::-1]

    @serves(phones.SHOW)
    async def show(self, request: phones.PhoneRequest) -> PhoneDetails:
        return details(self.project, self.project.phone(request.phone))

    @serves(phones.RENAME)
    async def rename(self, request: phones.RenamePhone) -> Accepted:
        self.project.phone(request.phone).name = request.name
        return Accepted()

    @serves(phones.STOP, counted=False)
    async def stop(self, request: phones.StopPhones) -> Started:
        return self.project.on_phones(phones.STOP, [(phone, Stop()) for phone in request.phones], running)

    @serves(phones.RESTART, counted=False)
    async def restart(self, request: phones.RestartPhones) -> Started:
        """Start to restart phones that run or are stopped; they apply the properties that were set."""
        effects = [(change.phone, Restart(change, request.image)) for change in request.phones]
        return self.project.on_phones(phones.RESTART, effects, self._check_restart)

    @serves(phones.RESET, counted=False)
    async def reset(self, request: phones.ResetPhones) -> Started:
        effects = [(change.phone, Reset(change, request.image)) for change in request.phones]
        return self.project.on_phones(phones.RESET, effects, self._check_change)

    def _check_restart(self, phone: Phone, effect: Restart) -> None:
        if (
            phone.running in (RunningState.STARTING, RunningState.GOING_OFFLINE)
            and phone.failed_state is None
        ):
            raise cph_refusal(error_table.NEITHER_STOPPED_NOR_RUNNING, reason=phone.cph_id)
        self._check_change(phone, effect)

    def _check_change(self, phone: Phone, effect: Restart | Reset) -> None:
        not_frozen(phone)
        _check_properties(effect.change.properties or {})
        if effect.image and self.project.cph.release_of(effect.image, self.project.region) is None:
            raise cph_refusal(error_table.NO_IMAGE, reason=effect.image)

    # No document states which states a phone may be in, nor which phone of a pair the answer names.
    @serves(migration.MIGRATE, counted=False)
    async def migrate(self, request: migration.MigratePhones) -> Started:
        """Start to overwrite phones with others; the answer names the targets."""
        effects = [(one.target, Migrate(one)) for one in request.migrations]
        return self.project.on_phones(migration.MIGRATE, effects, self._check_migration)

    def _check_migration(self, target: Phone, effect: Migrate) -> None:
        not_frozen(target)
        not_frozen(self.project.phone(effect.migration.source))

    @serves(properties.UPDATE_PROPERTIES, counted=False)
    async def update_properties(self, request: properties.UpdateProperties) -> Started:
        """Start to set properties of phones, which apply from the next start."""
        effects = [(update.phone, Configure(update)) for update in request.phones]
        return self.project.on_phones(properties.UPDATE_PROPERTIES, effects, _check_update)


def _check_update(phone: Phone, effect: Configure) -> None:
    not_frozen(phone)
    _check_properties(effect.request.properties)


def _check_properties(values: Mapping[str, str]) -> None:
    """Refuse a property that is undocumented (CPS.0163) or has a forbidden value (CPS.0164)."""
    for name, value in values.items():
        rule = RULES.get(FORMER.get(name, name))
        if rule is None and name not in UNEXPLAINED:
            raise cph_refusal(error_table.UNKNOWN_PROPERTY, name)
        if rule is not None:
            try:
                rule.check(name, value)
            except ValueError:
                raise cph_refusal(error_table.INVALID_PROPERTY, name) from None


def state(phone: Phone) -> PhoneState:
    """Return the state of a phone, in CPH's numbers."""
    if phone.frozen:
        return PhoneState.FROZEN
    if phone.failed_state is not None:
        return phone.failed_state
    return PhoneState.RESETTING if phone.resetting else _STATES[phone.running]


def _matches(phone: Phone, query: phones.PhoneQuery) -> bool:
    return (
        (query.name or "") in phone.name
        and query.state in (None, state(phone))
        and query.type in (None, PhoneType.COMMON)
    )


def flavor(project: Project, phone: Phone) -> PhoneFlavor:
    """Return the flavor that a phone was bought as."""
    return PHONES.get(project.cph.servers.of(phone).phone_model or "", SEEDED)


def row(project: Project, phone: Phone) -> Row:
    """Return a phone as lists show it."""
    server, bought_as = project.cph.servers.of(phone), flavor(project, phone)
    created = phone.created.astimezone(UTC)
    return Row(
        id=phone.cph_id,
        name=phone.name,
        server=server.id,
        state=state(phone),
        type=PhoneType.COMMON,
        model=bought_as.name,
        image=phone.image or image_of(phone.release),
        image_version=f"AOSP {phone.release.number}.0",
        imei=f"{860000000000000 + phone.number}",
        route=phone.route,
        disk_mode=DiskMode.OWN if has_own_disk(project, phone) else DiskMode.SHARED,
        zone=server.zone,
        is_encrypted=False,
        has_vnc=server.has_vnc,
        bought=PhoneOrder(server.order or f"CS{server.id[:14].upper()}", bought_as.name),
        created_at=created,
        updated_at=created,
    )


def details(project: Project, phone: Phone) -> PhoneDetails:
    """Return the details of a phone."""
    server = project.cph.servers.of(phone)
    ordered = server.phone_disk
    type_ = DiskType.GENERAL_PURPOSE_SSD if ordered is None else ordered.type
    disk = DataVolume(type_, phone.disk) if has_own_disk(project, phone) else None
    return PhoneDetails(
        **asdict(row(project, phone), recurse=False),
        properties=phone.properties,
        custom=phone.custom_properties or None,
        ports=_ports(project, server, phone),
        disk=disk,
    )


def has_own_disk(project: Project, phone: Phone) -> bool:
    """Return whether a phone has a disk of its own: by its flavor, or because one was ordered."""
    return flavor(project, phone).own_disk or project.cph.servers.of(phone).phone_disk is not None


def _ports(project: Project, server: Server, phone: Phone) -> tuple[PhonePort, ...]:
    """Return the port of ADB, and the ports that were ordered for all phones of the server."""
    number = project.cph.servers.address_of(phone)
    public = server.public_ip(number)
    adb = PhonePort(
        "adb",
        f"10.237.{phone.number // 250 % 250}.{phone.number % 250 + 1}",
        server.internal_ip(number),
        public,
        ipv6_address(PHONES_IPV6, phone.cph_id) if server.is_ipv6 else None,
        ipv6_address(SERVERS_IPV6, server.id) if server.is_ipv6 else None,
        _ADB_PORT,
        10000 + phone.number % 50000 if public else None,
    )
    return (adb, *(_ordered_port(adb, port, phone, at) for at, port in enumerate(server.ports, 1)))


def _ordered_port(adb: PhonePort, port: Port, phone: Phone, at: int) -> PhonePort:
    is_public = port.is_public and bool(adb.public_ip)
    return evolve(
        adb,
        name=port.name,
        public_ip=adb.public_ip if is_public else "",
        listen_port=port.number,
        access_port=10000 + (phone.number + at * 997) % 50000 if is_public else None,
    )


_ADB_PORT: Final = 5555
