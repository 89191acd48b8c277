"""Open files that people name: without end, without a writer, or open to others, they get a clear error.

A path may lead to anything: `/dev/zero` has no end, and a FIFO without a writer makes `open` wait for ever.
Files with secrets are checked as ssh checks keys.
"""

from __future__ import annotations

import logging
import os
import select
import stat
from errno import EINVAL
from functools import cache
from io import DEFAULT_BUFFER_SIZE, BufferedReader, RawIOBase
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed import WriteableBuffer

LOG: Final = logging.getLogger(__name__)

WRITER_TIMEOUT: Final = 10.0
"""Seconds that a FIFO may be without a writer."""


class UnusableFile(OSError):
    """A file can be opened, but not used; the text of the error completes a sentence about it."""

    def __init__(self, problem: str) -> None:
        super().__init__(EINVAL, problem)

    def __str__(self) -> str:
        return str(self.strerror)


class _Bounded(RawIOBase):
    """Reads with a function, and raises `UnusableFile` after a number of bytes."""

    def __init__(self, read: Callable[[int], bytes], max_bytes: int) -> None:
        self._read = read
        self._max_bytes = max_bytes
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._read(len(view))
        self._size += len(data)
        _check_size(self._size, self._max_bytes)
        view[: len(data)] = data
        return len(data)


class _File(_Bounded):
    """A file that is closed with its descriptor."""

    def __init__(self, descriptor: int, first: bytes, max_bytes: int) -> None:
        super().__init__(self._next, max_bytes)
        self._descriptor = descriptor
        self._first = first

    def _next(self, size: int) -> bytes:
        data, self._first = self._first[:size], self._first[size:]
        return data or os.read(self._descriptor, size)

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _check_size(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise UnusableFile(f"is larger than {_describe_size(max_bytes)}")


def _describe_size(size: int) -> str:
    for unit, name in ((2**20, "MiB"), (2**10, "KiB")):
        if size % unit == 0:
            return f"{size // unit:,} {name}"
    return f"{size:,} bytes"


def bounded(read: Callable[[int], bytes], max_bytes: int) -> BufferedReader:
    """Return a stream of what a function such as `sys.stdin.buffer.read1` reads, but of `max_bytes` at most.

    Reading more raises `UnusableFile`.
    """
    return BufferedReader(_Bounded(read, max_bytes))


def open_bounded(path: Path | str, max_bytes: int) -> BufferedReader:
    """Open a file to read `max_bytes` at most. Reading more raises `UnusableFile`.

    Raises:
        UnusableFile: It is larger, or a FIFO that nobody opened to write for 10 s.
        OSError: It cannot be opened.
    """
    # Without O_NONBLOCK, opening a FIFO waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    try:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            _check_size(status.st_size, max_bytes)
        first = _first_of_fifo(descriptor) if stat.S_ISFIFO(status.st_mode) else b""
        if hasattr(os, "set_blocking"):  # pragma: no branch - older versions of Python on Windows lack it
            os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return BufferedReader(_File(descriptor, first, max_bytes))


def _first_of_fifo(descriptor: int) -> bytes:
    """Return the first bytes of a FIFO, or nothing if it has a writer that has not written yet."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    ready = poll.poll(WRITER_TIMEOUT * 1000)
    try:
        first = os.read(descriptor, DEFAULT_BUFFER_SIZE)
    except BlockingIOError:
        return b""
    if not (ready or first):
        raise UnusableFile(f"is a FIFO that nobody opened to write for {WRITER_TIMEOUT:g} s")
    return first


def read_secret(path: Path | str, max_bytes: int) -> bytes:
    """Return the content of a file with secrets; log a warning, once, if others can read it.

    Raises:
        UnusableFile: It is too large, a FIFO without a writer, or can be changed by others.
        OSError: It cannot be read.
    """
    with open_bounded(path, max_bytes) as file:
        if warning := exposure(os.fstat(file.fileno())):
            _warn(path, warning)
        return file.read()


@cache
def _warn(path: Path | str, warning: str) -> None:
    """Log a warning once, though the file may be read again and again."""
    LOG.warning("%s %s", path, warning)


def exposure(status: os.stat_result) -> str | None:
    """Return a warning if others can read a regular file with secrets.

    Raises:
        UnusableFile: Others can change it.
    """
    if os.name == "nt" or not stat.S_ISREG(status.st_mode):
        return None
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (0, os.geteuid()):
        raise UnusableFile("belongs to another user, who can change it")
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableFile(f"can be changed by others (mode {mode:04o}); set it to 0600")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return f"can be read by others (mode {mode:04o}); set it to 0600"
    return None
