"""Read the files that options name, each with one line of error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from koophone_async.cli.interruption import raising
from koophone_async.errors import InvalidRequest
from koophone_async.text_input import parse_json

MAX_SIZE: Final = 256 * 2**20
"""Bytes; more than a million ids need, and an end for a device that never ends, such as /dev/zero."""


def read_bytes(file: str, option: str) -> bytes:
    """Return the content of a file; `-` is stdin.

    Raises:
        InvalidRequest: The file cannot be read, or is too large.
    """
    try:
        if file == "-":
            with raising():
                data = sys.stdin.buffer.read(MAX_SIZE + 1)
        else:
            with raising(), Path(file).open("rb") as opened:
                data = opened.read(MAX_SIZE + 1)
    except OSError as error:
        raise InvalidRequest("", option, f"cannot be read: {error.strerror or error}") from None
    if len(data) > MAX_SIZE:
        raise InvalidRequest("", option, f"is larger than {MAX_SIZE // 2**20} MB")
    return data


def read_json(file: str, option: str) -> object:
    """Return the JSON value in a file.

    Raises:
        InvalidRequest: The file cannot be read, or is not JSON.
    """
    try:
        return parse_json(read_bytes(file, option))
    except InvalidRequest:
        raise
    except ValueError as error:
        raise InvalidRequest("", option, str(error)) from None
