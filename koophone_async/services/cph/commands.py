"""ADB commands on phones: push files, install and uninstall apps, run shell commands.

One path serves five operations; the field `command` of the body selects one. Each operation goes either to
phones or to every phone of some servers. The jobs of one server run one after the other and delay all other
jobs of its phones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, Self

from attrs import Attribute, field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Listed, OneOf, Text, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation, Quota, Sender
from koophone_async.services.cph.jobs import JobState
from koophone_async.services.cph.order_models import BYTES
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire

MAX_SECONDS_PER_PHONE: Final = 2.0
"""Time limit of a synchronous command on one phone, in seconds (CPH 5.7.5)."""

MAX_SECONDS_PER_CALL: Final = 30.0
"""Time limit of a synchronous call for all its phones together, in seconds (CPH 5.7.5)."""

_WORD: Final = "[A-Za-z0-9_./:-]+"
_OBJECT: Final = f"obs://[A-Za-z0-9_.:-]+/{_WORD}"
_TARGETS: Final = Listed(UNSTATED, min=0, each=Text(MAX_ID_LENGTH))


@frozen
class Packages:
    """Validator of the options and packages of one app, separated by spaces, in the syntax of `pm`."""

    max_packages: int
    max_size: int
    """Maximum total size in bytes of UTF-8."""

    @property
    def limit(self) -> str:
        """Description of the limit, for error messages."""
        files = (
            "obs://bucket/path/file.apk"
            if self.max_packages == 1
            else f"1 to {self.max_packages} obs://bucket/path/file.apk"
        )
        return f"at most {self.max_size:,} {BYTES}: options if any, then {files}"

    def __call__(self, instance: object, attribute: Attribute[Any], value: object) -> None:
        """Raise `InvalidRequest` for a wrong size, number of packages or file ending."""
        Text(self.max_size, unit=BYTES)(instance, attribute, value)
        file = rf"{_OBJECT}(?<=\.apk)"
        if not re.fullmatch(
            rf"(?:(?!obs://){_WORD} +)*(?:{file} +){{0,{self.max_packages - 1}}}{file}", str(value)
        ):
            raise InvalidRequest(
                "", attribute.name, f"is {value!r:.200}; it must be {self.limit}", Rule.BAD_FORMAT
            )


@frozen
class OnServers:
    """Target of an ADB command: every phone of these servers."""

    servers: tuple[str, ...] = field(converter=ids)


def _optional_ids(values: Iterable[str] | None) -> tuple[str, ...]:
    return () if values is None else ids(values)


@frozen(kw_only=True)
class AdbCommand:
    """An ADB command and its targets: either phones or servers."""

    phones: tuple[str, ...] = field(
        default=None, converter=_optional_ids, validator=_TARGETS, metadata=wire("phone_ids")
    )
    servers: tuple[str, ...] = field(
        default=None, converter=_optional_ids, validator=_TARGETS, metadata=wire("server_ids")
    )
    content: str

    def __attrs_post_init__(self) -> None:
        # Given both, the service uses the phones and ignores the servers silently (CPH 5.7.1).
        if bool(self.phones) == bool(self.servers):
            both = "and servers are both set" if self.phones else "and servers are both empty"
            rule = Rule.CONFLICT if self.phones else Rule.ALL_MISSING
            raise InvalidRequest("", "phones", f"{both}; set one of the two", rule)

    @classmethod
    def on(cls, where: Iterable[str] | OnServers, content: str) -> Self:
        """Create the command for phones or for `OnServers`."""
        if isinstance(where, OnServers):
            return cls(servers=where.servers, content=content)
        return cls(phones=where, content=content)


@frozen(kw_only=True)
class PushFile(AdbCommand):
    """Request to unpack a tar file on phones."""

    content: str = field(validator=Text(1024, unit=BYTES, ending=(".tar",), pattern=_OBJECT))
    command: str = field(default="push", validator=OneOf(("push",)))


@frozen(kw_only=True)
class InstallApp(AdbCommand):
    """Request to install an app of one package."""

    content: str = field(validator=Packages(1, 1024))
    command: str = field(default="install", validator=OneOf(("install",)))


@frozen(kw_only=True)
class InstallSplitApp(AdbCommand):
    """Request to install an app of several packages."""

    content: str = field(validator=Packages(50, 8100))
    command: str = field(default="install-multiple", validator=OneOf(("install-multiple",)))


@frozen(kw_only=True)
class UninstallApp(AdbCommand):
    """Request to uninstall an app, by the name of its package."""

    content: str = field(validator=Text(1024, unit=BYTES, pattern=_WORD))
    command: str = field(default="uninstall", validator=OneOf(("uninstall",)))


@frozen(kw_only=True)
class RunCommand(AdbCommand):
    """Request to run a shell command."""

    # The documents print a character set without the space, and use spaces in their example.
    content: str = field(validator=Text(1024, unit=BYTES))
    command: str = field(default="shell", validator=OneOf(("shell",)))


@frozen
class CommandResult:
    """Result of a synchronous command on one phone."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    id: str | None = field(default=None, metadata=wire("job_id"))
    state: JobState | int | None = field(default=None, metadata=wire("status"))
    """RUNNING if the time limit came first; the job can still be polled."""

    # CPS.0191 here is "Run command failed."; in the table of errors it is about subnets.
    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """First 1,024 bytes of the output, also of failed commands."""


@frozen
class CommandResults:
    """Answer to a synchronous command: one result for each phone."""

    results: tuple[CommandResult, ...] = field(default=(), metadata=wire("jobs"))
    request: str | None = field(default=None, metadata=wire("request_id"))


