"""The disk of the database is full for a while: nothing is sent meanwhile, and everything afterwards."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from koophone_async.batches import State
from tests.distributed.site import PHONES, ROLLOUTS, RUN, STEPS, Site

if TYPE_CHECKING:
    from collections.abc import Generator

pytestmark = [pytest.mark.system, pytest.mark.process, pytest.mark.timeout(600)]


@pytest.fixture
def small_disk() -> Generator[Path]:
    """Mount a disk of 256 MB, on which a database has room for little more than itself."""
    directory = Path(tempfile.mkdtemp())  # below those of pytest only root can read
    directory.chmod(0o755)
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=256m,mode=755", "tmpfs", str(directory)]
    if subprocess.run(mount, check=False).returncode:  # noqa: S603 - a directory of the test
        pytest.skip("needs the right to mount a disk")
    yield directory
    subprocess.run(["/bin/umount", "--lazy", directory], check=True)  # noqa: S603 - the same
    directory.rmdir()


def fill(file: Path) -> None:
    """Write a file until the disk is full."""
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(2**16)):
            pass


async def test_workers_outlast_a_full_disk(small_disk: Path) -> None:
    async with Site.open(ROLLOUTS, small_disk) as site:
        await site.replace_workers()
        await site.start_rollouts()
        await site.until(lambda: has_executed(site, 20), 60)
        fill(small_disk / "ballast")
        await site.until(lambda: has_executed(site, ROLLOUTS * PHONES * STEPS), 15)
        ended_on_a_full_disk = await has_executed(site, ROLLOUTS * PHONES * STEPS)
        os.truncate(small_disk / "ballast", 0)
        await site.restart_a_database_that_ended()
        await site.end_rollouts()
        await site.stop_workers()

        states = await site.check()

    assert not ended_on_a_full_disk
    assert states.total() == ROLLOUTS * PHONES
    assert states[State.SUCCEEDED] > states[State.UNKNOWN]


async def has_executed(site: Site, count: int) -> bool:
    return sum(site.emulator.ledger.executions(RUN).values()) >= count
