"""Run the command line against an emulator: in this process, or as a separate one."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from subprocess import PIPE, Popen
from typing import IO, TYPE_CHECKING, Any, Final, TypeAlias

import attrs
import pytest
from typer.testing import CliRunner

from koophone_async.cli import main
from koophone_async.cli.app import app
from koophone_async.cli.commands import api, config, doctor, exec_command, operation_commands, wait
from koophone_async.cli.output.progress import CI_VARIABLES
from koophone_async.cli.rollouts import checking, driving, reporting, requests, scheduling, showing, working
from koophone_async.cli.runner import exit_code_of
from koophone_async.emulator import Emulator, Fault
from koophone_async.testing import run_virtually

if TYPE_CHECKING:
    from pathlib import Path

COMMAND = (sys.executable, "-m", "koophone_async.cli")
_MODULES = (
    *(api, wait, config, doctor, exec_command, operation_commands),
    *(checking, driving, reporting, requests, scheduling, showing, working),
)
_PREFIXES = ("HUAWEICLOUD_", "KOOPHONE_")


@attrs.frozen
class Result:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Line: TypeAlias = Sequence[str] | Callable[[Result], Sequence[str]]
"""Arguments of a command, or a function that derives them from the results so far."""

Invoke: TypeAlias = Callable[..., Result]


def settings_of(banner: dict[str, str]) -> dict[str, str]:
    return {
        "KOOPHONE_ENDPOINT": banner["endpoint"],
        "KOOPHONE_CPH_ENDPOINT": banner["cph_endpoint"],
        "HUAWEICLOUD_SDK_PROJECT_ID": banner["project_id"],
        "HUAWEICLOUD_SDK_IAM_ENDPOINT": banner["iam_endpoint"],
        "HUAWEICLOUD_SDK_AK": banner["access_key"],
        "HUAWEICLOUD_SDK_SK": banner["secret_key"],
    }


@pytest.fixture(scope="package", autouse=True)
def hangups() -> Iterator[None]:
    """Undo what nohup has done to whoever runs the tests: commands respect that SIGHUP is ignored."""
    previous = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, previous)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)
    for name in CI_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("KOOPHONE_JOURNAL", "off")  # tests of journals name theirs


@pytest.fixture
def koophone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    """Run commands in virtual time, against an emulator on the same loop."""

    async def run_all(lines: Sequence[Line], edition: str, faults: Sequence[Fault]) -> Result:
        previous = Result(0, "", "")
        async with Emulator(250, edition=edition, servers=5, faults=faults) as emulator:
            for name, value in (settings_of(emulator.banner()) | {"KOOPHONE_EDITION": edition}).items():
                monkeypatch.setenv(name, value)
            for line in lines:
                code = await _run_in_process(line(previous) if callable(line) else line, monkeypatch)
                out, err = capsys.readouterr()
                previous = Result(code, previous.out + out, previous.err + err)
        return previous

    monkeypatch.setenv("KOOPHONE_YES", "1")

    def invoke(*lines: Line, edition: str = "china", faults: Sequence[Fault] = ()) -> Result:
        return run_virtually(run_all(lines, edition, faults))

    return invoke


async def _run_in_process(line: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Parse the line with typer, and run its coroutine on the event loop of the emulator."""
    coroutines: list[Coroutine[Any, Any, Any]] = []
    with monkeypatch.context() as patch:
        for module in _MODULES:
            patch.setattr(module, "execute", coroutines.append)
        parsed = CliRunner().invoke(app, line)
    if not coroutines:
        return parsed.exit_code
    return int(await exit_code_of(coroutines[0]))


def interrupted(line: Sequence[str], *, after: float) -> Line:
    """Return a line that Ctrl-C interrupts after some seconds of virtual time."""

    def start(_: Result) -> Sequence[str]:
        asyncio.get_running_loop().call_later(after, signal.raise_signal, signal.SIGINT)
        return line

    return start


RunMain: TypeAlias = Callable[..., Result]


@pytest.fixture
def run_main(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunMain:
    """Run a command in this process, as far as it ends by itself."""

    def run(*line: str, environ: Mapping[str, str] | None = None) -> Result:
        for name, value in (environ or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["koophone", *line])
        with pytest.raises(SystemExit) as exited:
            main()
        out, err = capfd.readouterr()
        return Result(int(exited.value.code or 0), out, err)

    return run


@pytest.fixture
def on_path(tmp_path: Path) -> Path:
    """Return a folder for PATH with the command `koophone`, as an installation has it."""
    command = tmp_path / "koophone"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    return tmp_path


class Process(Popen[str]):
    """A command as a separate process, with pipes."""

    def end(self, text: str | None = None) -> Result:
        out, err = self.communicate(text, timeout=60)
        return Result(self.returncode, out, err)


Start: TypeAlias = Callable[..., Process]


@contextmanager
def started(
    *line: str, environ: Mapping[str, str] | None = None, stdout: IO[str] | int = PIPE
) -> Generator[Process]:
    environment = {**os.environ, **(environ or {})}
    command = [*COMMAND, *line]
    with Process(command, env=environment, text=True, stdin=PIPE, stdout=stdout, stderr=PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="package")
def emulator() -> Iterator[dict[str, str]]:
    """Settings of an emulator that runs as a separate process."""
    with started("emulator", "--phones", "250") as process:
        assert process.stdout
        banner: dict[str, str] = json.loads(process.stdout.readline())
        yield settings_of(banner)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


_STUCK: Final = [
    {"phone": "phone0002", "action": "stick"},
    {"operation": "koophone.instances.list", "every": 2, "action": "stall"},
    {"operation": "koophone.instances.reboot", "action": "stall"},
]


@pytest.fixture(scope="package")
def stuck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An emulator on which the job of phone0002 never ends, and every second page never comes."""
    plan = tmp_path_factory.mktemp("plan") / "plan.json"
    plan.write_text(json.dumps(_STUCK))
    with started("emulator", "--phones", "250", "--faults", str(plan)) as process:
        assert process.stdout
        banner = json.loads(process.stdout.readline())
        yield {
            "KOOPHONE_ENDPOINT": banner["endpoint"],
            "HUAWEICLOUD_SDK_AK": banner["access_key"],
            "HUAWEICLOUD_SDK_SK": banner["secret_key"],
        }


@pytest.fixture
def start(emulator: dict[str, str]) -> Iterator[Start]:
    """Start commands as separate processes."""
    with ExitStack() as stack:

        def start(
            *line: str, environ: Mapping[str, str] | None = None, stdout: IO[str] | int = PIPE
        ) -> Process:
            return stack.enter_context(started(*line, environ=emulator | dict(environ or {}), stdout=stdout))

        yield start
