"""Where a journal is: a path or a URL, a default place, and on which kind of file system."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import field, frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.journal.postgresql.location import SCHEMES, PostgresLocation

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "KOOPHONE_JOURNAL"
OFF: Final = "off"

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SINGLE: Final = {"network": "single"}

NETWORK_FILE_SYSTEMS: Final = frozenset(
    {
        *("9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "gfs", "gfs2", "gpfs", "lustre", "ncpfs"),
        *("nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb3", "smbfs", "virtiofs"),
        *("fuse.ceph", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs"),
    }
)
"""File systems that several machines can use at once, where SQLite's locks are not reliable."""


@frozen
class SqliteLocation:
    """A journal in a SQLite file."""

    path: Path
    single_machine: bool = False
    """Whether the caller states that no other machine uses a file on a network file system."""

    has_secret: bool = field(default=False, init=False)

    @property
    def is_shared(self) -> bool:
        """Whether other machines may use the journal, in spite of what was stated."""
        return self.single_machine

    def check_file_system(self, mounts: str) -> None:
        """Check that SQLite's locks are reliable where the file is.

        Args:
            mounts: The text of `/proc/self/mountinfo`.

        Raises:
            ValueError: It is on a network file system.
        """
        path = self.path.absolute()
        kind = file_system_of(path.parent.resolve(), mounts)
        if kind in NETWORK_FILE_SYSTEMS and not self.single_machine:
            raise ValueError(
                f"is on a network file system ({kind}), where SQLite's locks are not reliable; if only one"
                f" machine uses it, open sqlite:///{path}?network=single"
            )


Location: TypeAlias = SqliteLocation | PostgresLocation


def default_location(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the location that the environment names, else the default; None if journals are turned off."""
    environment = os.environ if environment is None else environment  # no default value: help would show it
    value = environment.get(VARIABLE, "").strip()
    if value.lower() == OFF:
        return None
    return value or str(_state_home(environment) / "koophone" / "rollouts.db")


def _state_home(environment: Mapping[str, str]) -> Path:
    """Return the directory that the XDG standard names; a relative path is to be ignored."""
    named = Path(environment.get("XDG_STATE_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".local" / "state"


def parse_location(text: str | Path) -> Location:
    """Parse a path, or a URL such as `sqlite:////absolute/path`, `sqlite:///relative/path` or `postgresql://...`.

    Raises:
        InvalidRequest: It is neither, or the URL has a part that is not supported.
    """
    if isinstance(text, Path) or not _URL.match(text):
        return SqliteLocation(Path(text).expanduser())
    if text.partition(":")[0].lower() in SCHEMES:
        return PostgresLocation.of_url(text)
    url = urlsplit(text)
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    path = unquote(url.path.removeprefix("/"))
    if url.scheme != "sqlite":
        raise InvalidRequest("", "journal", f"{url.scheme}: is not supported", Rule.NOT_A_CHOICE)
    if url.netloc or not path or url.fragment:
        raise InvalidRequest("", "journal", "must have the form sqlite:///PATH", Rule.BAD_FORMAT)
    if options not in ({}, _SINGLE):
        raise InvalidRequest("", "journal", "the only option is ?network=single", Rule.NOT_A_CHOICE)
    return SqliteLocation(Path(path).expanduser(), bool(options))


def file_system_of(path: Path, mounts: str) -> str | None:
    """Return the type of the file system of an absolute path, by the text of `/proc/self/mountinfo`."""
    found: dict[Path, str] = {}
    for line in mounts.splitlines():
        mount, separator, device = line.partition(" - ")
        fields = mount.split(" ")
        if separator and len(fields) > 4:
            found[Path(_unescape(fields[4]))] = device.split(" ", 1)[0]  # a later mount hides an earlier one
    return next((found[place] for place in (path, *path.parents) if place in found), None)


def _unescape(text: str) -> str:
    """Decode the octal escapes of spaces and such in a mount point."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
