"""The profile file has secrets: it is checked as ssh checks keys, and waiting for it blocks nothing else."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async import file_access
from koophone_async.credentials import Chain, ProfileFile, default_chain
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path


PROFILE: Final = "[basic]\nak = AKAKAKAKAKAKAKAKAKAK\nsk = the-secret-key\n"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    directory = tmp_path / ".huaweicloud"
    directory.mkdir()
    return with_mode(directory / "credentials", 0o600)


def with_mode(path: Path, mode: int) -> Path:
    path.write_text(PROFILE)
    path.chmod(mode)
    return path


async def test_a_file_of_its_owner_alone_is_read_silently(
    profile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert await ProfileFile(profile, environ={})()
    assert caplog.messages == []


async def test_a_file_that_others_can_read_is_warned_of_once(
    profile: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with_mode(profile, 0o640)
    for _ in range(3):
        assert await ProfileFile(profile, environ={})()

    assert caplog.messages == [f"{profile} can be read by others (mode 0640); set it to 0600"]


@pytest.mark.parametrize("mode", [0o620, 0o602])
@pytest.mark.parametrize("is_default", [False, True])
async def test_a_file_that_others_can_change_is_refused(
    profile: Path,
    mode: int,
    is_default: bool,  # noqa: FBT001
) -> None:
    path = with_mode(profile, mode)
    named = Chain(ProfileFile(path, environ={}))
    chain = default_chain({"HOME": str(path.parent.parent)}) if is_default else named

    with pytest.raises(InvalidRequest, match="can be changed by others") as refused:
        await chain()
    assert "the-secret-key" not in str(refused.value)


async def test_waiting_for_a_fifo_does_not_block_the_loop(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading = asyncio.ensure_future(ProfileFile(fifo, environ={})())
    await asyncio.sleep(0)

    await asyncio.to_thread(fifo.write_text, PROFILE)

    key = await reading
    assert key is not None
    assert key.secret_key == "the-secret-key"


async def test_a_fifo_without_a_writer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_access, "WRITER_TIMEOUT", 0.01)
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(InvalidRequest, match="is a FIFO that nobody opened to write for"):
        await ProfileFile(tmp_path / "fifo", environ={})()
