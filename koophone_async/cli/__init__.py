"""The command line `koophone`: it parses, calls the library and prints."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

INSTALL = "koophone: the command line needs typer and rich: pip install 'koophone-async[cli]'"
FAILED = 1
USAGE = 2
INTERRUPTED = 130


def main() -> None:
    """Run `koophone` with the arguments of this process, and end it with the exit code."""
    _open_closed()
    try:
        from koophone_async.cli.app import app  # noqa: PLC0415 - typer may not be installed

        app(prog_name="koophone")
    except ModuleNotFoundError as missing:
        if missing.name not in ("typer", "rich"):
            raise
        sys.stderr.write(f"{INSTALL}\n")
        sys.exit(USAGE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        _give_up(error)
    finally:
        _flush()


def _open_closed() -> None:
    """Join what the caller closed, as `>&-` does, to the null device: Python has None in its place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _flush() -> None:
    """Write what is left, without complaint where the reader has gone, as after `| head`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard()
    except OSError as error:
        _give_up(error)


def _give_up(error: OSError) -> NoReturn:
    """Say what could not be written, such as to a full disk, and end with the exit code of a failure."""
    _discard()
    sys.stderr.write(f"koophone: {error}\n")
    sys.exit(FAILED)


def _discard() -> None:
    """Throw away what stdout still holds: the interpreter would write it when it ends, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
