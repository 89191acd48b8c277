"""ADB on phones: files pushed, apps installed and removed, shell commands run.

One path serves five operations, told apart by the word `command` in the body. All of them go to
phones, or to every phone of some servers. The jobs of one server run one after the other and hold
up whatever else its phones have to do.
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
"""How long one phone may take for a command that is waited for, in seconds (CPH 5.7.5)."""

MAX_SECONDS_PER_CALL: Final = 30.0
"""How long all phones of a call that waits may take together, in seconds (CPH 5.7.5)."""

_WORD: Final = "[A-Za-z0-9_./:-]+"
_OBJECT: Final = f"obs://[A-Za-z0-9_.:-]+/{_WORD}"
_TARGETS: Final = Listed(UNSTATED, min=0, each=Text(MAX_ID_LENGTH))


@frozen
class Packages:
    """Options and packages of one app, separated by spaces, as `pm` takes them."""

    most: int
    size: int
    """Bytes of UTF-8 of the whole."""

    @property
    def limit(self) -> str:
        """The rule in words."""
        files = (
            "obs://bucket/path/file.apk" if self.most == 1 else f"1 to {self.most} obs://bucket/path/file.apk"
        )
        return f"at most {self.size:,} {BYTES}: options if any, then {files}"

    def __call__(self, instance: object, attribute: Attribute[Any], value: object) -> None:
        """Check size, number and endings."""
        Text(self.size, unit=BYTES)(instance, attribute, value)
        file = rf"{_OBJECT}(?<=\.apk)"
        if not re.fullmatch(rf"(?:(?!obs://){_WORD} +)*(?:{file} +){{0,{self.most - 1}}}{file}", str(value)):
            raise InvalidRequest(
                "", attribute.name, f"is {value!r:.200}; it must be {self.limit}", Rule.BAD_FORMAT
            )


@frozen
class OnServers:
    """Every phone of some servers."""

    servers: tuple[str, ...] = field(converter=ids)


def _optional_ids(given: Iterable[str] | None) -> tuple[str, ...]:
    return () if given is None else ids(given)


@frozen(kw_only=True)
class AdbCommand:
    """What to do, and the phones or the servers to do it on: one of the two, not both."""

    phones: tuple[str, ...] = field(
        default=None, converter=_optional_ids, validator=_TARGETS, metadata=wire("phone_ids")
    )
    servers: tuple[str, ...] = field(
        default=None, converter=_optional_ids, validator=_TARGETS, metadata=wire("server_ids")
    )
    content: str

    def __attrs_post_init__(self) -> None:
        # Of both, the service takes the phones and says nothing of the servers (CPH 5.7.1).
        if bool(self.phones) == bool(self.servers):
            both = "and servers are both given" if self.phones else "and servers are both empty"
            rule = Rule.CONFLICT if self.phones else Rule.ALL_MISSING
            raise InvalidRequest("", "phones", f"{both}; give one of the two", rule)

    @classmethod
    def on(cls, where: Iterable[str] | OnServers, content: str) -> Self:
        """Say where something is to be done."""
        if isinstance(where, OnServers):
            return cls(servers=where.servers, content=content)
        return cls(phones=where, content=content)


@frozen(kw_only=True)
class PushFile(AdbCommand):
    """A tar file to unpack on phones."""

    content: str = field(validator=Text(1024, unit=BYTES, ending=(".tar",), pattern=_OBJECT))
    command: str = field(default="push", validator=OneOf(("push",)))


@frozen(kw_only=True)
class InstallApp(AdbCommand):
    """An app in one package."""

    content: str = field(validator=Packages(1, 1024))
    command: str = field(default="install", validator=OneOf(("install",)))


@frozen(kw_only=True)
class InstallSplitApp(AdbCommand):
    """An app in several packages."""

    content: str = field(validator=Packages(50, 8100))
    command: str = field(default="install-multiple", validator=OneOf(("install-multiple",)))


@frozen(kw_only=True)
class UninstallApp(AdbCommand):
    """An app to remove, by the name of its package."""

    content: str = field(validator=Text(1024, unit=BYTES, pattern=_WORD))
    command: str = field(default="uninstall", validator=OneOf(("uninstall",)))


@frozen(kw_only=True)
class RunCommand(AdbCommand):
    """A shell command."""

    # The documents print a character set without the space, and use spaces in their example.
    content: str = field(validator=Text(1024, unit=BYTES))
    command: str = field(default="shell", validator=OneOf(("shell",)))


@frozen
class CommandResult:
    """What one phone did with a command that was waited for."""

    phone: str | None = field(default=None, metadata=wire("phone_id"))
    id: str | None = field(default=None, metadata=wire("job_id"))
    state: JobState | int | None = field(default=None, metadata=wire("status"))
    """RUNNING where the time was up first; the job can still be looked at."""

    # CPS.0191 here is "Run command failed."; in the table of errors it is about subnets.
    error_code: str | None = None
    error_message: str | None = field(default=None, metadata=wire("error_msg"))
    output: str | None = field(default=None, metadata=wire("execute_msg"))
    """The first 1,024 bytes, of failed commands too."""


@frozen
class CommandResults:
    """One result for each phone."""

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

# Nothing is said of how many phones the servers of such a call may hold.
RUN_SYNC: Final = Operation(
    "cph.commands.run_sync", "POST", "/v1/{project_id}/cloud-phone/phones/sync-commands",
    RunCommand, CommandResults, source="CPH 5.7.5 (2025-02-08)",
    batch=Batch("phones", max=15), quotas=(Quota(6, 60),), repeatable=False,
)  # fmt: skip


@frozen
class Commands:
    """ADB on phones, started or waited for."""

    _session: Sender

    async def push(self, where: Iterable[str] | OnServers, tar: str) -> Started:
        """Start unpacking a tar file at the root of the file system of phones.

        Pack it as a `data` directory: what belongs on the system disk may not arrive. The service must
        have been granted access to the bucket.

        Args:
            where: Ids of phones (no document says how many), or `OnServers`.
            tar: `obs://bucket/path/file.tar`, at most 1,024 bytes; the file at most 6 GB.

        Raises:
            Refused: The service refused the whole call; nothing is being pushed.
            NoAnswer: No answer came; the file may be on its way.

        API: CPH 5.7.1 (2025-02-08)
        """
        return await self._session.send(PUSH, PushFile.on(where, tar))

    async def install(self, where: Iterable[str] | OnServers, apk: str, options: str = "") -> Started:
        """Start installing an app that is one package.

        The service must have been granted access to the bucket.

        Args:
            where: Ids of phones (no document says how many), or `OnServers`.
            apk: `obs://bucket/path/file.apk`, with the options at most 1,024 bytes; the file at most 2 GB.
            options: Such as `-t -r`.

        Raises:
            Refused: The service refused the whole call; nothing is being installed.
            NoAnswer: No answer came; the app may be on its way.

        API: CPH 5.7.2 (2025-02-08)
        """
        return await self._session.send(INSTALL, InstallApp.on(where, f"{options} {apk}".strip()))

    async def install_split(
        self, where: Iterable[str] | OnServers, apks: Iterable[str], options: str = ""
    ) -> Started:
        """Start installing one app that is split into several packages.

        The service must have been granted access to the bucket.

        Args:
            where: Ids of phones (no document says how many), or `OnServers`.
            apks: At most 50 of `obs://bucket/path/file.apk`, with the options at most 8,100 bytes.
            options: Such as `-t -r`.

        Raises:
            Refused: The service refused the whole call; nothing is being installed.
            NoAnswer: No answer came; the app may be on its way.

        API: CPH 5.7.2 (2025-02-08)
        """
        content = f"{options} {' '.join(ids(apks, 'apks'))}".strip()
        return await self._session.send(INSTALL_SPLIT, InstallSplitApp.on(where, content))

    async def uninstall(self, where: Iterable[str] | OnServers, package: str) -> Started:
        """Start removing an app.

        Args:
            where: Ids of phones (no document says how many), or `OnServers`.
            package: The name of its package, such as `com.example.app`; at most 1,024 bytes.

        Raises:
            Refused: The service refused the whole call; nothing is being removed.
            NoAnswer: No answer came; the app may be removed.

        API: CPH 5.7.3 (2025-02-08)
        """
        return await self._session.send(UNINSTALL, UninstallApp.on(where, package))

    async def run(self, where: Iterable[str] | OnServers, command: str) -> Started:
        """Start a shell command. Its output is in its jobs, of which it ends one after the other a server.

        Args:
            where: Ids of phones (no document says how many), or `OnServers`.
            command: At most 1,024 bytes of UTF-8; not one that runs long.

        Raises:
            Refused: The service refused the whole call; nothing ran.
            NoAnswer: No answer came; the command may have run.

        API: CPH 5.7.4 (2025-02-08)
        """
        return await self._session.send(RUN, RunCommand.on(where, command))

    async def run_sync(self, where: Iterable[str] | OnServers, command: str) -> CommandResults:
        """Run a short shell command and answer with what each phone printed.

        Six calls a minute are allowed for one user; a call waits for its turn. Each phone may take 2 s,
        and the call 30 s.

        Args:
            where: At most 15 ids of phones, or `OnServers`.
            command: At most 1,024 bytes of UTF-8.

        Raises:
            Refused: The service refused the whole call; nothing ran.
            NoAnswer: No answer came; the command may have run.

        API: CPH 5.7.5 (2025-02-08)
        """
        return await self._session.send(RUN_SYNC, RunCommand.on(where, command))
