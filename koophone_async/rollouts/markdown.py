"""Reports of rollouts as Markdown."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import TYPE_CHECKING, Any, Final, cast

from koophone_async.rollouts.durations import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from koophone_async.rollouts.report import Failure, RolloutReport, WaveTimes

_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>#|~&]")
"""Characters that Markdown or HTML may take for markup."""

_UNKNOWN: Final = "-"


def to_markdown(report: RolloutReport) -> str:
    """Return a report as Markdown. Texts of phones and of the service cannot change its layout."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: RolloutReport) -> Iterator[str]:
    yield f"# Rollout {_text(report.name)} ({report.id})"
    yield from _summary(report)
    yield from _forecast(report)
    yield from _section("Outcomes", ("state", "code", "phones"), _causes(report))
    yield from _section("Waves", ("attempt", "wave", "began", "ended", "waited for"), _waves(report.waves))
    yield from _failures(report)
    yield from _section(
        "Log",
        ("time", "who", "what", "details"),
        ((_time(line.at), line.by, line.what, _details(line.details)) for line in report.log),
    )
    yield from ("", "## Plan", "")
    yield from _fenced(json.dumps(report.plan, ensure_ascii=False, indent=2), "json")


def _summary(report: RolloutReport) -> Iterator[str]:
    yield ""
    state = report.state if report.reason is None else f"{report.state}: {report.reason}"
    for name, value in {
        "State": state,
        "Phones": f"{report.targets:,} ({_details(report.counts)})",
        "Started by": report.created_by,
        "Account": report.account or _UNKNOWN,
        "Began": _time(report.began),
        "Ended": _time(report.ended),
        "Attempts": str(report.attempts),
    }.items():
        yield f"- {name}: {_text(value)}"


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
        yield cause.state, cause.error_code or "", f"{cause.phones:,}"


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
    problem = " ".join(filter(None, (failure.error_code, failure.error_message)))
    yield from (
        "",
        f"- {_text(failure.id)}: {failure.state}, {place}{': ' if problem else ''}{_text(problem)}",
    )
    if failure.output:
        yield ""
        yield from (f"  {line}" for line in _fenced(failure.output))


def _section(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table under a title, unless it has no rows."""
    lines = [f"| {' | '.join(map(_text, row))} |" for row in rows]
    if lines:
        head = f"| {' | '.join(columns)} |"
        yield from ("", f"## {title}", "", head, f"|{'---|' * len(columns)}", *lines)


def _fenced(text: str, language: str = "") -> Iterator[str]:
    """Yield a text in a code block whose fence the text does not have."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield fence + language
    yield from (_printable(line) for line in text.splitlines())
    yield fence


def _text(text: str) -> str:
    """Return a text in one line, in which no character is markup."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", _printable(" ".join(text.split())))


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
