"""Data of phones: export it to object storage, restore it, and expand data disks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Between, Listed, Text, paths
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.services.cph.shared_files import BUCKET
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire

DATA: Final = Text(
    4096, unit="bytes of UTF-8", pattern=r"(?!.*/\.\.(/|$))/(data|cache)(/[A-Za-z0-9./_+#*=-]*)?"
)
"""An absolute path in /data or /cache, without `..`: letters, digits and `. / - _ + # * =`."""

OBJECT: Final = Text(1024, pattern="[A-Za-z0-9./_+#=-]+")
"""Path of an export in its bucket."""


def _optional_paths(values: Iterable[str] | None) -> tuple[str, ...]:
    return () if values is None else paths(values)


@frozen
class Export:
    """Export of one phone: paths, and the object to write."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    include: tuple[str, ...] = field(
        converter=paths, validator=Listed(each=DATA), metadata=wire("include_files")
    )
    """Absolute paths in /data or /cache, at most 4,096 bytes each.

    Only the last part of a path keeps its permissions and owner: name the directory whose parents may be
    missing on the phone where it is restored (CPH 6.1).
    """

    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=OBJECT, metadata=wire("object_path"))
    """At most 1,024 characters. Whether an existing object is overwritten is not documented."""

    exclude: tuple[str, ...] = field(
        default=None, converter=_optional_paths, validator=Listed(min=0, each=DATA),
        metadata=wire("exclude_files"),
    )  # fmt: skip
    """Paths of the same kind to leave out of the included ones."""


def _exports(values: Iterable[Export]) -> tuple[Export, ...]:
    return tuple(values)


@frozen
class ExportData:
    """Request to export data of phones."""

    exports: tuple[Export, ...] = field(
        converter=_exports, validator=Listed(), metadata=wire("storage_infos")
    )


@frozen
class Restore:
    """Restore of an export on one phone, also one of another phone."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=Text(1024), metadata=wire("object_path"))
    """Path of an export that the service has registered (CPS.0172)."""


def _restores(values: Iterable[Restore]) -> tuple[Restore, ...]:
    return tuple(values)


@frozen
class RestoreData:
    """Request to restore exports on phones."""

    restores: tuple[Restore, ...] = field(
        converter=_restores, validator=Listed(), metadata=wire("restore_infos")
    )


@frozen
class NewSize:
    """New size of the data disk of one phone."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    size: int = field(validator=Between(1, 32_768, unit="GiB"), metadata=wire("new_size"))
    """GiB, not less than now: a disk cannot shrink."""


def _sizes(values: Iterable[NewSize]) -> tuple[NewSize, ...]:
    return tuple(values)


@frozen
class ExpandVolumes:
    """Order of larger data disks for phones."""

    phones: tuple[NewSize, ...] = field(converter=_sizes, validator=Listed())


# One call has a maximum number of phones (CPS.0170), which is not documented.
EXPORT: Final = Operation(
    "cph.storage.export", "POST", "/v1/{project_id}/cloud-phone/phones/batch-storage",
    ExportData, Started, source="CPH 5.3.11 (2025-02-08)",
    batch=Batch("exports", max=UNSTATED), repeatable=False,
)  # fmt: skip

RESTORE: Final = Operation(
    "cph.storage.restore", "POST", "/v1/{project_id}/cloud-phone/phones/batch-restore",
    RestoreData, Started, source="CPH 5.3.12 (2025-02-08)",
    batch=Batch("restores", max=UNSTATED), repeatable=False,
)  # fmt: skip

# Only the table of errors has the limits: 150 phones a call (CPS.0356), and 500 pending expansions a
# project (CPS.0348).
EXPAND: Final = Operation(
    "cph.storage.expand", "POST", "/v1/{project_id}/cloud-phone/phones/expand-volume",
    ExpandVolumes, Started, source="CPH 5.3.14 (2025-02-08)",
    batch=Batch("phones", max=150), repeatable=False, order=True,
)  # fmt: skip


@frozen
class Storage:
    """Data of phones."""

    _session: Sender

    async def export(self, exports: Iterable[Export]) -> Started:
        """Start exporting data of phones to object storage.

        The service must have been granted access to the bucket.

        Args:
            exports: At most 100 phones with paths and objects (no document states a maximum).

        Raises:
            Refused: The service refused the whole call; nothing is being exported.
            NoAnswer: No answer arrived; the export may be running.

        API: CPH 5.3.11 (2025-02-08)
        """
        return await self._session.send(EXPORT, ExportData(exports))

    async def restore(self, restores: Iterable[Restore]) -> Started:
        """Start restoring exports on phones. Restart the phones when it has ended.

        Data of a newer Android cannot be restored on an older one; apps may crash until the phone is
        restarted.

        Args:
            restores: At most 100 phones with their exports (no document states a maximum).

        Raises:
            Refused: The service refused the whole call; nothing was overwritten.
            NoAnswer: No answer arrived; the data may be overwritten.

        API: CPH 5.3.12 (2025-02-08)
        """
        return await self._session.send(RESTORE, RestoreData(restores))

    async def expand(self, phones: Iterable[NewSize]) -> Started:
        """Buy larger data disks for phones. This costs money and cannot be undone.

        It is never retried; after a `NoAnswer`, check the size with `phones.show`.

        Args:
            phones: At most 150 phones with their new sizes, in GiB up to 32,768.

        Raises:
            Refused: The service refused the whole call; nothing was bought.
            NoAnswer: No answer arrived; the disks may have been bought.

        API: CPH 5.3.14 (2025-02-08)
        """
        return await self._session.send(EXPAND, ExpandVolumes(phones))
