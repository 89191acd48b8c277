"""An emulator in the background, as ssh-agent: `eval "$(koophone emulator --env)"` and `--stop`."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from koophone_async.cli.errors import Exit, print_stderr
from koophone_async.errors import InvalidRequest

PID: Final = "KOOPHONE_EMULATOR_PID"

_VARIABLES: Final = {
    "KOOPHONE_ENDPOINT": "endpoint",
    "KOOPHONE_CPH_ENDPOINT": "cph_endpoint",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT": "iam_endpoint",
    "HUAWEICLOUD_SDK_AK": "access_key",
    "HUAWEICLOUD_SDK_SK": "secret_key",
    "HUAWEICLOUD_SDK_PROJECT_ID": "project_id",
    "KOOPHONE_REGION": "project",
}
"""Variables, and the fields of the emulator's line of JSON that they have the value of."""

_EMPTIED: Final = ("HUAWEICLOUD_SDK_SECURITY_TOKEN", "HUAWEICLOUD_SDK_DOMAIN_ID", "KOOPHONE_PROFILE")
"""Variables of another account, which would spoil the emulator's key; an empty one counts as not set."""

_COMMAND: Final = ("-m", "koophone_async.cli", "emulator")
_PID: Final = re.compile("[0-9]{1,10}")

PROC: Final = Path("/proc")
"""Processes as files; macOS has none."""

_SECONDS: Final = 10.0
"""How long an emulator may take to save its state."""


def start(options: Sequence[str], edition: str, environ: Mapping[str, str]) -> Exit:
    """Start an emulator, and print what a shell evaluates once it is ready; return the exit code.

    Args:
        options: Options of `koophone emulator`.
        edition: The edition that it emulates.
        environ: The environment, which may name an emulator already.
    """
    if running := _running(environ):
        print_stderr(f"koophone: another emulator goes on running as process {running}")
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, *_COMMAND, *options, "--detach"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal does not reach it
    )
    assert process.stdout is not None  # noqa: S101 - a pipe
    with process.stdout:
        line = process.stdout.readline()
    if not line:  # it has printed the cause
        return Exit(process.wait())
    banner = json.loads(line)
    variables = {name: banner[key] for name, key in _VARIABLES.items()} | dict.fromkeys(_EMPTIED, "")
    variables |= {"KOOPHONE_EDITION": edition, PID: str(process.pid)}
    for name, value in variables.items():
        sys.stdout.write(f"export {name}={shlex.quote(value) if value else ''}\n")
    process.returncode = 0  # it goes on running, which Python would warn about
    return Exit.DONE


def stop(environ: Mapping[str, str]) -> Exit:
    """Stop the emulator that the environment names, and print what a shell evaluates; return the exit code.

    Raises:
        InvalidRequest: The environment names none.
    """
    if not environ.get(PID):
        raise InvalidRequest("", PID, 'is not set in this shell; eval "$(koophone emulator --env)" sets it')
    pid = _running(environ)
    if pid is None:
        print_stderr(f"koophone: no emulator runs as process {environ[PID]}; nothing was stopped")
        return Exit.SOME_FAILED
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _SECONDS
    while _is_emulator(pid):
        if time.monotonic() > deadline:
            print_stderr(f"koophone: the emulator, process {pid}, is still saving its state")
            return Exit.SOME_FAILED
        time.sleep(0.02)
    sys.stdout.write(f"unset {' '.join((*_VARIABLES, *_EMPTIED, 'KOOPHONE_EDITION', PID))}\n")
    return Exit.DONE


def _running(environ: Mapping[str, str]) -> int | None:
    """Return the process of the emulator that the environment names, if it runs."""
    number = environ.get(PID, "")
    return int(number) if _PID.fullmatch(number) and _is_emulator(int(number)) else None


def _is_emulator(pid: int) -> bool:
    """Whether a process is an emulator: the number of one that has ended may be that of another process."""
    return " ".join(_COMMAND) in _command_line(pid)


def _command_line(pid: int) -> str:
    """Return the command line of a process; empty if it has ended."""
    if PROC.exists():
        try:
            return (PROC / str(pid) / "cmdline").read_text("utf-8", "replace").replace("\0", " ")
        except OSError:
            return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - a number


def detach() -> None:
    """Close the streams of the process that started this one, which ends."""
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
