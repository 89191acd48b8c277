"""The command line as people run it: processes, pipes, signals, a terminal."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shlex
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from typing import TYPE_CHECKING

import pytest

from tests.cli.conftest import COMMAND, Process, settings_of, started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Result, RunMain, Start

pytestmark = pytest.mark.process

BANNER = [
    *("endpoint", "cph_endpoint", "iam_endpoint", "access_key", "secret_key"),
    *("project_id", "user", "password", "domain", "project"),
]
COUNTED = ("exec", "phone0001", "phone0002", "nope", "--sync", "--output")


def test_the_emulator_prints_one_json_line_and_stops_on_sigint(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with started("emulator", "--phones", "3", "--edition", "international", "--state", str(state)) as process:
        assert process.stdout
        banner = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        result = process.end()

    assert list(banner) == BANNER
    assert (result.code, result.out, result.err) == (0, "", "")
    assert state.stat().st_size > 0


@pytest.mark.parametrize("newer", [False, True])
def test_newer_serves_what_the_document_of_china_lacks(run_main: RunMain, *, newer: bool) -> None:
    with started("emulator", "--phones", "1", *(["--newer"] if newer else [])) as process:
        assert process.stdout
        environ = settings_of(json.loads(process.stdout.readline()))
        stopped = run_main("streaming", "stop", "phone0001", "--output", "jsonl", environ=environ)
        process.send_signal(signal.SIGINT)
        ended = process.end()

    assert (ended.code, ended.err) == (0, "")
    assert (stopped.code == 0, "accepted" in stopped.out) == (newer, newer)


def test_a_state_that_cannot_be_saved_is_reported(tmp_path: Path) -> None:
    state = tmp_path / "directory" / "state"
    state.parent.mkdir()
    with started("emulator", "--phones", "3", "--state", str(state)) as process:
        assert process.stdout
        process.stdout.readline()
        state.parent.rmdir()
        process.send_signal(signal.SIGTERM)
        result = process.end()

    problem = "cannot be saved: No such file or directory. The file is unchanged."
    assert (result.code, result.err) == (1, f"koophone: --state {state}: {problem}\n")


def test_a_state_in_a_place_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    place = Path("/proc/self") if os.geteuid() == 0 else tmp_path
    tmp_path.chmod(0o500)
    with started("emulator", "--phones", "3", "--state", str(place / "state")) as process:
        result = process.end()

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"koophone: --state {place}/state: cannot be saved: ")


@pytest.mark.parametrize(
    "line, problem",
    [
        (("--faults", "/none"), "--faults /none: cannot be read: No such file"),
        (("--faults", "{text}"), "is not JSON"),
        (("--faults", "{json}"), "koophone:"),
        (("--state", "{text}"), "text: is not the state of an emulator"),
        (("--state", "/none/state"), "--state /none/state: cannot be saved: /none is not a directory"),
        (("--host", "256.0.0.1"), "emulator: cannot start"),
        (("--phones", "0"), "--phones"),
    ],
)
def test_an_emulator_that_cannot_start_prints_the_cause(
    run_main: RunMain, line: tuple[str, ...], problem: str, tmp_path: Path
) -> None:
    (tmp_path / "text").write_text("no json")
    (tmp_path / "json").write_text('[{"action": "explode"}]')
    files = {"text": tmp_path / "text", "json": tmp_path / "json"}

    result = run_main("emulator", *(word.format(**files) for word in line))

    assert result.code == 2
    assert problem in result.err
    assert "Traceback" not in result.err


def test_the_demo_compares_with_the_ledger() -> None:
    with started("demo", "--phones", "12", "--command", "getprop ro.build.version.release") as process:
        result = process.end()

    *groups, total, ledger = result.out.splitlines()
    assert (result.code, result.err) == (0, "")
    assert sum(map(int, re.findall(r"^ *([0-9]+) succeeded: [0-9]+$", "\n".join(groups), re.MULTILINE))) == 12
    assert re.fullmatch(r"12 phones: 12 succeeded in [0-9.]+ s with [0-9]+ requests", total)
    assert ledger == "ledger: each of the 12 phones executed the command exactly once"


def test_the_demo_streams_outcomes_too() -> None:
    with started("demo", "--phones", "2", "--output", "jsonl") as process:
        result = process.end()

    assert {row["id"]: row["state"] for row in result.rows} == {
        "phone0001": "succeeded",
        "phone0002": "succeeded",
    }
    assert "exactly once" in result.err


def rows_of(output: str, result: Result) -> list[tuple[str, str]]:
    match output:
        case "json":
            rows = json.loads(result.out)
        case "jsonl":
            rows = result.rows
        case "csv":
            rows = list(csv.DictReader(result.out.splitlines()))
        case _:
            rows = [
                dict(zip(("id", "state"), line.split(), strict=False)) for line in result.out.splitlines()[1:]
            ]
    return sorted((row["id"], row["state"]) for row in rows)


@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv"])
def test_each_output_has_a_row_for_each_phone(start: Start, output: str) -> None:
    result = start(*COUNTED, output, "--", "id -u").end()

    assert rows_of(output, result) == [
        ("nope", "refused"),
        ("phone0001", "succeeded"),
        ("phone0002", "succeeded"),
    ]
    counts, cause, ids, advice = result.err.splitlines()
    assert (result.code, counts, ids) == (1, "koophone: 2 succeeded · 1 refused", "    on nope")
    assert cause.startswith("  1 refused: KOOPHONE.API.1001 ")
    assert advice == "  KOOPHONE.API.1001: Check that the account has the permission and owns the ids."


def test_success_exits_0(start: Start) -> None:
    assert start("exec", "phone0001", "--sync", "--", "id -u").end().code == 0


def test_ids_can_be_read_from_stdin(start: Start) -> None:
    result = start("exec", "-", "--sync", "--output", "jsonl", "--", "id -u").end("phone0001\nphone0002\n")

    assert [row["output"] for row in result.rows] == ["2000\n", "2000\n"]


@pytest.mark.parametrize(
    "environ, message",
    [
        ({"HUAWEICLOUD_SDK_SK": "wrong"}, "nothing was done"),
        ({"KOOPHONE_ENDPOINT": "http://127.0.0.1:9"}, "not sent"),
        ({"HUAWEICLOUD_SDK_SK": ""}, "HUAWEICLOUD_SDK_SK: is not set"),
    ],
)
@pytest.mark.parametrize("line", [("exec", "phone0001", "--", "id"), ("orders", "skus")])
def test_a_run_that_cannot_start_exits_3(
    run_main: RunMain, emulator: dict[str, str], line: tuple[str, ...], environ: dict[str, str], message: str
) -> None:
    result = run_main(*line, environ=emulator | environ)

    assert result.code == 3
    assert message in result.err or "orders.skus" in result.err
    assert "koophone config" in result.err
    assert "Traceback" not in result.err


def test_wrong_usage_exits_2(run_main: RunMain) -> None:
    assert run_main("exec", "--no-such-option").code == 2


@pytest.fixture
def stalling(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An emulator that never answers calls with phone0150."""
    plan = tmp_path / "plan.json"
    plan.write_text('[{"operation": "koophone.commands.run_sync", "phone": "phone0150", "action": "stall"}]')
    with started("emulator", "--phones", "150", "--faults", str(plan)) as process:
        assert process.stdout
        banner = json.loads(process.stdout.readline())
        yield {
            "KOOPHONE_ENDPOINT": banner["endpoint"],
            "HUAWEICLOUD_SDK_AK": banner["access_key"],
            "HUAWEICLOUD_SDK_SK": banner["secret_key"],
        }


