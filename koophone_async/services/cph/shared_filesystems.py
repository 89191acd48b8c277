"""File systems of the tenant's own that servers mount. Only the vendor's SDK knows of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from koophone_async.checks import IDS, OneOf, Text, ids
from koophone_async.operation import Batch, Operation, Sender
from koophone_async.services.cph.buying import SDK_SOURCE
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire

MAX_SERVERS: Final = 20
"""The most servers of one call. One file system should have no more than some 50 in all."""


@frozen
class DetachFilesystem:
    """A file system, and the servers to take it from."""

    id: str = field(validator=Text(64))
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))
    type: str = field(default="sfs_turbo", validator=OneOf(("sfs_turbo",)))
    """`sfs_turbo`, the only kind."""


@frozen
class AttachFilesystem(DetachFilesystem):
    """A file system, and the servers to give it to."""

    path: str | None = field(default=None, validator=Text(4096, pattern="/.*"))
    """A directory of the file system, as a full path; its root where nothing is said."""


ATTACH: Final = Operation(
    "cph.shared_filesystems.attach", "POST", "/v1/{project_id}/servers/attach-share-filesystem",
    AttachFilesystem, Started, source=SDK_SOURCE, batch=Batch("servers", max=MAX_SERVERS), repeatable=False,
)  # fmt: skip

DETACH: Final = Operation(
    "cph.shared_filesystems.detach", "POST", "/v1/{project_id}/servers/detach-share-filesystem",
    DetachFilesystem, Started, source=SDK_SOURCE, batch=Batch("servers", max=MAX_SERVERS), repeatable=False,
)  # fmt: skip


@frozen
class SharedFilesystems:
    """File systems of the tenant's own that servers mount."""

    _session: Sender

    async def attach(self, filesystem: str, servers: Iterable[str], path: str | None = None) -> Started:
        """Mount a file system on servers.

        Args:
            filesystem: Its id; of the kind SFS Turbo.
            servers: At most 20 ids; one file system should have no more than some 50 servers in all.
            path: A directory of the file system, as a full path; else its root.

        Raises:
            Refused: The service refused the whole call; nothing was mounted.
            NoAnswer: No answer came; the file system may be mounted.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(ATTACH, AttachFilesystem(filesystem, servers, path=path))

    async def detach(self, filesystem: str, servers: Iterable[str]) -> Started:
        """Unmount a file system from servers.

        Args:
            filesystem: Its id; of the kind SFS Turbo.
            servers: At most 20 ids.

        Raises:
            Refused: The service refused the whole call; nothing was unmounted.
            NoAnswer: No answer came; the file system may be unmounted.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(DETACH, DetachFilesystem(filesystem, servers))
