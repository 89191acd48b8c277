"""Print the log and tracebacks as a terminal may show them: they may quote what a service answered."""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import TypeAlias

from koophone_async.cli.output.status_line import print_above
from koophone_async.cli.output.terminal import visible

_ExceptionInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)


class VisibleFormatter(logging.Formatter):
    """Formats log records for a terminal: one line each, and the lines of a traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - name in the standard library
        """Return the line of a record."""
        return visible(super().formatMessage(record))

    def formatException(self, ei: _ExceptionInfo) -> str:  # noqa: N802 - name in the standard library
        """Return a traceback, whose last line has the message of the error."""
        return visible(super().formatException(ei), keep_lines=True)


class _StderrHandler(logging.Handler):
    """Prints records to the stderr of the moment, above the line of progress."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        print_above(self.format(record))


def log_to_stderr(*, verbose: bool) -> None:
    """Print the log to stderr as a terminal may show it: warnings, or also retries and their causes."""
    handler = _StderrHandler()
    if verbose:
        handler.setFormatter(VisibleFormatter("%(asctime)s %(name)s: %(message)s"))
        logging.basicConfig(handlers=[handler])
        logging.getLogger("koophone_async").setLevel(logging.DEBUG)
    else:
        handler.setFormatter(VisibleFormatter("koophone: %(message)s"))
        handler.setLevel(logging.WARNING)
        logging.lastResort = handler


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of an unhandled error, as `sys.excepthook`; its message may quote an answer."""
    text = "".join(traceback.format_exception(kind, error, trace))
    print_above(visible(text, keep_lines=True).rstrip("\n"))
