"""Apps in the storage that all phones of a server share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Between, OneOf, Text, ids
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.buying import SDK_SOURCE
from koophone_async.services.cph.encoders import format_time
from koophone_async.services.cph.paging import PageInfo, items_by_marker
from koophone_async.services.cph.shared_files import BUCKET, TAR
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire

PACKAGE: Final = Text(128, pattern=r"(?=.*\.)[A-Za-z][A-Za-z0-9_.]*[A-Za-z0-9_]")
"""A package name: letters, digits, `_` and at least one `.`; first a letter, last not `.`."""


@frozen
class PushApp:
    """Request to push an app from a tar file in a bucket to the shared storage of servers."""

    package: str = field(validator=PACKAGE, metadata=wire("package_name"))
    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=TAR, metadata=wire("object_path"))
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))
    preinstall: int | None = field(
        default=None, validator=OneOf((0, 1, None)), metadata=wire("pre_install_app")
    )
    """1 installs the app on the phones too."""


@frozen
class DeleteApp:
    """Request to delete an app from the shared storage of servers; a DELETE with a JSON body."""

    package: str = field(validator=PACKAGE, metadata=wire("package_name", place="body"))
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids", place="body"))


@frozen
class SharedAppQuery:
    """Filter of the list of shared apps."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("server_id"))
    package: str | None = field(default=None, validator=PACKAGE, metadata=wire("package_name"))
    limit: int = field(default=100, validator=Between(1, 500))
    marker: str | None = None


@frozen
class SharedApp:
    """An app that all phones of a server share."""

    package: str = field(metadata=wire("package_name"))
    versions: tuple[str, ...] = ()


@frozen
class SharedAppPage:
    """One page of the shared apps of a server."""

    items: tuple[SharedApp, ...] = field(default=(), metadata=wire("share_apps"))
    next: PageInfo | None = field(default=None, metadata=wire("page_info"))
    seen_at: datetime | None = field(default=None, metadata=wire("collect_time", as_text=format_time))
    """Time of the list; the service refreshes it every two hours."""


PUSH: Final = Operation(
    "cph.shared_apps.push", "POST", "/v1/{project_id}/cloud-phone/phones/share-apps",
    PushApp, Started, source="CPH 5.1.10 (2025-02-08)",
    batch=Batch("servers", max=100), repeatable=False,
)  # fmt: skip

DELETE: Final = Operation(
    "cph.shared_apps.delete", "DELETE", "/v1/{project_id}/cloud-phone/phones/share-apps",
    DeleteApp, Started, source="CPH 5.1.11 (2025-02-08)",
    batch=Batch("servers", max=UNSTATED), repeatable=False,
)  # fmt: skip

# Servers with more than 10,000 different apps are not listed, and an app with an unusual name or version, or
# with more than about 60 versions, may be missing.
LIST: Final = Operation(
    "cph.shared_apps.list", "GET", "/v1/{project_id}/servers/{server_id}/share-apps-snapshot",
    SharedAppQuery, SharedAppPage, source=SDK_SOURCE, repeatable=True,
)  # fmt: skip


@frozen
class SharedApps:
    """Apps that all phones of a server share."""

    _session: Sender

    async def push(
        self, servers: Iterable[str], package: str, bucket: str, path: str, *, preinstall: bool = False
    ) -> Started:
        """Start unpacking an app from object storage in the shared storage of servers.

        The service must have been granted access to the bucket. An app of a newer Android must not be pushed
        to servers with phones of an older one; servers of the flavor physical.kg1.4xlarge.a.cp need free
        space of twice the tar file's size.

        Args:
            servers: At most 100 ids.
            package: At most 128 letters, digits, `_` and `.`, such as `com.example.game`.
            bucket: 3 to 63 lower-case letters, digits, `-` and `.`.
            path: Path of the tar file in the bucket: at most 1,024 letters, digits and `. / - _ + # =`,
                ending in `.tar`.
            preinstall: Whether to install the app on the phones too.

        Raises:
            Refused: The service refused the whole call; nothing was pushed.
            NoAnswer: No answer arrived; the app may be pushed.

        API: CPH 5.1.10 (2025-02-08)
        """
        app = PushApp(package, bucket, path, servers, 1 if preinstall else None)
        return await self._session.send(PUSH, app)

    async def delete(self, servers: Iterable[str], package: str) -> Started:
        """Start deleting an app from the shared storage of servers.

        Args:
            servers: At most 100 ids; no document states a maximum.
            package: At most 128 letters, digits, `_` and `.`, such as `com.example.game`.

        Raises:
            Refused: The service refused the whole call; nothing was deleted.
            NoAnswer: No answer arrived; the app may be deleted.

        API: CPH 5.1.11 (2025-02-08)
        """
        return await self._session.send(DELETE, DeleteApp(package, servers))

    def list(self, server: str, package: str | None = None) -> Items[SharedApp]:
        """Iterate over the shared apps of a server, in a list that is up to two hours old.

        Args:
            server: Its id.
            package: Only the app of this package.

        Raises:
            NotFound: The server does not exist.

        API: huaweicloudsdkcph 3.1.219
        """
        return items_by_marker(self._session, LIST, SharedAppQuery(server, package))
