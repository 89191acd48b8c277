"""Reports of rollouts as Markdown.

Texts of phones, of the service and of people are in code: there no renderer sees markup, HTML, links,
mentions or references, which backslashes do not prevent everywhere.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, cast

from koophone_async.rollouts.plans.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from koophone_async.rollouts.reports.report import Failure, RolloutReport, WaveTimes

_UNKNOWN: Final = "-"


def to_markdown(report: RolloutReport) -> str:
    """Return a report as Markdown. Texts of phones and of the service cannot change its layout."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: RolloutReport) -> Iterator[str]:
    yield f"# Rollout {_code(report.name)} ({report.id})"
    yield from _summary(report)
    yield from _forecast(report)
    yield from _section("Outcomes", ("state", "code", "phones"), _causes(report))
    yield from _section("Waves", ("attempt", "wave", "began", "ended", "waited for"), _waves(report.waves))
    yield from _failures(report)
    yield from _section(
        "Log",
        ("time", "who", "what", "details"),
        ((_time(line.at), _code(line.by), line.what, _code(_details(line.details))) for line in report.log),
    )
    yield from ("", "## Plan", "")
    yield from _fenced(json.dumps(report.plan, ensure_ascii=False, indent=2), "json")


def _summary(report: RolloutReport) -> Iterator[str]:
    yield ""
    for name, value in {
        "State": report.state if report.reason is None else f"{report.state}: {_code(report.reason)}",
        "Phones": f"{report.targets:,} ({_details(report.counts)})",
        "Started by": _code(report.created_by),
        "Account": _code(report.account or _UNKNOWN),
        "Began": _time(report.began),
        "Ended": _time(report.ended),
        "Attempts": str(report.attempts),
    }.items():
        yield f"- {name}: {value}"


def _forecast(report: RolloutReport) -> Iterator[str]:
    foreseen, happened = report.forecast, report.happened
    rows = [
        ("phones", f"{foreseen.phones:,}" if foreseen else _UNKNOWN, f"{happened.phones:,}"),
        ("calls", f"{foreseen.calls:,}" if foreseen else _UNKNOWN, f"{happened.calls:,}"),
        (
            "duration",
            _seconds(foreseen.seconds if foreseen else None),
            _seconds(happened.seconds),
        ),
        ("minimum by quotas", _seconds(foreseen.min_seconds if foreseen else None), ""),
    ]
    yield from _section("Forecast", ("", "expected", "happened"), rows)


def _causes(report: RolloutReport) -> Iterator[Sequence[str]]:
    for cause in report.causes:
        yield cause.state, _code(cause.error_code or ""), f"{cause.phones:,}"


def _waves(waves: Iterable[WaveTimes]) -> Iterator[Sequence[str]]:
    for wave in waves:
        gates = "; ".join(
            f"{gate.waiting_for} from {_time(gate.began)} to {_time(gate.ended)}" for gate in wave.gates
        )
        yield str(wave.attempt), str(wave.wave), _time(wave.began), _time(wave.ended), gates


def _failures(report: RolloutReport) -> Iterator[str]:
    if not report.failures:
        return
    yield from ("", "## Failures")
    if report.failure_count > len(report.failures):
        yield from ("", f"The first {len(report.failures):,} of {report.failure_count:,}.")
    for failure in report.failures:
        yield from _failure(failure)


def _failure(failure: Failure) -> Iterator[str]:
    place = f"step {failure.step}, wave {failure.wave}, attempt {failure.attempt}"
    problem = _code(" ".join(filter(None, (failure.error_code, failure.error_message))))
    yield ""
    yield f"- {_code(failure.id)}: {failure.state}, {place}{': ' if problem else ''}{problem}"
    if failure.output:
        yield ""
        yield from (f"  {line}" for line in _fenced(failure.output))


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table under a title, unless it has no rows."""
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    if lines:
        head = f"| {' | '.join(columns)} |"
        yield from ("", f"## {title}", "", head, f"|{'---|' * len(columns)}", *lines)


def _cell(text: str) -> str:
    """Return a text for a table, which ends a cell at each bar, also within code."""
    # A backslash before a bar would be the one that escapes it, or end its escape.
    return text.replace("\\|", "\\ |").replace("|", "\\|")


def _fenced(text: str, language: str = "") -> Iterator[str]:
    """Yield a text in a code block whose fence the text does not have."""
    fence = _backticks(text, 3)
    yield fence + language
    yield from (_printable(line.expandtabs()) for line in text.splitlines())
    yield fence


def _code(text: str) -> str:
    """Return a text in one line of code; nothing if it is empty."""
    if not (line := _printable(" ".join(text.split()))):
        return ""
    fence, space = _backticks(line, 1), " " if "`" in (line[0], line[-1]) else ""
    return f"{fence}{space}{line}{space}{fence}"


def _backticks(text: str, min_length: int) -> str:
    """Return more backticks than a text has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(min_length, longest + 1)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _details(details: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in details.items())


def _value(value: object) -> str:
    return _details(cast("dict[str, Any]", value)) if isinstance(value, dict) else str(value)


def _time(time: datetime | None) -> str:
    return _UNKNOWN if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _seconds(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else format_duration(round(seconds, 1))
