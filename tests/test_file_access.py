"""Files that people name: bounded, never waited for without end, and checked for who else may use them."""

from __future__ import annotations

import io
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from koophone_async import file_access
from koophone_async.file_access import UnusableFile, bounded, exposure, open_bounded


def read(path: Path | str, max_bytes: int = 10_000) -> bytes:
    with open_bounded(path, max_bytes) as stream:
        return stream.read()


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("size", [0, 1, 10_000])
def test_a_file_within_the_bound_is_read(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)

    assert read(tmp_path / "file") == b"x" * size


@pytest.mark.parametrize(
    "max_bytes, shown", [(999, "999 bytes"), (2048, "2 KiB"), (2**20, "1 MiB"), (2**30, "1,024 MiB")]
)
def test_the_bound_is_shown_in_its_unit(max_bytes: int, shown: str) -> None:
    stream = bounded(lambda _: b"x" * (max_bytes + 1), max_bytes)

    with pytest.raises(UnusableFile, match=f"^is larger than {shown}$"):
        stream.read(1)


def test_a_device_without_end_is_read_to_the_bound() -> None:
    with pytest.raises(UnusableFile, match="is larger than 10,000 bytes"):
        read("/dev/zero")


def test_a_file_of_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.truncate(4 * 2**30)

    with pytest.raises(UnusableFile, match="is larger than 10,000 bytes"):
        open_bounded(tmp_path / "file", 10_000)
    assert not is_open(tmp_path / "file")


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read(tmp_path)


def is_open(path: Path) -> bool:
    """Return whether this process has a descriptor of a file."""
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # one that was closed meanwhile
            if link.readlink() == path:
                return True
    return False


def test_a_fifo_without_a_writer_is_refused(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_access, "WRITER_TIMEOUT", 0.01)
    with pytest.raises(UnusableFile, match=r"is a FIFO that nobody opened to write for 0\.01 s"):
        read(fifo)
    assert not is_open(fifo)


def test_a_fifo_is_read_to_the_end_of_its_writer(fifo: Path) -> None:
    content = os.urandom(9_000)
    writer = threading.Thread(target=fifo.write_bytes, args=(content,))
    writer.start()

    assert read(fifo) == content
    writer.join()


def test_a_writer_may_take_its_time(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_access, "WRITER_TIMEOUT", 0.01)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    with fifo.open("wb") as writer, open_bounded(fifo, 100) as stream:
        os.close(reader)
        writer.write(b"late")
        writer.flush()
        assert stream.read(4) == b"late"


def status(mode: int, uid: int | None = None) -> os.stat_result:
    return os.stat_result((mode, 0, 0, 1, os.geteuid() if uid is None else uid, 0, 0, 0, 0, 0))


@pytest.mark.parametrize("mode", [0o100600, 0o100400, 0o100700, 0o010666, 0o020666, 0o100611])
def test_what_only_the_owner_can_use_is_no_cause_for_a_warning(mode: int) -> None:
    assert exposure(status(mode)) is None


@pytest.mark.parametrize("mode", [0o100644, 0o100640, 0o100604])
def test_a_file_that_others_can_read_is_warned_of(mode: int) -> None:
    assert exposure(status(mode)) == f"can be read by others (mode {mode & 0o777:04o}); set it to 0600"


@pytest.mark.parametrize("mode", [0o100620, 0o100602, 0o100666, 0o100777])
def test_a_file_that_others_can_change_is_refused(mode: int) -> None:
    with pytest.raises(UnusableFile, match="can be changed by others"):
        exposure(status(mode))


def test_a_file_of_another_user_is_refused() -> None:
    with pytest.raises(UnusableFile, match="belongs to another user"):
        exposure(status(0o100600, uid=os.geteuid() + 1))
    assert exposure(status(0o100600, uid=0)) is None


def test_a_file_is_closed_once(tmp_path: Path) -> None:
    """A second time, the descriptor can be another file's."""
    (tmp_path / "file").touch()
    stream = open_bounded(tmp_path / "file", 1)
    stream.raw.close()
    with (tmp_path / "file").open("rb") as other:
        stream.raw.close()
        stream.close()

        assert other.read() == b""


def test_a_stream_is_bounded_like_a_file() -> None:
    assert bounded(io.BytesIO(b"abc").read1, 3).read() == b"abc"
