"""Data of phones: exported to object storage, restored from there, and given more room."""

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
"""An absolute path in /data or /cache, and not out of it again: letters, digits and `. / - _ + # * =`."""

OBJECT: Final = Text(1024, pattern="[A-Za-z0-9./_+#=-]+")
"""Where the export goes in its bucket."""


def _optional_paths(given: Iterable[str] | None) -> tuple[str, ...]:
    return () if given is None else paths(given)


@frozen
class Export:
    """What to export of one phone, and where to."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    include: tuple[str, ...] = field(
        converter=paths, validator=Listed(each=DATA), metadata=wire("include_files")
    )
    """Absolute paths in /data or /cache, at most 4,096 bytes each.

    Only the last part of a path keeps its permissions and owner: name the directory whose parents
    may be missing where it is restored (CPH 6.1).
    """

    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=OBJECT, metadata=wire("object_path"))
    """At most 1,024 characters. Whether what is there already is overwritten is not documented."""

    exclude: tuple[str, ...] = field(
        default=None, converter=_optional_paths, validator=Listed(min=0, each=DATA),
        metadata=wire("exclude_files"),
    )  # fmt: skip
    """Paths of the same kind that are left out, even where they are included."""


def _exports(given: Iterable[Export]) -> tuple[Export, ...]:
    return tuple(given)


@frozen
class ExportData:
    """Exports of many phones."""

    exports: tuple[Export, ...] = field(
        converter=_exports, validator=Listed(), metadata=wire("storage_infos")
    )


@frozen
class Restore:
    """What to restore on one phone, which may be another than it came from."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    bucket: str = field(validator=BUCKET, metadata=wire("bucket_name"))
    path: str = field(validator=Text(1024), metadata=wire("object_path"))
    """As an export made it; the service keeps a register (CPS.0172)."""


def _restores(given: Iterable[Restore]) -> tuple[Restore, ...]:
    return tuple(given)


@frozen
class RestoreData:
    """Exports that go back on many phones."""

    restores: tuple[Restore, ...] = field(
        converter=_restores, validator=Listed(), metadata=wire("restore_infos")
    )


@frozen
class NewSize:
    """How large the data disk of one phone is to be."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    size: int = field(validator=Between(1, 32_768, unit="GiB"), metadata=wire("new_size"))
    """GiB, not less than now: a disk cannot be made smaller."""


def _sizes(given: Iterable[NewSize]) -> tuple[NewSize, ...]:
    return tuple(given)


@frozen
class ExpandVolumes:
    """Larger data disks for many phones."""

    phones: tuple[NewSize, ...] = field(converter=_sizes, validator=Listed())


# A limit for the phones of one call exists (CPS.0170); how many they are is not said.
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

# The limits are in the table of errors only: 150 phones a call (CPS.0356), and 500 expansions of
# a project that have not ended (CPS.0348).
EXPAND: Final = Operation(
    "cph.storage.expand", "POST", "/v1/{project_id}/cloud-phone/phones/expand-volume",
    ExpandVolumes, Started, source="CPH 5.3.14 (2025-02-08)",
    batch=Batch("phones", max=150), repeatable=False, order=True,
)  # fmt: skip


@frozen
class Storage:
    """What phones keep."""

    _session: Sender

    async def export(self, exports: Iterable[Export]) -> Started:
        """Start packing data of phones into object storage.

        The service must have been granted access to the bucket.

        Args:
            exports: Phones with the paths to export and where to; no document says how many.

        Raises:
            Refused: The service refused the whole call; nothing is being exported.
            NoAnswer: No answer came; the export may be under way.

        API: CPH 5.3.11 (2025-02-08)
        """
        return await self._session.send(EXPORT, ExportData(exports))

    async def restore(self, restores: Iterable[Restore]) -> Started:
        """Start unpacking exports on phones. Restart the phones when it has ended.

        Data of a higher Android version cannot go to a lower one; apps may crash until the phone
        was restarted.

        Args:
            restores: Phones with the export that each gets; no document says how many.

        Raises:
            Refused: The service refused the whole call; nothing was overwritten.
            NoAnswer: No answer came; the data may be being overwritten.

        API: CPH 5.3.12 (2025-02-08)
        """
        return await self._session.send(RESTORE, RestoreData(restores))

    async def expand(self, phones: Iterable[NewSize]) -> Started:
        """Buy larger data disks for phones. It costs money and cannot be taken back.

        It is never sent twice by any rule; after an `NoAnswer`, look at the size with `phones.show`.

        Args:
            phones: At most 150 phones with their new sizes, in GiB up to 32,768.

        Raises:
            Refused: The service refused the whole call; nothing was bought.
            NoAnswer: No answer came; the disks may have been bought.

        API: CPH 5.3.14 (2025-02-08)
        """
        return await self._session.send(EXPAND, ExpandVolumes(phones))
