"""`koophone emulator`: serve the emulator until stopped."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from koophone_async.cli.commands import background_emulator
from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.cli.interruption import handled_signals
from koophone_async.cli.parameters.input_files import read_json
from koophone_async.cli.runner import execute
from koophone_async.errors import InvalidRequest
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator, Fault

EXAMPLES: Final = (
    "koophone emulator --phones 1000 --port 8080",
    'eval "$(koophone emulator --env)"',
)


def _check_host(host: str) -> str:
    try:
        host.encode("idna")  # as the resolver does
    except UnicodeError:
        raise typer.BadParameter(f"{host[:_SHOWN]!r} is no address or host name") from None
    return host


_SHOWN: Final = 80

Host = Annotated[str, typer.Option(help="Address to listen on.", callback=_check_host)]


def run(
    *,
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")] = 0,
    phones: Annotated[int, typer.Option(min=1, max=1_000_000, help="Number of phones.")] = 100,
    servers: Annotated[
        int, typer.Option(min=1, help="Number of servers that the phones are spread over.")
    ] = 1,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Random seed; the same seed creates the same phones, keys and durations. Default: 1, but "
            "random keys on an address that others can reach."
        ),
    ] = None,
    edition: Annotated[Edition, typer.Option(help="Edition of the service to emulate.")] = Edition.CHINA,
    newer: Annotated[
        bool,
        typer.Option(
            "--newer", help="Follow the vendor's web pages where they are newer than the documents."
        ),
    ] = False,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Fault plan: failures to simulate, as JSON.")
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="State file: loaded at the start if it exists, saved at the end."),
    ] = None,
    env: Annotated[
        bool,
        typer.Option(
            "--env", help='Go to the background, and print what eval "$(...)" sets up a shell with.'
        ),
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the emulator that --env started for this shell.")
    ] = False,
    detach: Annotated[bool, typer.Option("--detach", hidden=True)] = False,
) -> None:
    """Serve the documented operations on this machine until SIGINT or SIGTERM.

    When ready, prints one line of JSON with the fields endpoint, cph_endpoint, iam_endpoint, access_key,
    secret_key, project_id, user, password, domain and project. Endpoints are loopback addresses if --host is
    0.0.0.0 or ::. On an address that others can reach, it warns, and its keys are random without --seed.
    """
    options = {"host": host, "port": port, "phones": phones, "servers": servers, "seed": seed}
    files = {"faults": faults, "state": state, "edition": edition.value}
    if env or stop:
        set_options = {name: value for name, value in (options | files).items() if value is not None}
        line = [f"--{name}={value}" for name, value in set_options.items()] + ["--newer"] * newer
        execute(_in_background(line, edition, stop=stop), is_server=True)
        return
    from koophone_async.emulator import Emulator  # noqa: PLC0415 - slow to import

    async def work() -> Exit:
        if state is not None:
            _check_state(state)
        plan = _load_faults(faults) if faults else ()
        emulator = Emulator(
            phones,
            seed=seed,
            edition=edition,
            newer=newer,
            servers=servers,
            host=host,
            port=port,
            faults=plan,
            state=state,
        )
        return await _serve(emulator, state, detach=detach)

    execute(work(), is_server=True)


def _check_state(file: Path) -> None:
    """Refuse a file that cannot be replaced at the end, before anything is done that it should hold."""
    from koophone_async.emulator.snapshot import check_place  # noqa: PLC0415 - slow to import

    option = f"--state {file}"
    if not file.parent.is_dir():
        raise InvalidRequest("", option, f"cannot be saved: {file.parent} is not a directory")
    if file.exists() and not file.is_file():
        raise InvalidRequest("", option, "is not a regular file")
    try:
        check_place(file)
    except OSError as error:
        raise InvalidRequest("", option, f"cannot be saved: {error.strerror or error}") from None


async def _in_background(options: list[str], edition: Edition, *, stop: bool) -> Exit:
    if stop:
        return background_emulator.stop(os.environ)
    return background_emulator.start(options, edition.value, os.environ)


async def _serve(emulator: Emulator, state: Path | None, *, detach: bool) -> Exit:
    option = f"--state {state}"
    try:
        await _serve_until_stopped(emulator, option, detach=detach)
    except OSError as error:  # the emulator has served, and cannot save its state
        cause = error.strerror or error
        print_stderr(f"koophone: {option}: cannot be saved: {cause}. The file is unchanged.")
        return Exit.SOME_FAILED
    return Exit.DONE


async def _serve_until_stopped(emulator: Emulator, state: str, *, detach: bool) -> None:
    async with AsyncExitStack() as stack:
        stopped = stack.enter_context(stop_signal())
        try:
            await stack.enter_async_context(emulator)
        except OSError as error:
            where, what = (state, "cannot be read") if error.filename else ("emulator", "cannot start")
            raise InvalidRequest("", where, f"{what}: {error.strerror or error}") from None
        except ValueError as error:
            raise InvalidRequest("", state, f"is not the state of an emulator: {error}") from None
        sys.stdout.write(json.dumps(emulator.banner()) + "\n")
        sys.stdout.flush()
        if detach:
            background_emulator.detach()
        await stopped.wait()


@contextmanager
def stop_signal() -> Generator[asyncio.Event]:
    """Return an event that SIGINT, SIGTERM or SIGHUP sets."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(_: int, __: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopped.set)

    previous = {number: signal.signal(number, on_signal) for number in handled_signals()}
    try:
        yield stopped
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _load_faults(file: Path) -> list[Fault]:
    from koophone_async.emulator.server.faults import from_json  # noqa: PLC0415 - slow to import

    option = f"--faults {file}"
    plan = read_json(str(file), option)
    try:
        return from_json(plan)
    except InvalidRequest as error:
        raise InvalidRequest("", option, str(error)) from None
