"""Fleets of CPH: run one operation on any number of phones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Final, TypeVar

from attrs import field, frozen

from koophone_async.batches import CallResult, Run, RunOptions, StartedCall, Verb, Wait
from koophone_async.batches.chunks import Item, Source, id_and_region
from koophone_async.checks import ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Operation, Sender
from koophone_async.services.cph import commands, phones, storage, traffic
from koophone_async.services.cph.commands import (
    AdbCommand,
    CommandResults,
    InstallApp,
    InstallSplitApp,
    PushFile,
    RunCommand,
    UninstallApp,
)
from koophone_async.services.cph.completion import JobPoller, read_connections
from koophone_async.services.cph.connections import CONNECTIONS, ClientType, ConnectionRequest, Connections
from koophone_async.services.cph.jobs import Job
from koophone_async.services.cph.migration import MIGRATE, MigratePhones, Migration, by_target
from koophone_async.services.cph.phones import (
    PhoneChange,
    PhoneReset,
    ResetPhones,
    RestartPhones,
    StopPhones,
)
from koophone_async.services.cph.properties import (
    UPDATE_PROPERTIES,
    PropertyUpdate,
    PropertyValues,
    UpdateProperties,
    parse_properties,
)
from koophone_async.services.cph.started_jobs import Started
from koophone_async.services.cph.storage import (
    ExpandVolumes,
    Export,
    ExportData,
    NewSize,
    Restore,
    RestoreData,
)
from koophone_async.services.cph.traffic import Route, RouteTraffic
from koophone_async.wire import encode

Request = TypeVar("Request")
Answer = TypeVar("Answer")
Adb = TypeVar("Adb", bound=AdbCommand)

_ANY_ID: Final = ("any",)
_PHONE_SLOT: Final = "{phone}"


@frozen
class Fleet:
    """Any number of ids to run one operation on.

    Every verb returns a `Run`: iterate it for outcomes as they arrive, or await it for the report.
    Duplicates are dropped, and every distinct id gets exactly one outcome.
    """

    _session: Sender
    _poller: JobPoller
    _ids: Source
    _options: RunOptions

    def _run(self, verb: Verb[Request, Answer]) -> Run[Request, Answer]:
        return Run(self._session, verb, self._ids, self._options)

    def _start(
        self,
        operation: Operation[Request, Started],
        request: Callable[[Sequence[str]], Request],
        *,
        sample: Sequence[str] = _ANY_ID,
        partition: Callable[[Item], str | None] | None = None,
        value: Callable[[Job], object] | None = None,
    ) -> Run[Request, Started]:
        def read(started: Started, ids: Sequence[str]) -> CallResult:
            return self._poller.read_started(started, ids, value)

        def resume(call: StartedCall) -> Wait:
            return self._resume(call, value)

        return self._run(
            Verb(
                operation,
                request,
                read,
                sample=sample,
                partition=partition,
                resume=resume,
                handles_per_poll=self._poller.max_handles,
            )
        )

    def _resume(self, call: StartedCall, value: Callable[[Job], object] | None = None) -> Wait:
        return Wait(self._poller, call.handle, call.jobs, value=value)


@frozen
class PhoneFleet(Fleet):
    """Any number of phones to run one operation on.

    A server runs the ADB jobs of its phones one after the other and delays their other jobs meanwhile. If the
    servers of the phones are known, ADB commands are therefore sent in small calls to the servers in turn,
    and a server gets the next call when jobs of it have ended.
    """

    _server_of: Callable[[str], str | None] | None = field(default=None, repr=False)

    def run(self, command: str) -> Run[RunCommand, Started]:
        """Run a shell command; each outcome has the first 1,024 bytes of its output.

        Args:
            command: At most 1,024 bytes of UTF-8; not one that runs long.
        """
        return self._adb(commands.RUN, RunCommand, command)

    def run_sync(self, command: str) -> Run[RunCommand, CommandResults]:
        """Run a short shell command synchronously, 15 phones a call and 6 calls a minute.

        `estimate()` of the returned run predicts the number of calls and seconds before it starts.

        Args:
            command: At most 1,024 bytes of UTF-8; its time limit is 2 s on each phone.
        """
        return self._run(
            Verb(
                commands.RUN_SYNC,
                lambda phones: RunCommand.on(phones, command),
                self._poller.read_results,
                resume=self._resume,
                is_synchronous=True,
            )
        )

    def push(self, tar: str) -> Run[PushFile, Started]:
        """Unpack a tar file at the file system root of each phone.

        Args:
            tar: `obs://bucket/path/file.tar`, at most 1,024 bytes; the file at most 6 GB.
        """
        return self._adb(commands.PUSH, PushFile, tar)

    def install(self, apk: str, options: str = "") -> Run[InstallApp, Started]:
        """Install an app of one package.

        Args:
            apk: `obs://bucket/path/file.apk`, with the options at most 1,024 bytes; the file at most 2 GB.
            options: Options of `pm install`, such as `-t -r`.
        """
        return self._adb(commands.INSTALL, InstallApp, f"{options} {apk}".strip())

    def install_split(self, apks: Iterable[str], options: str = "") -> Run[InstallSplitApp, Started]:
        """Install one app of several packages (split APKs).

        Args:
            apks: At most 50 of `obs://bucket/path/file.apk`, with the options at most 8,100 bytes.
            options: Options of `pm install`, such as `-t -r`.
        """
        content = f"{options} {' '.join(ids(apks, 'apks'))}".strip()
        return self._adb(commands.INSTALL_SPLIT, InstallSplitApp, content)

    def uninstall(self, package: str) -> Run[UninstallApp, Started]:
        """Uninstall an app.

        Args:
            package: Package name, such as `com.example.app`; at most 1,024 bytes.
        """
        return self._adb(commands.UNINSTALL, UninstallApp, package)

    def stop(self) -> Run[StopPhones, Started]:
        """Stop running phones. `restart` starts them again."""
        return self._start(phones.STOP, StopPhones)

    def restart(
        self, image: str | None = None, properties: PropertyValues | str | None = None
    ) -> Run[RestartPhones, Started]:
        """Restart phones, or start those that are stopped.

        Args:
            image: Id of the image that all phones change to.
            properties: Properties to set on all phones with it; JSON text is sent unchecked.
        """
        text = None if properties is None else encode(parse_properties(properties)).decode()
        return self._start(
            phones.RESTART,
            lambda phones: RestartPhones([PhoneChange(phone, text) for phone in phones], image),
        )

    def reset(
        self,
        image: str | None = None,
        properties: PropertyValues | str | None = None,
        *,
        clear_properties: bool | None = None,
    ) -> Run[ResetPhones, Started]:
        """Reset phones to their initial state. All their data is lost.

        Args:
            image: Id of the image that all phones change to.
            properties: Properties to set on all phones with it; JSON text is sent unchecked.
            clear_properties: Whether to remove all properties that were ever set.
        """
        text = None if properties is None else encode(parse_properties(properties)).decode()
        return self._start(
            phones.RESET,
            lambda phones: ResetPhones(
                [PhoneReset(phone, text, clear_properties) for phone in phones], image
            ),
        )

    def migrate(
        self, sources: Mapping[str, str], *, with_properties: bool | None = None
    ) -> Run[MigratePhones, Started]:
        """Overwrite the data of phones with that of other phones. Data of the fleet's phones is lost.

        The phones of the fleet, and of its outcomes, are the targets.

        Args:
            sources: Source of each target, by the target's id.
            with_properties: Whether targets get the properties of their sources too.
        """

        def request(targets: Sequence[str]) -> MigratePhones:
            return MigratePhones(
                [Migration(sources.get(target, ""), target, with_properties) for target in targets]
            )

        def read(started: Started, targets: Sequence[str]) -> CallResult:
            return self._poller.read_started(by_target(started, targets, sources), targets)

        return self._run(Verb(MIGRATE, request, read, sample=_sample_ids(sources), resume=self._resume))

    def update_properties(
        self, properties: PropertyValues | str, custom: Mapping[str, str] | None = None
    ) -> Run[UpdateProperties, Started]:
        """Change properties of phones. Some take effect only after a restart.

        Args:
            properties: The same for all phones; properties that are not named stay as they are. JSON text is
                sent unchecked, for properties that are newer than this package.
            custom: Custom properties, with the others at most 7,800 bytes.
        """
        text = encode(parse_properties(properties)).decode()
        return self._start(
            UPDATE_PROPERTIES,
            lambda phones: UpdateProperties([PropertyUpdate(phone, text, custom) for phone in phones]),
        )

    def export(
        self,
        include: Iterable[str],
        bucket: str,
        path: str | Mapping[str, str],
        exclude: Iterable[str] = (),
    ) -> Run[ExportData, Started]:
        """Export data of each phone to object storage.

        Args:
            include: Absolute paths in /data or /cache, at most 4,096 bytes each.
            bucket: 3 to 63 lower-case letters, digits, `-` and `.`.
            path: Object path, at most 1,024 characters: a template with `{phone}`, such as
                `backups/{phone}.tar`, or a mapping from phone id to path. For one phone it may be any text.
            exclude: Paths of the same kind to leave out of the included ones.

        Raises:
            InvalidRequest: The path is a text without `{phone}`, so that several phones would share one
                object.
        """
        is_shared = not (isinstance(self._ids, Sized) and len(self._ids) == 1)
        if is_shared and isinstance(path, str) and _PHONE_SLOT not in path:
            raise InvalidRequest(
                storage.EXPORT.name,
                "path",
                f"does not contain {_PHONE_SLOT}, and each phone needs its own path",
                Rule.BAD_FORMAT,
            )
        included, excluded, to = ids(include, "paths"), ids(exclude, "paths"), _path_for(path)
        return self._start(
            storage.EXPORT,
            lambda phones: ExportData([Export(id, included, bucket, to(id), excluded) for id in phones]),
            sample=_sample_ids(path),
        )

    def restore(self, bucket: str, path: str | Mapping[str, str]) -> Run[RestoreData, Started]:
        """Restore an export on each phone, also one of another phone. Restart the phones afterwards.

        Args:
            bucket: Bucket of the exports.
            path: One object path for all phones, a template with `{phone}`, or a mapping from phone id to
                path.
        """
        of = _path_for(path)
        return self._start(
            storage.RESTORE,
            lambda phones: RestoreData([Restore(id, bucket, of(id)) for id in phones]),
            sample=_sample_ids(path),
        )

    def expand(self, size: int | Mapping[str, int]) -> Run[ExpandVolumes, Started]:
        """Buy larger data disks for phones. This costs money and cannot be undone.

        No call is sent twice: a call that is refused because of one of its 150 phones is refused for all.

        Args:
            size: GiB up to 32,768, not less than now: one size for all, or a mapping from phone id to
                size.
        """

        def of(phone: str) -> int:
            return size if isinstance(size, int) else size.get(phone, 0)

        return self._start(
            storage.EXPAND,
            lambda phones: ExpandVolumes([NewSize(phone, of(phone)) for phone in phones]),
            sample=_sample_ids(size),
        )

    def route_traffic(self, route: Route) -> Run[RouteTraffic, Started]:
        """Route the traffic of phones directly or through an encoding container.

        Args:
            route: `ENCODING_CONTAINER` needs a running encoding container.
        """
        return self._start(traffic.ROUTE, lambda phones: RouteTraffic(phones, route))

    def connections(self, client: ClientType) -> Run[ConnectionRequest, Connections]:
        """Request connections to phones, ten a call; the outcome's `value` is an `Access`.

        Args:
            client: Kind of the streaming client.
        """
        return self._run(
            Verb(CONNECTIONS, lambda phones: ConnectionRequest(phones, client), read_connections)
        )

    def _adb(self, operation: Operation[Adb, Started], command: type[Adb], content: str) -> Run[Adb, Started]:
        return self._start(operation, lambda phones: command.on(phones, content), partition=self._server)

    def _server(self, item: Item) -> str | None:
        """Return the server of a phone: from the listed item, else from `server_of`."""
        server: str | None = getattr(item, "server", None)
        if server is None and self._server_of is not None:
            id, _ = id_and_region(item)
            server = self._server_of(str(id))
        return server


def _path_for(path: str | Mapping[str, str]) -> Callable[[str], str]:
    if isinstance(path, str):
        return lambda phone: path.replace(_PHONE_SLOT, phone)
    return lambda phone: path.get(phone, "")


def _sample_ids(values: str | int | Mapping[str, object]) -> Sequence[str]:
    return _ANY_ID if isinstance(values, str | int) else tuple(values)[:1]
