"""Install and list apps on instances."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Any, Final
from uuid import uuid4

from attrs import Attribute, asdict, field, frozen
from attrs.validators import and_

from koophone_async.checks import IDS, MAX_ID_LENGTH, Between, OneOf, Text, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.koophone.jobs import StartedTask
from koophone_async.services.koophone.paging import items
from koophone_async.wire import doc, wire

MAX_PACKAGE_MB: Final = 2048
"""Maximum size of a package in MB (KOOPHONE.API.62015)."""


class AppType(IntEnum):
    """Whether an app belongs to the system or was installed."""

    SYSTEM = 1
    THIRD_PARTY = 2


def is_number(text: str) -> bool:
    """Return whether the service reads a size as a number (KOOPHONE.API.62006); Python accepts more."""
    return re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is not None


def _megabytes(_: object, attribute: Attribute[Any], value: str) -> None:
    if not is_number(value):
        raise InvalidRequest("", attribute.name, f"is {value!r}; it must be a number of MB", Rule.BAD_FORMAT)
    if not 0 < float(value) <= MAX_PACKAGE_MB:
        raise InvalidRequest(
            "",
            attribute.name,
            f"is {value} MB; it must be more than 0 and at most {MAX_PACKAGE_MB:,}",
            Rule.OUT_OF_RANGE,
        )


def _https(_: object, attribute: Attribute[Any], value: str) -> None:
    if not value.startswith(("https://", "http://")):
        raise InvalidRequest(
            "", attribute.name, "is not an http(s) URL; it must be a signed download link", Rule.BAD_FORMAT
        )


@frozen
class Package:
    """An APK in object storage, and its name once it is installed."""

    name: str = field(
        validator=Text(100),
        metadata=wire("object_name") | doc("The package name after installation, such as `com.tencent.mm`."),
    )
    file: str = field(
        validator=Text(100), metadata=wire("file_name") | doc("With its extension, such as `meituan.apk`.")
    )
    version: str = field(validator=Text(100), metadata=wire("object_version"))
    size: str = field(
        converter=str,
        validator=_megabytes,
        metadata=wire("object_size")
        | doc("In MB, at most 2,048. Numbers are accepted; the documents' table has a string on the wire."),
    )
    url: str = field(
        repr=False,
        validator=and_(Text(2000), _https),
        metadata=wire("install_package_url")
        | doc("A signed download link. It contains credentials and may expire before the download."),
    )
    md5: str = field(
        default="",
        validator=Text(200, min=0),
        metadata=wire("content_md5") | doc("Always sent; may be empty."),
    )
    is_fast: bool | None = field(
        default=None,
        metadata=wire("fast_install", as_text={True: "1", False: "0"})
        | doc("Fast installation instead of the normal one."),
    )
    kind: str = field(default="apk", validator=OneOf(("apk",)), metadata=wire("biz_type"))
    media_type: str = field(
        default="application/octet-stream", validator=Text(64), metadata=wire("content_type")
    )


@frozen
class InstallApp(Package):
    """A package to install on many instances."""

    instances: tuple[str, ...] = field(
        kw_only=True, converter=ids, validator=IDS, metadata=wire("instance_id_list")
    )

    @classmethod
    def of(cls, package: Package, instances: Iterable[str]) -> InstallApp:
        """Return a request that installs a package on instances."""
        return cls(**asdict(package, recurse=False), instances=ids(instances))


@frozen
class AppQuery:
    """The instance whose apps to list, and which of them."""

    instance: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("instance_id"))
    type: AppType | None = field(default=None, validator=OneOf((*AppType, None)), metadata=wire("app_type"))
    page: int = field(default=1, validator=Between(1, 10**9), metadata=wire("page_no"))
    size: int = field(default=200, validator=Between(1, 200), metadata=wire("page_size"))
    request_id: str = field(factory=lambda: uuid4().hex, metadata=wire("x-request-id"))


@frozen
class App:
    """An app on an instance."""

    package: str = field(metadata=wire("app_pkg"))
    name: str | None = field(default=None, metadata=wire("app_name"))
    version: str | None = field(default=None, metadata=wire("app_version"))
    icon: str | None = field(default=None, repr=False, metadata=wire("icon_url"))


@frozen
class AppPage:
    """One page of the list. The name of its rows is not published; the likely names are accepted."""

    items: tuple[App, ...] = field(default=(), metadata=wire("result", "apps", "app_list", "list", "data"))
    page: int | None = field(default=None, metadata=wire("page_no"))
    size: int | None = field(default=None, metadata=wire("page_size"))
    total: int | None = field(default=None, metadata=wire("total_count"))


# Answers nest `data` twice until 2026-07 and once since. Codes 62010 to 62021 come either at once, with
# HTTP 200, or later in the jobs.
INSTALL: Final = Operation(
    "koophone.apps.install", "POST", "/v1/instances/app/install",
    InstallApp, StartedTask, source="KooPhone 4.4.1 (2025-12-31)",
    batch=Batch("instances", max=100, one_region=True), repeatable=False,
)  # fmt: skip

# Newer than the documents: added to the published interface in 2026-03.
LIST: Final = Operation(
    "koophone.apps.list", "GET", "/v1/instances/{instance_id}/app-list",
    AppQuery, AppPage, source="KooPhone, published interface (2026-03)", repeatable=True,
)  # fmt: skip


@frozen
class Apps:
    """Install and list apps."""

    _session: Sender

    async def install(self, instances: Iterable[str], package: Package) -> StartedTask:
        """Start installing a package on instances.

        Args:
            instances: At most 100 ids, all of one region.
            package: What to install: at most 2,048 MB, behind a signed download link.

        Raises:
            Refused: The service refused the whole call; nothing is being installed.
            NoAnswer: No answer was received; the package may be being installed.

        API: KooPhone 4.4.1 (2025-12-31)
        """
        return await self._session.send(INSTALL, InstallApp.of(package, instances))

    def list(self, instance: str, type: AppType | None = None) -> Items[App]:
        """List every app on an instance, page by page.

        Args:
            instance: One id.
            type: Only system apps (1) or third-party apps (2).

        API: KooPhone, published interface (2026-03)
        """
        return items(self._session, LIST, AppQuery(instance, type))
