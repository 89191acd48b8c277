"""The tenant's own file systems that servers mount. Only the vendor's SDK has them."""

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
"""Maximum number of servers of one call. One file system should have at most about 50 in total."""


@frozen
class DetachFilesystem:
    """Request to unmount a file system from servers."""

    id: str = field(validator=Text(64))
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))
    type: str = field(default="sfs_turbo", validator=OneOf(("sfs_turbo",)))
    """`sfs_turbo` is the only type."""


@frozen
class AttachFilesystem(DetachFilesystem):
    """Request to mount a file system on servers."""

    path: str | None = field(default=None, validator=Text(4096, pattern="/.*"))
    """Absolute path of a directory of the file system; default: its root."""


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
    """The tenant's own file systems that servers mount."""

    _session: Sender

    async def attach(self, filesystem: str, servers: Iterable[str], path: str | None = None) -> Started:
        """Start mounting a file system on servers.

        Args:
            filesystem: Id of an SFS Turbo file system.
            servers: At most 20 ids; one file system should have at most about 50 servers in total.
            path: Absolute path of a directory of the file system; None for its root.

        Raises:
            Refused: The service refused the whole call; nothing was mounted.
            NoAnswer: No answer arrived; the file system may be mounted.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(ATTACH, AttachFilesystem(filesystem, servers, path=path))

    async def detach(self, filesystem: str, servers: Iterable[str]) -> Started:
        """Start unmounting a file system from servers.

        Args:
            filesystem: Id of an SFS Turbo file system.
            servers: At most 20 ids.

        Raises:
            Refused: The service refused the whole call; nothing was unmounted.
            NoAnswer: No answer arrived; the file system may be unmounted.

        API: huaweicloudsdkcph 3.1.219
        """
        return await self._session.send(DETACH, DetachFilesystem(filesystem, servers))
