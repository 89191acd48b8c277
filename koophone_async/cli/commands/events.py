"""`koophone events serve`: print game events as lines of JSON."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Final

import typer
from attrs import frozen

from koophone_async.cli.commands.emulator import Host, stop_signal
from koophone_async.cli.commands.event_secrets import Secrets
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.output.encoding import dump_json
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import current_settings
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from koophone_async.events import Event, Receiver

_PIPE_WRITE_SIZE: Final = 512
"""Bytes that a writable pipe accepts without blocking, guaranteed by POSIX."""

EXAMPLES: Final = (
    "koophone events serve --port 9000 --log events.jsonl",
    "koophone events serve --host 0.0.0.0 --port 9000 --secrets-file secrets.json",
)


def run(
    context: typer.Context,
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to append the events to.", show_default=False),
    ] = None,
    database: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SQLite file that keeps each event until it is printed, so that none is lost.",
        ),
    ] = None,
    secrets_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="AES keys in base64 to verify accesses with, and what stops their replay: "
            '{"SESSION": {"key": "KEY", "ticket": "TICKET", "until": "TIME", "auth_ts": MILLISECONDS}}. '
            'Weaker: {"SESSION": "KEY", "*": "KEY of all others"}. Read again at each access.',
        ),
    ] = None,
) -> None:
    """Receive game events and print each one as a line of JSON, until SIGINT or SIGTERM.

    Phones call the URLs in their properties: set com.cph.cg.event_notify_url to ADDRESS/events,
    com.cph.cg.heartbeat_url to ADDRESS/heartbeats and com.cph.cg.sign_check_url to ADDRESS/verify.
    The address is printed to stderr.

    Accesses are verified with AES-GCM, using the keys in --secrets-file or the one key in
    KOOPHONE_EVENTS_KEY; without either, they are refused. What cannot stop a replay is reported at the start.
    Tickets are never printed.

    CPH 6.1 to 6.4 (2020-07-30)
    """
    environ = current_settings(context).environ

    async def work() -> Exit:
        return await _serve(host, port, log, database, Secrets.of(secrets_file, environ))

    execute(work(), is_server=True)


@frozen
class Output:
    """Prints events to stdout and appends them to the log file."""

    file: IO[str] | None
    reader_gone: asyncio.Event
    """Set when the reader of stdout is gone."""

    stopped: asyncio.Event
    is_persistent: bool
    """Whether an event that could not be written is delivered again after the next start."""

    async def write(self, event: Event) -> None:
        """Write one event; returning marks it as handled."""
        line = dump_json(event.public(), "utf-8") + "\n"
        if self.file is not None:
            self.file.write(line)
            self.file.flush()
        try:
            await _print(line.encode())
        except BrokenPipeError:
            self.reader_gone.set()
            self.stopped.set()
            if self.is_persistent:
                raise


async def _print(line: bytes) -> None:
    """Write to stdout without blocking the event loop while the reader is slow."""
    file = sys.stdout.fileno()
    while line:
        await _wait_writable(file)
        line = line[os.write(file, line[:_PIPE_WRITE_SIZE]) :]


async def _wait_writable(file: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_writer(file, ready.set)
    except (PermissionError, NotImplementedError):  # a regular file, or an unsupported platform
        return
    try:
        await ready.wait()
    finally:
        loop.remove_writer(file)


async def _serve(
    host: str, port: int, log: Path | None, database: Path | None, secrets: Secrets | None
) -> Exit:
    from koophone_async.events import Delivery, Receiver, serve  # noqa: PLC0415 - slow to import

    with ExitStack() as stack:
        file = stack.enter_context(_open_log(log)) if log else None
        output = Output(file, asyncio.Event(), stack.enter_context(stop_signal()), database is not None)
        # One event at a time and no timeout: with a slow reader events queue up until the receiver is full.
        receiver = Receiver(journal=database, delivery=Delivery(workers=1, timeout=inf))
        _attach(receiver, output, secrets)
        try:
            async with serve(receiver, host, port) as address:
                print_stderr(f"koophone: listening at {address}")
                for warning in secrets.warnings() if secrets else ():
                    print_stderr(f"koophone: {warning}")
                await output.stopped.wait()
        except OSError as error:
            raise InvalidRequest("", "events serve", f"cannot start: {error.strerror or error}") from None
    return Exit.READER_GONE if output.reader_gone.is_set() else Exit.DONE


def _attach(receiver: Receiver, output: Output, secrets: Secrets | None) -> None:
    for register in (receiver.on_enter, receiver.on_quit, receiver.on_heartbeat):
        register(output.write)
    if secrets is not None:
        receiver.on_verify(secrets.lookup)


def _open_without_waiting(file: Path) -> int:
    """Open a file to append to; without O_NONBLOCK, opening a FIFO waits for its reader."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(file, flags, 0o666)
    if hasattr(os, "set_blocking"):  # pragma: no branch - older versions of Python on Windows lack it
        os.set_blocking(descriptor, True)
    return descriptor


@contextmanager
def _open_log(file: Path) -> Generator[IO[str]]:
    try:
        log = os.fdopen(_open_without_waiting(file), "a", encoding="utf-8")
    except OSError as error:
        raise InvalidRequest("", f"--log {file}", f"cannot be written: {error.strerror}") from None
    try:
        yield log
    finally:
        with suppress(OSError):  # the failed write has already been reported
            log.close()
