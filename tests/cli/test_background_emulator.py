"""An emulator in the background of a shell."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING

import pytest

from koophone_async.cli.commands import background_emulator
from tests.cli.conftest import Process

if TYPE_CHECKING:
    from tests.cli.conftest import Result, RunMain

pytestmark = pytest.mark.process


def shell(on_path: Path, script: str) -> Result:
    environ = {**os.environ, "PATH": f"{on_path}:{os.environ['PATH']}"}
    with Process(["bash", "-c", script], env=environ, stdout=PIPE, stderr=PIPE, text=True) as process:
        return process.end()


def test_the_next_line_of_a_shell_uses_the_emulator(on_path: Path) -> None:
    result = shell(
        on_path,
        """
export HUAWEICLOUD_SDK_SECURITY_TOKEN=other KOOPHONE_PROFILE=other
eval "$(koophone emulator --env --phones 2 --edition international --state emulator.json)"
koophone exec --all --sync --output jsonl --columns id,state -- id
koophone doctor > /dev/null && echo well
eval "$(koophone emulator --stop)"
echo "${KOOPHONE_EMULATOR_PID-unset}"; test -s emulator.json && echo saved; rm emulator.json
""",
    )

    phones = [f'{{"id": "phone{n:04}", "state": "succeeded"}}' for n in (1, 2)]
    assert result.out.splitlines() == [*phones, "well", "unset", "saved"]
    assert (result.code, result.err) == (0, "")


def test_another_emulator_is_reported(on_path: Path) -> None:
    result = shell(
        on_path,
        """
eval "$(koophone emulator --env)"
first=$KOOPHONE_EMULATOR_PID
eval "$(koophone emulator --env --newer)"
koophone emulator --stop > /dev/null
KOOPHONE_EMULATOR_PID=$first koophone emulator --stop > /dev/null
koophone emulator --stop
""",
    )

    first, second = result.err.splitlines()
    assert first.startswith("koophone: another emulator goes on running as process ")
    assert second.startswith("koophone: no emulator runs as process ")
    assert (result.code, result.out) == (1, "")


def test_an_emulator_that_cannot_start_prints_the_cause(run_main: RunMain) -> None:
    result = run_main("emulator", "--env", "--faults", "/none")

    assert (result.code, result.out) == (2, "")
    assert "--faults /none: cannot be read" in result.err


def test_without_an_emulator_there_is_nothing_to_stop(run_main: RunMain) -> None:
    result = run_main("emulator", "--stop")

    assert result.code == 2
    assert 'KOOPHONE_EMULATOR_PID: is not set in this shell; eval "$(koophone emulator --env)"' in result.err


@pytest.mark.parametrize("folder", ["/proc", "/none"])
def test_another_process_is_not_stopped(
    run_main: RunMain, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.setattr(background_emulator, "PROC", Path(folder))

    result = run_main("emulator", "--stop", environ={"KOOPHONE_EMULATOR_PID": str(os.getpid())})

    assert result.code == 1
    assert "nothing was stopped" in result.err