@pytest.mark.parametrize("output", ["jsonl", "csv"])
def test_ctrl_c_prints_finished_and_unfinished_phones(stalling: dict[str, str], output: str) -> None:
    ids = [f"phone{number:04}" for number in range(1, 151)]
    with started("exec", *ids, "--sync", "--output", output, "--", "id -u", environ=stalling) as process:
        assert process.stdout
        assert process.stderr
        out = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out += process.stdout.read()
        err, code = process.stderr.read(), process.wait()

    # Whether the second call was sent before the signal depends on the timing.
    assert [out.count("succeeded"), out.count("unknown") + out.count("not_sent")] == [100, 50]
    assert re.match("koophone: interrupted: 100 succeeded · 50 (unknown|not_sent)\n", err)
    assert code == 130


def in_a_terminal(line: tuple[str, ...], environ: dict[str, str], *, stdout: bool = False) -> tuple[str, str]:
    """Run a command with a terminal as stderr; return stdout and the output of the terminal."""
    controller, terminal = pty.openpty()
    with Popen(  # noqa: S603 - the command is our own
        [*COMMAND, *line],
        env=os.environ | environ | {"TERM": "xterm", "NO_COLOR": "1"},
        stdout=terminal if stdout else PIPE,
        stderr=terminal,
        text=True,
    ) as process:
        os.close(terminal)
        seen = b""
        while chunk := _read(controller):
            seen += chunk
        os.close(controller)
        return process.communicate()[0] or "", seen.decode()


