"""The command line `koophone`: it parses, calls the library and prints."""

from __future__ import annotations

import os
import sys

INSTALL = "koophone: the command line needs typer and rich: pip install 'koophone-async[cli]'"
USAGE = 2
INTERRUPTED = 130


def main() -> None:
    """Run `koophone` with the arguments of this process, and end it with the exit code."""
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
    finally:
        _flush()


def _flush() -> None:
    """Write what is left, without complaint where the reader has gone, as after `| head`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
