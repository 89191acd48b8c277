"""Progress: one line that fits, with what matters first."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Outcome, State
from koophone_async.cli.commands.services import entries
from koophone_async.cli.errors import print_stderr
from koophone_async.cli.output.progress import Delay, Meter, Progress, Total, Work, describe, fit, quota_wait
from koophone_async.cli.output.status_line import STATUS
from koophone_async.cli.output.summary import Tally
from koophone_async.cli.output.terminal import is_visible, terminal_width, width_of
from koophone_async.cli.targets.selection import Listing, Selection
from koophone_async.emulator import Emulator
from koophone_async.operation import Quota
from koophone_async.selection import parse
from koophone_async.services.koophone.client import KooPhone
from koophone_async.testing import run_virtually
from tests.cli.terminals import in_terminal, resize, shown
from tests.limits.shared.ledger_store import LedgerQuotas, LedgerStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OUTCOMES: Final = [
    *(Outcome(f"p{number}", State.SUCCEEDED, seconds=number) for number in range(90)),
    *(Outcome(f"q{number}", State.FAILED) for number in range(10)),
]


def line(work: Work, *, width: int = 200, seconds: float = 10.0) -> str:
    tally, meter = Tally(), Meter()
    meter.rate(0.0, 0)
    for outcome in OUTCOMES:
        tally.add(outcome)
        meter.add(outcome)
    return fit(describe(work, tally, meter, seconds), width)


COUNTS: Final = "exec: 100 of 1,000 phones · 90 succeeded · 10 failed"
EXEC: Final = Work("exec", total=lambda: Total(1_000), waits_for=lambda: Delay("quota: 41 s", 41.0))


@pytest.mark.parametrize(
    "width, text",
    [
        (200, f"{COUNTS} · 10/s · 1 min 30 s left · waits for quota: 41 s · slowest p89 1 min 29 s"),
        (110, f"{COUNTS} · 10/s · 1 min 30 s left · waits for quota: 41 s"),
        (100, f"{COUNTS} · 1 min 30 s left · waits for quota: 41 s"),
        (80, "exec: 100 of 1,000 phones · 1 min 30 s left · waits for quota: 41 s"),
        (60, "exec: 100 of 1,000 phones · waits for quota: 41 s"),
        (30, "exec: 100 of 1,000 phones"),
        (10, "exec: 100 of 1,000 phones"),
    ],
)
def test_a_narrow_line_has_what_matters(width: int, text: str) -> None:
    assert line(EXEC, width=width) == text


@given(st.text(), st.integers(60, 200))
def test_the_line_fits_and_is_visible(label: str, width: int) -> None:
    text = line(Work(label, total=lambda: Total(1_000)), width=width)

    assert width_of(text) <= width
    assert all(map(is_visible, text))


@pytest.mark.parametrize(
    "total, start",
    [
        (None, "exec: 100 phones · "),
        (Total(120, is_final=False), "exec: 100 of 120+ phones · "),
        (Total(100), "exec: 100 of 100 phones · "),
    ],
)
def test_without_a_total_or_a_rest_no_time_is_left(total: Total | None, start: str) -> None:
    text = line(Work("exec", total=lambda: total))

    assert text.startswith(start)
    assert "left" not in text


@pytest.mark.parametrize(
    "delay, text",
    [
        (Delay("quota: 3 min 0 s", 180.0), " · 3 min 0 s left · waits for quota: 3 min 0 s · "),
        (Delay("approval"), " · 10/s · waits for approval · "),
    ],
)
def test_the_time_left_includes_what_the_run_waits_for(delay: Delay, text: str) -> None:
    assert text in line(evolve(EXEC, waits_for=lambda: delay))


def test_long_times_are_hours() -> None:
    assert " · 27 h 46 min left · " in line(Work("exec", total=lambda: Total(1_000_000)))


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = Meter()

    assert [meter.rate(float(now), done) for now, done in ((0, 0), (10, 100), (20, 100), (30, 150))] == [
        0.0,
        10.0,
        0.0,
        5.0,
    ]


async def test_the_total_of_a_list_is_that_of_the_service_or_its_end() -> None:
    async with Emulator(250) as emulator, emulator.session() as session:
        counted, filtered = Listing(), Listing()
        instances = KooPhone(session).instances
        async for _ in counted.follow(instances.list()):
            assert counted.total == 250
        async for _ in filtered.follow(item async for item in instances.list()):
            assert filtered.total is None or filtered.count == 250

    assert (counted.total, filtered.total) == (250, 250)


async def test_the_total_of_a_selection_is_open_until_its_list_has_ended() -> None:
    names = {entry.operation.name: entry.lists for entry in entries("koophone")}
    inventory = names["koophone.instances.list"]
    assert inventory is not None
    selection = Selection(inventory, where=parse("id != phone0001"))
    async with Emulator(3) as emulator, emulator.session() as session:
        before = selection.total()
        source = selection.source(KooPhone(session))
        assert isinstance(source, AsyncIterable)
        totals = [selection.total() async for _ in source]

    assert (before, totals) == (None, [Total(1, is_final=False), Total(2, is_final=False)])
    assert selection.total() == Total(2)


async def test_items_without_a_name_are_counted() -> None:
    listing = Listing()
    async with Emulator(3) as emulator, emulator.session() as session:
        items = KooPhone(session).instances.list()
        names = [one.name async for one in listing.follow(evolve(item, name=None) async for item in items)]

    assert (listing.count, listing.names, names) == (3, {}, [None] * 3)


def test_the_wait_for_a_quota_is_shown() -> None:
    async def waits() -> list[Delay | None]:
        async with Emulator(150) as emulator, emulator.session(quotas={"*": (Quota(1, 60),)}) as session:
            waits_for = quota_wait(session)
            before = waits_for()
            fleet = KooPhone(session).fleet([phone.id for phone in emulator.phones])
            async with fleet.run("id -u") as run:
                first = asyncio.ensure_future(anext(aiter(run)))
                await asyncio.sleep(20)
                first.cancel()
                return [before, waits_for()]

    before, after = run_virtually(waits())

    assert before is None
    assert after is not None
    assert re.fullmatch(r"quota: [34][0-9] s", after.reason)


def test_an_outage_of_the_store_of_quotas_is_shown() -> None:
    async def waits() -> Delay | None:
        limits = LedgerQuotas(LedgerStore(is_down=True))
        async with Emulator(1) as emulator, emulator.session(limits=limits) as session:
            fleet = KooPhone(session).fleet([phone.id for phone in emulator.phones])
            async with fleet.run("id -u") as run:
                first = asyncio.ensure_future(anext(aiter(run)))
                await asyncio.sleep(20)
                first.cancel()
                return quota_wait(session)()

    delay = run_virtually(waits())

    assert delay is not None
    assert re.fullmatch(r"quota: quota store at ledger is unreachable since [0-9:]{8}", delay.reason)


class TextTerminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


class Slow:
    """A run with an outcome every 20 seconds."""

    def __init__(self, count: int) -> None:
        self.count = count

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        for number in range(self.count):
            await asyncio.sleep(20)
            yield Outcome(f"p{number}", State.SUCCEEDED, seconds=1.0)


async def follow_slow(count: int) -> None:
    tally = Tally()
    with Progress(Work("exec", total=lambda: Total(count))) as progress:
        async for outcome in Slow(count):
            tally.add(outcome)
            progress.show(outcome, tally)


def test_a_ci_job_logs_a_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CI", "true")
    run_virtually(follow_slow(10))

    lines = capsys.readouterr().err.splitlines()
    assert [text.partition(" · ")[0] for text in lines] == [
        "koophone: exec: 2 of 10 phones",
        "koophone: exec: 5 of 10 phones",
        "koophone: exec: 8 of 10 phones",
    ]


def test_nothing_is_printed_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    run_virtually(follow_slow(10))

    assert capsys.readouterr().err == ""


DRAWN: Final = re.compile(r"\r([^\r\x1b\n]*)\x1b\[J")
LINE: Final = ("exec", "--all", "-o", "csv", "--", "id -u")


@pytest.mark.process
def test_the_line_is_redrawn_in_the_width_of_the_window(emulator: dict[str, str]) -> None:
    with in_terminal(*LINE, environ=emulator | {"TERM": "xterm"}, columns=70, piped="stdout") as (
        process,
        controller,
    ):
        wide = shown(controller, "exec: ")
        resize(controller, 24)
        assert process.stdout
        rows = process.stdout.read().count("succeeded")
        narrow = shown(controller)

    assert rows == 250
    assert all(len(text) < 70 for text in DRAWN.findall(wide + narrow))
    assert (wide + narrow).count("\n") == 0
    assert narrow.endswith("\r\x1b[J")


@pytest.mark.process
@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": "xterm"}])
def test_a_dumb_terminal_and_a_pipe_get_no_escape_sequence(
    environ: dict[str, str], emulator: dict[str, str]
) -> None:
    piped = "stdout stderr" if environ["TERM"] == "xterm" else "stdout"
    with in_terminal(*LINE, environ=emulator | environ, piped=piped) as (process, controller):
        _, err = process.communicate(timeout=60)
        seen = shown(controller)

    assert (err or "", seen) == ("", "")


@pytest.mark.parametrize("columns", ["", "0", "x", "9" * 5_000])
def test_a_terminal_of_unknown_width_has_80_columns(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)

    assert terminal_width(TextTerminal()) == 80


def test_a_message_is_printed_above_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stderr = TextTerminal()
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("COLUMNS", "12")
    STATUS.draw("exec: 1 of 100 phones\x1b[2J")
    print_stderr("koophone: no answer")
    STATUS.draw("exec: 2")
    STATUS.clear()
    STATUS.clear()

    drawn, cleared = "\rexec: 1 of…\x1b[J\r", "\r\x1b[J"
    assert stderr.getvalue() == f"{drawn}{cleared}koophone: no\n  answer\n\rexec: 2\x1b[J\r{cleared}"
