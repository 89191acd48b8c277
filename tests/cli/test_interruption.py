"""Ctrl-C, SIGTERM and SIGHUP stop a command; what is known is printed, with how to go on."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import pty
import re
import signal
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from koophone_async.batches import Outcome, State
from koophone_async.cli.commands.wait import split
from koophone_async.cli.errors import MAY_HAVE_RUN, Exit
from koophone_async.cli.interruption import Interrupted, interruptible, raising
from koophone_async.cli.output.resume_tokens import wait_commands
from koophone_async.emulator import Fault, Stall
from koophone_async.polling import ResumeToken
from tests.cli.conftest import COMMAND, Process, interrupted, started

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke

ENDS = {
    signal.SIGINT: (130, "interrupted"),
    signal.SIGTERM: (143, "terminated"),
    signal.SIGHUP: (129, "hung up"),
}
RUN, REBOOT = "koophone.commands.run", "koophone.instances.reboot"
GO_ON = (
    "  unfinished: Still running. Go on waiting with `jobs wait TOKEN`; "
    "TOKEN is the resume_token of its row.\n"
)
STOPPED = "  1 unfinished: the wait was stopped\n    on phone0002\n"


@pytest.mark.parametrize(
    "line",
    [
        ("instances", "reboot", "phone0001", "--no-wait"),
        ("cph", "commands", "run", "--server", "s", "--command", "id"),
    ],
    ids=" ".join,
)
def test_a_call_without_an_answer_may_have_run(koophone: Invoke, line: tuple[str, ...]) -> None:
    faults = [Fault(Stall(), name) for name in (REBOOT, "cph.commands.run")]

    result = koophone(interrupted(line, after=5), faults=faults)

    assert (result.code, result.out) == (130, "")
    assert "no answer" in result.err
    assert MAY_HAVE_RUN in result.err


def requests(emulator: dict[str, str], operation: str) -> int:
    """Return how many requests of an operation have arrived."""
    with urlopen(f"{emulator['KOOPHONE_ENDPOINT']}/_emulator/requests") as answer:  # noqa: S310 - loopback
        recent = json.load(answer)["requests"]
    return sum(request["operation"] == operation for request in recent)


def rows_of(output: str, out: str) -> dict[str, dict[str, Any]]:
    match output:
        case "json":
            rows = json.loads(out)
        case "jsonl":
            rows = [json.loads(line) for line in out.splitlines()]
        case "csv":
            rows = list(csv.DictReader(out.splitlines()))
        case _:
            header, *lines = (re.split("  +", line) for line in out.splitlines())
            rows = [dict(zip(map(str.lower, header), line, strict=False)) for line in lines]
    return {row["id"]: row for row in rows}


@pytest.mark.process
@pytest.mark.parametrize(
    "output, number, times",
    [
        ("jsonl", signal.SIGINT, 2),
        ("csv", signal.SIGTERM, 1),
        ("json", signal.SIGHUP, 1),
        ("table", signal.SIGTERM, 3),
    ],
)
def test_each_signal_prints_what_is_known(
    stuck: dict[str, str], output: str, number: signal.Signals, times: int
) -> None:
    line = ("exec", "phone0001", "phone0002", "--output", output, "--", "id -u")
    before = requests(stuck, RUN)
    with started(*line, environ=stuck) as process:
        assert process.stdout
        out = ""
        while "succeeded" not in out:
            if output == "table":  # printed at the end
                if requests(stuck, RUN) > before:
                    break
            else:
                out += os.read(process.stdout.fileno(), 65536).decode()
        for _ in range(times):
            process.send_signal(number)
        out += process.stdout.read()
        result = process.end()

    code, word = ENDS[number]
    rows = rows_of(output, out)
    assert result.code == code
    assert rows.keys() == {"phone0001", "phone0002"}
    assert "unfinished" in rows["phone0002"].values()
    assert any(str(value).startswith("kp1.") for value in rows["phone0002"].values())
    assert result.err.startswith(f"koophone: {word}: ")
    assert result.err.endswith(GO_ON)


@pytest.mark.process
def test_a_stopped_wait_prints_what_has_ended(stuck: dict[str, str]) -> None:
    line = ("commands", "run", "phone0001", "phone0002", "--command", "id -u", "--no-wait")
    with started(*line, environ=stuck) as process:
        token = process.end().err.split()[-1]

    with started("jobs", "wait", token, "--output", "jsonl", environ=stuck) as process:
        assert process.stdout
        first = process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        result = process.end()

    assert json.loads(first)["state"] == "succeeded"
    (left,) = result.rows
    assert (left["id"], left["state"]) == ("phone0002", "unfinished")
    assert (result.code, result.err) == (
        143,
        f"koophone: terminated: 1 succeeded · 1 unfinished\n{STOPPED}{GO_ON}",
    )
    assert ResumeToken.parse(left["resume_token"]).jobs == {left["job_id"]: "phone0002"}


@pytest.mark.process
def test_a_stopped_list_prints_what_was_listed(stuck: dict[str, str]) -> None:
    with started("instances", "list", "--output", "json", environ=stuck) as process:
        assert process.stdout
        out = "".join(process.stdout.readline() for _ in range(2))
        process.send_signal(signal.SIGTERM)
        out += process.stdout.read()
        result = process.end()

    assert len(json.loads(out)) == 100
    assert (result.code, result.err) == (143, "koophone: terminated\n")


@pytest.mark.process
def test_a_stopped_call_may_have_been_executed(stuck: dict[str, str]) -> None:
    body = '{"instance_ids": ["phone0003"]}'
    with started("api", REBOOT, "--body", body, environ=stuck) as process:
        while not requests(stuck, REBOOT):
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        result = process.end()

    advice = "no answer. It may have been executed. Check before you run it again."
    assert result.err == f"koophone: koophone.instances.reboot: {advice}\nkoophone: hung up\n"
    assert (result.code, result.out) == (129, "")


@pytest.mark.process
def test_rows_reach_their_file_although_the_terminal_is_gone(stuck: dict[str, str], tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    command = [*COMMAND, "exec", "phone0001", "phone0002", "--output", "csv", "--", "id -u"]
    with (tmp_path / "rows").open("w") as rows:
        environment = os.environ | stuck
        with Process(command, env=environment, text=True, stdout=rows, stderr=terminal) as process:
            os.close(terminal)
            while "succeeded" not in (tmp_path / "rows").read_text():
                assert process.poll() is None
            os.close(controller)
            process.send_signal(signal.SIGHUP)
            code = process.wait(60)

    assert rows_of("csv", (tmp_path / "rows").read_text()).keys() == {"phone0001", "phone0002"}
    assert code == 129


@pytest.mark.process
def test_what_stdout_does_not_accept_is_lost_with_its_tokens_on_stderr(stuck: dict[str, str]) -> None:
    line = ("exec", "phone0001", "phone0002", "--output", "jsonl", "--", "id -u")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone, started(*line, environ=stuck, stdout=gone) as process:
        result = process.end()

    first, command = result.err.splitlines()
    assert first == "koophone: stdout cannot be written; not printed: 1 unfinished"
    token = command.removeprefix("  koophone jobs wait ")
    assert [*ResumeToken.parse(token).jobs.values()] == ["phone0002"]
    assert result.code == 141


@pytest.mark.parametrize("number", ENDS)
async def test_the_first_signal_stops_the_work(number: signal.Signals) -> None:
    stopped = asyncio.Event()

    async def stop() -> None:
        stopped.set()

    previous = {each: signal.getsignal(each) for each in ENDS}
    with interruptible(stop) as interruption:
        signal.raise_signal(number)
        await interruption.wait(stopped.wait())

    assert interruption.exit == ENDS[number][0]
    assert {each: signal.getsignal(each) for each in ENDS} == previous


@pytest.mark.virtual_time
async def test_the_second_signal_gives_up_waiting() -> None:
    async def stop() -> None:
        await asyncio.Event().wait()

    with interruptible(stop) as interruption:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

        assert await interruption.wait(asyncio.Event().wait()) is None
    assert interruption.exit is Exit.TERMINATED


async def test_the_second_signal_loses_no_result() -> None:
    stopping = asyncio.Event()

    async def stop() -> None:
        stopping.set()

    async def work() -> str:
        await stopping.wait()
        return "known"

    with interruptible(stop) as interruption:
        for _ in range(4):
            signal.raise_signal(signal.SIGINT)

        assert await interruption.wait(work()) == "known"


async def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(lambda: asyncio.sleep(0)) as interruption:
            signal.raise_signal(signal.SIGHUP)
        assert interruption.exit is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


@pytest.mark.parametrize("number", ENDS)
def test_a_signal_ends_a_blocked_read(number: signal.Signals) -> None:
    with pytest.raises(Interrupted) as interrupted, raising():
        signal.raise_signal(number)

    assert interrupted.value.exit == ENDS[number][0]


def test_one_command_waits_for_all_jobs_of_a_call() -> None:
    calls = [
        ResumeToken("koophone.commands.run", "t1", {"j1": "a", "j2": "b"}),
        ResumeToken("cph.commands.run", "t2", {"j3": "c"}),
    ]
    parts = [part for call in calls for part in split(str(call))]
    outcomes = [Outcome(part.handle, State.UNFINISHED, resume_token=str(part)) for part in map(parsed, parts)]

    assert [*wait_commands([*outcomes, Outcome("done", State.SUCCEEDED)])] == [
        f"koophone jobs wait {calls[0]}",
        f"koophone cph jobs wait {calls[1]}",
    ]


def parsed(part: ResumeToken | str) -> ResumeToken:
    assert isinstance(part, ResumeToken)
    return part


def test_jobs_of_one_id_stay_together() -> None:
    token = ResumeToken("koophone.commands.run", "t", {"j1": "a", "j2": "b", "j3": "a"})

    assert [parsed(part).jobs for part in split(str(token))] == [{"j1": "a", "j3": "a"}, {"j2": "b"}]
    assert [*split("6837531f")] == ["6837531f"]


@pytest.mark.process
def test_a_stopped_demo_prints_what_is_known() -> None:
    with started("demo", "--phones", "20000", "--output", "csv") as process:
        assert process.stdout
        out = process.stdout.readline() + process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out += process.stdout.read()
        result = process.end()

    assert len(rows_of("csv", out)) == 20_000
    assert result.code == 143
    assert result.err.endswith("koophone: terminated: the emulator has ended, and its jobs with it\n")
