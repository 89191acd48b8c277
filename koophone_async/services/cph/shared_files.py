"""Files in the storage that all phones of a server share.

Only phone models with `max_share_disk_size_g` in their extended specification have shared storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from attrs import Attribute, field, frozen

from koophone_async.checks import IDS, Between, Listed, Text, ids, paths
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.services.cph.encoders import join_commas, split_commas
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire

BUCKET: Final = Text(63, pattern="[a-z0-9.-]{3,63}")
"""A bucket's name: 3 to 63 lower-case letters, digits, `-` and `.`."""

TAR: Final = Text(1024, ending=(".tar",), pattern=r"[A-Za-z0-9./_+#=-]+")
"""The path of a tar file in a bucket: letters, digits and `. / - _ + # =`."""


@frozen
class StoragePath:
    """Validator of the path of a file or directory in the shared storage."""

    characters: str
    """Characters that are allowed beside letters and digits."""

    max_size: int = 4096
    is_below_root: bool = False
    """Whether the root itself and doubled slashes are invalid."""

    @property
    def limit(self) -> str:
        """Description of the limit, for error messages."""
        odd = ", not / alone and without //" if self.is_below_root else ""
        allowed = " ".join("space" if one == " " else one for one in self.characters)
        rule = f"an absolute path of at most {self.max_size:,} bytes: letters, digits and {allowed}"
        return f"{rule}, without ..{odd}"

    def __call__(self, instance: object, attribute: Attribute[Any], value: object) -> None:
        """Raise `InvalidRequest` for a wrong form, character or length."""
        if not isinstance(value, str) or not self._fits(value):
            raise InvalidRequest(
                "", attribute.name, f"is {value!r:.80}; it must be {self.limit}", Rule.BAD_FORMAT
            )

    def _fits(self, path: str) -> bool:
        characters = rf"/[A-Za-z0-9{re.escape(self.characters)}]*"
        if not re.fullmatch(characters, path) or ".." in path or len(path) > self.max_size:
            return False
        return not self.is_below_root or ("//" not in path and path != "/")


@frozen
class PushFiles:
    """Request to push a tar file from a bucket to the shared storage of servers."""

    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=TAR, metadata=wire("object_path"))
    """Path of the tar file. Its directories must be under `/data` or `/cache`."""

    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))


@frozen
class ListFiles:
    """Request to list a directory in the shared storage of servers."""

    path: str = field(validator=StoragePath("./_+-=", is_below_root=True))
    servers: tuple[str, ...] = field(
        converter=split_commas, validator=IDS, metadata=wire("server_ids", as_text=join_commas)
    )
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=50, validator=Between(1, 50))


@frozen
class DeleteFiles:
    """Request to delete files from the shared storage of servers."""

    paths: tuple[str, ...] = field(
        converter=paths, validator=Listed(each=StoragePath("./-_= ")), metadata=wire("file_paths")
    )
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))


PUSH: Final = Operation(
    "cph.shared_files.push", "POST", "/v1/{project_id}/cloud-phone/phones/share-files",
    PushFiles, Started, source="CPH 5.1.7 (2025-02-08)",
    batch=Batch("servers", max=UNSTATED), repeatable=False,
)  # fmt: skip

# A GET that starts jobs, whose output is the listing. The document's example requests 100 files a page, its
# table allows 50 (100 in 2020). That offset and limit count files is likely, but not documented.
LIST: Final = Operation(
    "cph.shared_files.list", "GET", "/v1/{project_id}/cloud-phone/servers/share-files",
    ListFiles, Started, source="CPH 5.1.8 (2025-02-08)",
    batch=Batch("servers", max=UNSTATED), repeatable=True,
)  # fmt: skip

# The same path as push: only the fields of the body differ.
DELETE: Final = Operation(
    "cph.shared_files.delete", "POST", "/v1/{project_id}/cloud-phone/phones/share-files",
    DeleteFiles, Started, source="CPH 5.1.9 (2025-02-08)",
    batch=Batch("servers", max=UNSTATED), repeatable=False,
)  # fmt: skip


@frozen
class SharedFiles:
    """Files that all phones of a server share."""

    _session: Sender

    async def push(self, servers: Iterable[str], bucket: str, path: str) -> Started:
        """Start unpacking a tar file from object storage in the shared storage of servers.

        The service must have been granted access to the bucket.

        Args:
            servers: At most 100 ids; no document states a maximum.
            bucket: 3 to 63 lower-case letters, digits, `-` and `.`.
            path: Path of the tar file in the bucket: at most 1,024 letters, digits and `. / - _ + # =`,
                ending in `.tar`. Its content must be under `/data` or `/cache`.

        Raises:
            Refused: The service refused the whole call; nothing was pushed.
            NoAnswer: No answer arrived; the files may be pushed.

        API: CPH 5.1.7 (2025-02-08)
        """
        return await self._session.send(PUSH, PushFiles(bucket, path, servers))

    async def list(self, servers: Iterable[str], path: str, offset: int = 0, limit: int = 50) -> Started:
        """Start listing a directory in the shared storage of servers.

        The listing is the output of the jobs, truncated after 1,024 bytes; `Job.listing` parses it.

        Args:
            servers: At most 100 ids; no document states a maximum.
            path: Such as `/data/data`: letters, digits and `. / _ + - =`, absolute, without `//` and `..`.
            offset: Number of files to skip.
            limit: At most 50 files.

        Raises:
            Refused: The service refused the whole call.

        API: CPH 5.1.8 (2025-02-08)
        """
        return await self._session.send(LIST, ListFiles(path, servers, offset, limit))

    async def delete(self, servers: Iterable[str], paths: Iterable[str]) -> Started:
        """Start deleting files from the shared storage of servers.

        Args:
            servers: At most 100 ids; no document states a maximum.
            paths: Absolute paths of at most 4,096 bytes each: letters, digits, space and `. / - _ =`,
                without `..`.

        Raises:
            Refused: The service refused the whole call; nothing was deleted.
            NoAnswer: No answer arrived; the files may be deleted.

        API: CPH 5.1.9 (2025-02-08)
        """
        return await self._session.send(DELETE, DeleteFiles(paths, servers))
