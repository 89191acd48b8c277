"""A snapshot is replaced as a whole or not at all."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from koophone_async.emulator import Emulator, snapshot

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3)]


@contextmanager
def full_disk(size: int) -> Generator[None]:
    """Limit the size of every file that is written, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@pytest.mark.parametrize("size", [0, 1, 500])
async def test_a_full_disk_keeps_the_snapshot_before(emulator: Emulator, tmp_path: Path, size: int) -> None:
    file = tmp_path / "state"
    snapshot.save(emulator.jobs, file)
    before = file.read_bytes()
    assert len(before) > 500
    emulator.ledger.executed("koophone.commands.run", ["phone0001"])

    with full_disk(size), pytest.raises(OSError, match="File too large"):
        snapshot.save(emulator.jobs, file)

    assert file.read_bytes() == before
    assert names_in(tmp_path) == ["state"]
    snapshot.load(emulator.jobs, file)
    assert emulator.ledger.executions("koophone.commands.run") == {}


async def test_a_link_and_the_permissions_are_kept(emulator: Emulator, tmp_path: Path) -> None:
    file, link = tmp_path / "state", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o640)
    link.symlink_to(file)

    snapshot.save(emulator.jobs, link)

    assert link.readlink() == file
    assert file.read_bytes() == snapshot.write(emulator.jobs)
    assert file.stat().st_mode & 0o777 == 0o640


async def test_a_device_is_not_read_as_a_snapshot(emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "zero").symlink_to("/dev/zero")

    with pytest.raises(OSError, match="Not a regular file"):
        snapshot.load(emulator.jobs, tmp_path / "zero")
