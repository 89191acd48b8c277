"""The command line `koophone`: parse arguments, call the library, print results."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from types import TracebackType
from typing import NoReturn

from koophone_async.cli.output.encoding import escape_unencodable
from koophone_async.cli.output.terminal import visible

MISSING_EXTRA = "koophone: the command line needs typer and rich: pip install 'koophone-async[cli]'"
FAILED = 1
USAGE = 2
INTERRUPTED = 130


def main() -> None:
    """Run `koophone` with the arguments of this process, and exit with its exit code."""
    _replace_closed_streams()
    escape_unencodable(sys.stdout, sys.stderr)
    sys.excepthook = _print_traceback
    try:
        _complete()
        if not all(map(find_spec, ("typer", "rich"))):
            sys.stderr.write(f"{MISSING_EXTRA}\n")
            sys.exit(USAGE)
        from koophone_async.cli.app import run  # noqa: PLC0415 - typer may not be installed

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        _exit_with(error)
    finally:
        _flush()


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from koophone_async.cli.logs import print_traceback  # noqa: PLC0415 - slow to import

    print_traceback(kind, error, trace)


def _complete() -> None:
    """Answer a shell that completes a line, and exit; a TAB does not wait for the import of typer."""
    if "_KOOPHONE_COMPLETE" in os.environ:
        from koophone_async.cli.completion import complete  # noqa: PLC0415 - only needed here

        if (answer := complete(os.environ)) is not None:
            sys.stdout.write(visible(answer, keep_lines=True))
            sys.exit()


def _replace_closed_streams() -> None:
    """Open the null device for streams that the caller closed, as `>&-` does; Python sets them to None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _flush() -> None:
    """Flush stdout, ignoring a reader that is gone, as after `| head`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
    except OSError as error:
        _exit_with(error)


def _exit_with(error: OSError) -> NoReturn:
    """Print why stdout cannot be written, such as a full disk, and exit."""
    discard_stdout()
    sys.stderr.write(f"koophone: {visible(str(error))}\n")
    sys.exit(FAILED)


def discard_stdout() -> None:
    """Discard the buffer of stdout, which the interpreter would otherwise flush, and fail, at its exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