def _read(controller: int) -> bytes:
    try:
        return os.read(controller, 65536)
    except OSError:  # Linux raises it when the other side has closed
        return b""


def test_progress_goes_to_the_terminal_and_rows_to_stdout(emulator: dict[str, str]) -> None:
    out, seen = in_a_terminal(("exec", "--all", "--output", "jsonl", "--", "id -u"), emulator)

    assert len(out.splitlines()) == 250
    assert re.search(r"\rexec: [0-9]+ of 250 phones", seen)


def test_no_progress_bar_if_rows_go_to_the_terminal(emulator: dict[str, str]) -> None:
    line = ("exec", "phone0001", "--sync", "--output", "jsonl", "--", "id -u")

    _, seen = in_a_terminal(line, emulator, stdout=True)

    assert json.loads(seen)["state"] == "succeeded"


def test_a_table_is_drawn_on_a_terminal(emulator: dict[str, str]) -> None:
    _, seen = in_a_terminal(("instances", "status", "phone0001"), emulator | {"COLUMNS": "80"}, stdout=True)

    assert re.search(r"phone0001 +running\r$", seen, re.MULTILINE)


def test_a_table_too_wide_is_printed_one_field_per_line(emulator: dict[str, str]) -> None:
    line = ("instances", "list", "--id", "phone0001", "--columns", "all")

    _, seen = in_a_terminal(line, emulator | {"COLUMNS": "60"}, stdout=True)

    assert re.search(r"^id +phone0001\r$", seen, re.MULTILINE)


