"""Read the files that options name, each with one line of error."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from typing import Final, cast

from koophone_async import id_files
from koophone_async.cli.interruption import raising
from koophone_async.cli.targets.profiles import running
from koophone_async.errors import InvalidRequest
from koophone_async.file_access import UnusableFile, bounded, exposure, open_bounded
from koophone_async.id_files import MAX_SIZE
from koophone_async.text_input import decode_text, parse_json

_MAX_JSON: Final = 16 * 2**20
"""Maximum size in bytes of a file with JSON; a request of more could not be signed."""

_MAX_SECRET: Final = 2**16
"""Maximum size in bytes of a file with one secret."""


@contextmanager
def opened(file: str, option: str, max_bytes: int) -> Generator[BufferedReader]:
    """Open a file to read; `-` is stdin. A signal ends reading.

    Raises:
        InvalidRequest: The file cannot be read, or is too large.
    """
    try:
        with raising(), _open(file, max_bytes) as stream:
            yield stream
    except UnusableFile as error:
        raise InvalidRequest("", option, str(error)) from None
    except OSError as error:
        raise InvalidRequest("", option, f"cannot be read: {error.strerror or error}") from None


def _open(file: str, max_bytes: int) -> BufferedReader:
    return _open_stdin(max_bytes) if file == "-" else open_bounded(file, max_bytes)


def _open_stdin(max_bytes: int) -> BufferedReader:
    """Return a stream of stdin: from its start again for each profile, if the command runs over several."""
    stdin, profiles = cast("BufferedReader", sys.stdin.buffer), running()
    if profiles is None:
        return bounded(stdin.read1, max_bytes)
    if profiles.stdin is None:
        profiles.stdin = bounded(stdin.read1, MAX_SIZE).read()
    return bounded(BytesIO(profiles.stdin).read, max_bytes)


def read_bytes(file: str, option: str, max_bytes: int) -> bytes:
    """Return the content of a file; `-` is stdin.

    Raises:
        InvalidRequest: The file cannot be read, or is too large.
    """
    with opened(file, option, max_bytes) as stream:
        return stream.read()


def read_ids(file: str) -> list[str]:
    """Return the ids in a file; `-` is stdin.

    Raises:
        InvalidRequest: The file cannot be read, has no ids, or has a line that is none.
    """
    option = f"--ids-file {file}"
    with opened(file, option, MAX_SIZE) as stream:
        return id_files.read_ids(stream, option)


def read_secrets(file: str, option: str, max_bytes: int = _MAX_JSON) -> tuple[bytes, str | None]:
    """Return the content of a file with secrets, and a warning if others can read it.

    Raises:
        InvalidRequest: The file cannot be read, is too large, or can be changed by others.
    """
    with opened(file, option, max_bytes) as stream:
        warning = None if file == "-" else exposure(os.fstat(stream.fileno()))
        return stream.read(), warning


def read_json(file: str, option: str) -> object:
    """Return the JSON value in a file.

    Raises:
        InvalidRequest: The file cannot be read, or is not JSON.
    """
    return json_value(read_bytes(file, option, _MAX_JSON), option)


def json_value(data: bytes, option: str) -> object:
    """Return the JSON value in the content of a file.

    Raises:
        InvalidRequest: It is not JSON.
    """
    try:
        return parse_json(data)
    except ValueError as error:
        raise InvalidRequest("", option, str(error)) from None


def secret_value(arg: str, option: str) -> str:
    """Return the value of an option for a secret: `-` and `@FILE` read it, without its line end.

    Raises:
        InvalidRequest: It cannot be read, is empty, or can be changed by others.
    """
    if arg != "-" and not arg.startswith("@"):
        return arg
    name = f"{option} {arg}"
    data, _ = read_secrets(arg.removeprefix("@"), name, _MAX_SECRET)
    try:
        value = decode_text(data).removesuffix("\n").removesuffix("\r")
    except ValueError as error:
        raise InvalidRequest("", name, str(error)) from None
    if not value:
        raise InvalidRequest("", name, "is empty")
    return value
