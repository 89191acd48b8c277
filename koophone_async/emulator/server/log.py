"""The log of the emulator's server: errors of its own, but nothing of requests that are no HTTP."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp.http_exceptions import HttpProcessingError


def _is_own(record: logging.LogRecord) -> bool:
    """Return whether a record is about an error of the server; of others the sender gets the reason."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)


LOG: Final = logging.getLogger(__name__)
LOG.addFilter(_is_own)