def test_a_reader_that_goes_away_is_not_an_error(start: Start) -> None:
    process = start("instances", "list", "--output", "jsonl")
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait(60) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_broken_pipe_at_exit_is_quiet(start: Start, unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    line = ("exec", "phone0001", "--sync", "--", "id -u")
    with os.fdopen(writer, "w") as gone:
        process = start(*line, environ={"PYTHONUNBUFFERED": unbuffered}, stdout=gone)

    assert process.stderr
    assert process.stderr.read() == ""


@pytest.mark.parametrize("output", ["table", "jsonl"])
def test_a_full_disk_is_reported_in_one_line(start: Start, output: str) -> None:
    with Path("/dev/full").open("w") as full:
        result = start("config", "--output", output, stdout=full).end()

    assert (result.code, result.err) == (1, "koophone: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_are_handled(emulator: dict[str, str], closed: str) -> None:
    line = shlex.join([*COMMAND, "exec", "--ids-file", "-", "--sync", "--", "id -u"])
    shell = ["sh", "-c", f"{line} {closed}"]
    with Process(shell, env=os.environ | emulator, stdin=PIPE, stderr=PIPE, text=True) as process:
        result = process.end("phone0001")

    assert "Traceback" not in result.err
    assert result.code == (2 if "0<" in closed else 0)


def test_a_missing_module_of_the_package_is_not_a_missing_extra() -> None:
    hide = "import sys; sys.modules['koophone_async.cli.app'] = None"
    program = f"{hide}; from koophone_async.cli import main; main()"
    with Process([sys.executable, "-c", program], stdout=PIPE, stderr=PIPE, text=True) as process:
        result = process.end()

    assert "ModuleNotFoundError" in result.err


def test_ctrl_c_during_the_start_is_quiet() -> None:
    program = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "koophone_async.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from koophone_async.cli import main
main()
"""
    with Process([sys.executable, "-c", program], stdout=PIPE, stderr=PIPE, text=True) as process:
        result = process.end()

    assert (result.code, result.err) == (130, "")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_a_missing_extra_is_reported_with_its_installation(missing: str) -> None:
    program = f"import sys; sys.modules[{missing!r}] = None; from koophone_async.cli import main; main()"
    with Process([sys.executable, "-c", program], stdout=PIPE, stderr=PIPE, text=True) as process:
        result = process.end()

    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "pip install 'koophone-async[cli]'" in result.err


def test_version_and_verbose_options(start: Start) -> None:
    assert re.fullmatch(r"koophone-async [0-9.]+\n", start("--version").end().out)
    logged = start("-v", "orders", "skus", environ={"KOOPHONE_ENDPOINT": "http://127.0.0.1:9"}).end().err

    assert "koophone_async: retrying koophone.orders.skus in" in logged


def test_config_shows_what_is_in_effect_and_hides_secrets(
    run_main: RunMain, emulator: dict[str, str]
) -> None:
    line = ("--region", "cn-north-4", "config", "--output", "jsonl")
    result = run_main(*line, environ=emulator | {"KOOPHONE_CPH_ENDPOINT": ""})

    shown = {row["setting"]: (row["value"], row["source"]) for row in result.rows}
    assert shown["region"] == ("cn-north-4", "command-line option")
    assert shown["endpoint koophone"] == (emulator["KOOPHONE_ENDPOINT"], "environment KOOPHONE_ENDPOINT")
    assert shown["endpoint cph"] == ("https://cph.cn-north-4.myhuaweicloud.com", "published host")
    assert shown["project"] == (
        emulator["HUAWEICLOUD_SDK_PROJECT_ID"],
        "environment HUAWEICLOUD_SDK_PROJECT_ID",
    )
    assert shown["credentials"][0].startswith("permanent access key")
    assert emulator["HUAWEICLOUD_SDK_SK"] not in result.out
    assert emulator["HUAWEICLOUD_SDK_AK"] not in result.out
    assert result.code == 0


def test_config_shows_missing_and_temporary_settings(run_main: RunMain, emulator: dict[str, str]) -> None:
    environ = {"HUAWEICLOUD_SDK_SECURITY_TOKEN": "hunter2", "KOOPHONE_REGION": "", "KOOPHONE_ENDPOINT": ""}
    line = ("--edition", "international", "config", "--output", "jsonl")
    result = run_main(*line, environ=emulator | environ)

    shown = {row["setting"]: (row["value"], row["source"]) for row in result.rows}
    assert shown["region"] == (None, "not set")
    assert shown["edition"] == ("international", "command-line option")
    assert shown["endpoint koophone"][0] is None
    assert shown["endpoint koophone"][1].startswith("KOOPHONE_ENDPOINT is not set")
    assert shown["credentials"][0].startswith("temporary access key")
    assert "hunter2" not in result.out


def test_config_without_credentials_exits_3_with_advice(run_main: RunMain) -> None:
    result = run_main("config")

    assert result.code == 3
    assert "Set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK" in result.err
