"""`koophone events serve`: what the service tells, a line of JSON for each event."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from math import inf
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Final, cast

import typer
from attrs import field, frozen

from koophone_async.cli.emulator import stopped
from koophone_async.cli.errors import Exit, say
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import settings
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from koophone_async.events import Access, Event, Grant, Receiver

KEY: Final = "KOOPHONE_EVENTS_KEY"
"""The variable with the AES key of every session, in base64."""

_PIECE: Final = 512
"""Bytes that a pipe takes at once when it takes any (POSIX)."""

ANY: Final = "*"
"""The name for every session that a file of secrets does not name."""


def run(
    context: typer.Context,
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 0,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Append the events to a file too.", show_default=False)
    ] = None,
    database: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep each event on disk before it is answered, until it is printed."
        ),
    ] = None,
    secrets_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='AES keys to verify access with, in base64: {"SESSION": "KEY", "*": "KEY of all others"}. '
            'With the ticket: {"SESSION": {"key": "KEY", "ticket": "TICKET"}}. Read anew at each access.',
        ),
    ] = None,
) -> None:
    """Print what phones tell, a line of JSON for each event, until SIGINT or SIGTERM.

    The phones' properties say where to: com.cph.cg.event_notify_url is ADDRESS/events,
    com.cph.cg.heartbeat_url ADDRESS/heartbeats, com.cph.cg.sign_check_url ADDRESS/verify.
    The address is said on stderr. Access is verified with AES-GCM by the keys of --secrets-file, or by
    the one key in KOOPHONE_EVENTS_KEY; without either it is refused. Tickets are never printed.

    CPH 6.1 to 6.4 (2020-07-30)
    """
    environ = settings(context).environ

    async def work() -> Exit:
        return await _serve(host, port, log, database, _secrets(secrets_file, environ))

    execute(work())


@frozen
class Secrets:
    """Where keys are found."""

    file: Path | None
    key: str | None = field(repr=False)

    def all(self) -> Mapping[str, Any]:
        """Read every key by its session.

        Raises:
            InvalidRequest: The file cannot be read, or holds no JSON object.
        """
        if self.file is None:
            return {ANY: self.key}
        try:
            read: object = json.loads(self.file.read_bytes())
        except OSError as error:
            raise InvalidRequest(
                "", f"--secrets-file {self.file}", f"cannot be read: {error.strerror}"
            ) from None
        except ValueError:
            raise InvalidRequest("", f"--secrets-file {self.file}", "is not JSON") from None
        if not isinstance(read, dict):
            raise InvalidRequest("", f"--secrets-file {self.file}", "holds no JSON object")
        return cast("dict[str, Any]", read)

    async def look_up(self, access: Access) -> Grant | None:
        """Tell what is granted to a session."""
        known = self.all()
        return _grant(known.get(access.session, known.get(ANY)))


def _secrets(file: Path | None, environ: Mapping[str, str]) -> Secrets | None:
    """Find the keys, and try them all once.

    Raises:
        InvalidRequest: A key is none; says of which session, and not what it is.
    """
    secrets = Secrets(file, environ.get(KEY))
    if file is None and secrets.key is None:
        return None
    for session, said in secrets.all().items():
        try:
            _grant(said)
        except (ValueError, TypeError, KeyError, InvalidRequest):
            source = KEY if file is None else f"--secrets-file {file}"
            raise InvalidRequest("", source, f"holds no AES key in base64 for {session}") from None
    return secrets


def _grant(said: object) -> Grant | None:
    from koophone_async.events import Grant  # noqa: PLC0415 - no other command pays for it

    if said is None:
        return None
    named = cast("dict[str, str]", said) if isinstance(said, dict) else {"key": cast("str", said)}
    return Grant(base64.b64decode(named["key"], validate=True), named.get("ticket"))


@frozen
class Log:
    """Where events are written."""

    file: IO[str] | None
    reader_gone: asyncio.Event
    """Set where nobody reads stdout any more."""

    ended: asyncio.Event
    is_kept: bool
    """Whether an event that could not be written is there again at the next start."""

    async def write(self, event: Event) -> None:
        """Write one event; it is done when it is written."""
        line = json.dumps(event.public(), ensure_ascii=False) + "\n"
        if self.file is not None:
            self.file.write(line)
            self.file.flush()
        try:
            await _print(line.encode())
        except BrokenPipeError:
            self.reader_gone.set()
            self.ended.set()
            if self.is_kept:
                raise


async def _print(line: bytes) -> None:
    """Write to stdout, and let calls be answered while its reader takes his time."""
    file = sys.stdout.fileno()
    while line:
        await _takes_more(file)
        line = line[os.write(file, line[:_PIECE]) :]


async def _takes_more(file: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_writer(file, ready.set)
    except (PermissionError, NotImplementedError):  # a file on disk, or a system that cannot tell
        return
    try:
        await ready.wait()
    finally:
        loop.remove_writer(file)


async def _serve(
    host: str, port: int, log: Path | None, database: Path | None, secrets: Secrets | None
) -> Exit:
    from koophone_async.events import Delivery, Receiver, serve  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        file = stack.enter_context(_opened(log)) if log else None
        written = Log(file, asyncio.Event(), stack.enter_context(stopped()), database is not None)
        # One after the other, and with no hurry: what a slow reader leaves waits, and then is refused.
        receiver = Receiver(journal=database, delivery=Delivery(workers=1, timeout=inf))
        _attach(receiver, written, secrets)
        try:
            async with serve(receiver, host, port) as address:
                say(f"koophone: listening at {address}")
                await written.ended.wait()
        except OSError as error:
            raise InvalidRequest("", "events serve", f"cannot start: {error.strerror or error}") from None
    return Exit.READER_GONE if written.reader_gone.is_set() else Exit.DONE


def _attach(receiver: Receiver, log: Log, secrets: Secrets | None) -> None:
    for listen in (receiver.on_enter, receiver.on_quit, receiver.on_heartbeat):
        listen(log.write)
    if secrets is not None:
        receiver.on_verify(secrets.look_up)


@contextmanager
def _opened(file: Path) -> Generator[IO[str]]:
    try:
        opened = file.open("a", encoding="utf-8")
    except OSError as error:
        raise InvalidRequest("", f"--log {file}", f"cannot be written: {error.strerror}") from None
    try:
        yield opened
    finally:
        with suppress(OSError):  # what could not be written was said when it failed
            opened.close()