PUSH: Final = Operation(
    "cph.commands.push", "POST", "/v1/{project_id}/cloud-phone/phones/commands",
    PushFile, Started, source="CPH 5.7.1 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

INSTALL: Final = Operation(
    "cph.commands.install", "POST", "/v1/{project_id}/cloud-phone/phones/commands",
    InstallApp, Started, source="CPH 5.7.2 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

INSTALL_SPLIT: Final = Operation(
    "cph.commands.install_split", "POST", "/v1/{project_id}/cloud-phone/phones/commands",
    InstallSplitApp, Started, source="CPH 5.7.2 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

UNINSTALL: Final = Operation(
    "cph.commands.uninstall", "POST", "/v1/{project_id}/cloud-phone/phones/commands",
    UninstallApp, Started, source="CPH 5.7.3 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

RUN: Final = Operation(
    "cph.commands.run", "POST", "/v1/{project_id}/cloud-phone/phones/commands",
    RunCommand, Started, source="CPH 5.7.4 (2025-02-08)",
    batch=Batch("phones", max=UNSTATED), repeatable=False,
)  # fmt: skip

# No document states how many phones the servers of such a call may have.
RUN_SYNC: Final = Operation(
    "cph.commands.run_sync", "POST", "/v1/{project_id}/cloud-phone/phones/sync-commands",
    RunCommand, CommandResults, source="CPH 5.7.5 (2025-02-08)",
    batch=Batch("phones", max=15), quotas=(Quota(6, 60),), repeatable=False,
)  # fmt: skip


@frozen
class Commands:
    """Asynchronous and synchronous ADB commands."""

    _session: Sender

    async def push(self, where: Iterable[str] | OnServers, tar: str) -> Started:
        """Start unpacking a tar file at the file system root of phones.

        Pack a `data` directory: files for the system disk may not be written. The service must have been
        granted access to the bucket.

        Args:
            where: At most 100 phone ids (no document states a maximum), or `OnServers`.
            tar: `obs://bucket/path/file.tar`, at most 1,024 bytes; the file at most 6 GB.

        Raises:
            Refused: The service refused the whole call; nothing is being pushed.
            NoAnswer: No answer arrived; the file may be pushed.

        API: CPH 5.7.1 (2025-02-08)
        """
        return await self._session.send(PUSH, PushFile.on(where, tar))

    async def install(self, where: Iterable[str] | OnServers, apk: str, options: str = "") -> Started:
        """Start installing an app of one package.

        The service must have been granted access to the bucket.

        Args:
            where: At most 100 phone ids (no document states a maximum), or `OnServers`.
            apk: `obs://bucket/path/file.apk`, with the options at most 1,024 bytes; the file at most 2 GB.
            options: Options of `pm install`, such as `-t -r`.

        Raises:
            Refused: The service refused the whole call; nothing is being installed.
            NoAnswer: No answer arrived; the app may be installed.

        API: CPH 5.7.2 (2025-02-08)
        """
        return await self._session.send(INSTALL, InstallApp.on(where, f"{options} {apk}".strip()))

    async def install_split(
        self, where: Iterable[str] | OnServers, apks: Iterable[str], options: str = ""
    ) -> Started:
        """Start installing one app of several packages (split APKs).

        The service must have been granted access to the bucket.

        Args:
            where: At most 100 phone ids (no document states a maximum), or `OnServers`.
            apks: At most 50 of `obs://bucket/path/file.apk`, with the options at most 8,100 bytes.
            options: Options of `pm install`, such as `-t -r`.

        Raises:
            Refused: The service refused the whole call; nothing is being installed.
            NoAnswer: No answer arrived; the app may be installed.

        API: CPH 5.7.2 (2025-02-08)
        """
        content = f"{options} {' '.join(ids(apks, 'apks'))}".strip()
        return await self._session.send(INSTALL_SPLIT, InstallSplitApp.on(where, content))

    async def uninstall(self, where: Iterable[str] | OnServers, package: str) -> Started:
        """Start uninstalling an app.

        Args:
            where: At most 100 phone ids (no document states a maximum), or `OnServers`.
            package: Package name, such as `com.example.app`; at most 1,024 bytes.

        Raises:
            Refused: The service refused the whole call; nothing is being uninstalled.
            NoAnswer: No answer arrived; the app may be uninstalled.

        API: CPH 5.7.3 (2025-02-08)
        """
        return await self._session.send(UNINSTALL, UninstallApp.on(where, package))

    async def run(self, where: Iterable[str] | OnServers, command: str) -> Started:
        """Start a shell command. Its output is in its jobs, which each server runs one after the other.

        Args:
            where: At most 100 phone ids (no document states a maximum), or `OnServers`.
            command: At most 1,024 bytes of UTF-8; it should be short.

        Raises:
            Refused: The service refused the whole call; nothing ran.
            NoAnswer: No answer arrived; the command may have run.

        API: CPH 5.7.4 (2025-02-08)
        """
        return await self._session.send(RUN, RunCommand.on(where, command))

    async def run_sync(self, where: Iterable[str] | OnServers, command: str) -> CommandResults:
        """Run a short shell command synchronously and return the output of each phone.

        The quota is 6 calls a minute for one user; a call waits for its turn. The time limit is 2 s for each
        phone and 30 s for the call.

        Args:
            where: At most 15 ids of phones, or `OnServers`.
            command: At most 1,024 bytes of UTF-8.

        Raises:
            Refused: The service refused the whole call; nothing ran.
            NoAnswer: No answer arrived; the command may have run.

        API: CPH 5.7.5 (2025-02-08)
        """
        return await self._session.send(RUN_SYNC, RunCommand.on(where, command))
