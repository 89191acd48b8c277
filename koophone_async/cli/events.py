"""`koophone events serve`: print game events as lines of JSON."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from attrs import field, frozen

from koophone_async.cli.emulator import stop_signal
from koophone_async.cli.encoding import dump_json
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.input_files import read_json
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import current_settings
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from koophone_async.events import Access, Event, Grant, Receiver

KEY: Final = "KOOPHONE_EVENTS_KEY"
"""Environment variable with the AES key of all sessions, in base64."""

_PIPE_WRITE_SIZE: Final = 512
"""Bytes that a writable pipe accepts without blocking, guaranteed by POSIX."""

ANY_SESSION: Final = "*"
"""Key in the secrets file for all sessions that it does not list."""


def run(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
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
            help='AES keys in base64 to verify accesses with: {"SESSION": "KEY", "*": "KEY of all others"}. '
            'With a ticket: {"SESSION": {"key": "KEY", "ticket": "TICKET"}}. Read again at each access.',
        ),
    ] = None,
) -> None:
    """Receive game events and print each one as a line of JSON, until SIGINT or SIGTERM.

    Phones call the URLs in their properties: set com.cph.cg.event_notify_url to ADDRESS/events,
    com.cph.cg.heartbeat_url to ADDRESS/heartbeats and com.cph.cg.sign_check_url to ADDRESS/verify.
    The address is printed to stderr.

    Accesses are verified with AES-GCM, using the keys in --secrets-file or the one key in
    KOOPHONE_EVENTS_KEY; without either, they are refused. Tickets are never printed.

    CPH 6.1 to 6.4 (2020-07-30)
    """
    environ = current_settings(context).environ

    async def work() -> Exit:
        return await _serve(host, port, log, database, _load_secrets(secrets_file, environ))

    execute(work(), is_server=True)


@frozen
class Secrets:
    """AES keys by session, from a file or from the environment."""

    file: Path | None
    key: str | None = field(repr=False)

    def all(self) -> Mapping[str, Any]:
        """Return the secrets of all sessions.

        Raises:
            InvalidRequest: The file cannot be read or is not a JSON object.
        """
        if self.file is None:
            return {ANY_SESSION: self.key}
        option = f"--secrets-file {self.file}"
        content = read_json(str(self.file), option)
        if not isinstance(content, dict):
            raise InvalidRequest("", option, "is not a JSON object")
        return cast("dict[str, Any]", content)

    async def lookup(self, access: Access) -> Grant | None:
        """Return the grant of a session."""
        secrets = self.all()
        return _grant(secrets.get(access.session, secrets.get(ANY_SESSION)))


def _load_secrets(file: Path | None, environ: Mapping[str, str]) -> Secrets | None:
    """Load the secrets and check each of them.

    Raises:
        InvalidRequest: A key is malformed; the message names its session but not the key.
    """
    secrets = Secrets(file, environ.get(KEY))
    if file is None and secrets.key is None:
        return None
    for session, secret in secrets.all().items():
        try:
            _grant(secret)
        except (ValueError, TypeError, KeyError, InvalidRequest):
            source = KEY if file is None else f"--secrets-file {file}"
            raise InvalidRequest(
                "", source, f"has no valid AES key in base64 for session {session}"
            ) from None
    return secrets


def _grant(secret: object) -> Grant | None:
    from koophone_async.events import Grant  # noqa: PLC0415 - slow to import

    if secret is None:
        return None
    fields = cast("dict[str, object]", secret) if isinstance(secret, dict) else {"key": secret}
    key, ticket = fields["key"], fields.get("ticket")
    if not (isinstance(key, str) and isinstance(ticket, str | None)):
        raise TypeError("the key or the ticket is not text")
    return Grant(base64.b64decode(key, validate=True), ticket)


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
                await output.stopped.wait()
        except OSError as error:
            raise InvalidRequest("", "events serve", f"cannot start: {error.strerror or error}") from None
    return Exit.READER_GONE if output.reader_gone.is_set() else Exit.DONE


def _attach(receiver: Receiver, output: Output, secrets: Secrets | None) -> None:
    for register in (receiver.on_enter, receiver.on_quit, receiver.on_heartbeat):
        register(output.write)
    if secrets is not None:
        receiver.on_verify(secrets.lookup)


@contextmanager
def _open_log(file: Path) -> Generator[IO[str]]:
    try:
        log = file.open("a", encoding="utf-8")
    except OSError as error:
        raise InvalidRequest("", f"--log {file}", f"cannot be written: {error.strerror}") from None
    try:
        yield log
    finally:
        with suppress(OSError):  # the failed write has already been reported
            log.close()
