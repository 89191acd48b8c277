"""Answers from aioresponses, which does not work with the newest aiohttp by itself."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock, patch

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Generator

    from aioresponses import aioresponses


class _Response(aiohttp.ClientResponse):
    """A response that aioresponses can make: 0.7.9, its newest version, lacks an argument of aiohttp 3.14."""

    def __init__(self, *args: Any, **arguments: Any) -> None:  # noqa: ANN401 - those of aiohttp
        if "stream_writer" in inspect.signature(aiohttp.ClientResponse).parameters:
            arguments.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **arguments)


@contextmanager
def mock_aiohttp(**options: Any) -> Generator[aioresponses]:  # noqa: ANN401 - those of aioresponses
    """Answer the requests of all aiohttp sessions with `aioresponses(**options)`.

    It replaces the method of aiohttp that sends, so nothing shows whether a failed request was sent: a call
    whose mocked connection breaks counts as sent (`NoAnswer`), and a write is not repeated.
    """
    from aioresponses import aioresponses, core  # noqa: PLC0415 - optional

    with patch.object(core, "ClientResponse", _Response), aioresponses(**options) as mocked:
        yield mocked
