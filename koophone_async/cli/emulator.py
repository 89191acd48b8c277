"""`koophone emulator`: the service on this machine, until it is stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from koophone_async.cli.errors import Exit
from koophone_async.cli.runner import execute
from koophone_async.errors import InvalidRequest
from koophone_async.wire import Edition

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator, Fault


def run(
    *,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 0,
    phones: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many phones.")] = 100,
    servers: Annotated[int, typer.Option(min=1, help="On how many servers they stand.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same phones, keys and times.")] = 1,
    edition: Annotated[Edition, typer.Option(help="Whose documents it follows.")] = Edition.CHINA,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A plan of what goes wrong, as JSON.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read at the start if it exists, written at the end.")
    ] = None,
) -> None:
    """Serve the documented operations on this machine until SIGINT or SIGTERM.

    When it is ready it prints one line of JSON, and nothing else: endpoint, cph_endpoint, iam_endpoint,
    access_key, secret_key, project_id, user, password.
    """
    from koophone_async.emulator import Emulator  # noqa: PLC0415 - no other command pays for it

    async def work() -> Exit:
        if state is not None and not state.parent.is_dir():
            raise InvalidRequest(
                "", "--state", f"{state} cannot be written: {state.parent} is not a directory"
            )
        plan = _plan(faults) if faults else ()
        emulator = Emulator(
            phones,
            seed=seed,
            edition=edition,
            servers=servers,
            host=host,
            port=port,
            faults=plan,
            state=state,
        )
        return await _serve(emulator)

    execute(work())


async def _serve(emulator: Emulator) -> Exit:
    async with AsyncExitStack() as stack:
        ended = stack.enter_context(stopped())
        try:
            await stack.enter_async_context(emulator)
        except OSError as error:
            raise InvalidRequest("", "emulator", f"cannot start: {error.strerror or error}") from None
        except (ValueError, KeyError) as error:
            raise InvalidRequest("", "--state", f"is not a snapshot of an emulator: {error}") from None
        sys.stdout.write(json.dumps(emulator.banner()) + "\n")
        sys.stdout.flush()
        await ended.wait()
    return Exit.DONE


@contextmanager
def stopped() -> Generator[asyncio.Event]:
    """Give what is set by SIGINT or SIGTERM."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def on_signal(_: int, __: FrameType | None) -> None:
        loop.call_soon_threadsafe(ended.set)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _plan(file: Path) -> list[Fault]:
    from koophone_async.emulator.server.faults import from_json  # noqa: PLC0415 - as above

    try:
        return from_json(json.loads(file.read_bytes()))
    except OSError as error:
        raise InvalidRequest("", str(file), f"cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest("", str(file), f"is not JSON: {error}") from None
