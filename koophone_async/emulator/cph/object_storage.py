"""Object storage as far as phones have to do with it: tar files that came from exports, or are made up.

Nothing is downloaded. A tar that no export made holds one file that is named after it.
"""

from __future__ import annotations

import posixpath
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, define, field, frozen

from koophone_async.emulator.android.filesystem import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from koophone_async.emulator.android.system import Android
    from koophone_async.emulator.fleet import Phone

_MEDIA: Final = "/data/media/0"
"""What the shared storage of a phone is called where its data lie."""


@frozen
class Tar:
    """What a tar file holds."""

    files: Mapping[str, str] = field(factory=dict[str, str])
    """Texts by absolute path; a directory's path ends with a slash."""

    apps: Mapping[str, str] = field(factory=dict[str, str])
    """Versions by package."""

    sdk: int = 0
    """Of the phone that it was exported from; 0 for any."""


@define(eq=False)
class Storage:
    """Tar files, by bucket and path."""

    tars: dict[str, Tar] = field(factory=dict[str, Tar])

    def put(self, bucket: str, path: str, tar: Tar) -> None:
        """Keep a tar file, in the place of what was there."""
        self.tars[f"{bucket}/{path}"] = tar

    def has(self, bucket: str, path: str) -> bool:
        """Whether a tar file was kept."""
        return f"{bucket}/{path}" in self.tars

    def get(self, place: str, where: str) -> Tar:
        """Find a tar file, or make up one with one file in the directory `where`.

        Args:
            place: Bucket and path.
            where: A directory, for a tar that is not known.
        """
        stem = posixpath.basename(place).removesuffix(".tar")
        return self.tars.get(place) or Tar({f"{where}/{stem}": f"{place}\n"})

    def to_json(self) -> dict[str, Any]:
        """Everything, by bucket and path."""
        return {place: asdict(tar) for place, tar in self.tars.items()}

    def restore(self, said: Mapping[str, Any]) -> None:
        """Become what `to_json` said."""
        self.tars = {place: Tar(**tar) for place, tar in said.items()}


def packed(phone: Phone, include: Iterable[str], exclude: Iterable[str]) -> Tar:
    """Pack what a phone has changed under some paths, without what lies under others."""
    android, wanted, unwanted = phone.android, list(include), list(exclude)

    def fits(path: str) -> bool:
        return _under(path, wanted) and not _under(path, unwanted)

    changed: Mapping[str, str | None] = phone.drawer.get("files", {})
    files = {p: text for p, text in changed.items() if text is not None and fits(_where_data_lie(p))}
    apps = {
        package: version
        for package, version in android.apps.items()
        if not android.is_system(package) and fits(f"/data/app/{package}-1/base.apk")
    }
    return Tar(files, apps, int(phone.release.sdk))


def _where_data_lie(path: str) -> str:
    return f"{_MEDIA}{path.removeprefix(SHARED)}" if path.startswith(f"{SHARED}/") else path


def _under(path: str, patterns: Iterable[str]) -> bool:
    bare = path.rstrip("/")
    return any(
        fnmatchcase(bare, pattern.rstrip("/")) or fnmatchcase(bare, f"{pattern.rstrip('/')}/*")
        for pattern in patterns
    )


def unpack(tar: Tar, android: Android, now: int) -> None:
    """Unpack a tar file at the root of a phone.

    Args:
        tar: What to unpack.
        android: Of the phone.
        now: Seconds since 1970, the time that the files get.
    """
    for path, text in tar.files.items():
        place = f"{SHARED}{path.removeprefix(_MEDIA)}" if path.startswith(f"{_MEDIA}/") else path
        _make_way(android, posixpath.dirname(place.rstrip("/")))
        android.files[place] = text
        android.disk.stamp(place.rstrip("/"), now)
    for package, version in tar.apps.items():
        android.apps[package] = version


def _make_way(android: Android, directory: str) -> None:
    while directory != "/":
        android.files[f"{directory}/"] = ""
        directory = posixpath.dirname(directory)
