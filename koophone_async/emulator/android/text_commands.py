"""Commands on lines of text, with the messages and columns of toybox 0.8."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Final

from koophone_async.emulator.android.file_commands import number, read_texts
from koophone_async.emulator.android.parser import CommandError
from koophone_async.emulator.android.shell import Command, Invocation, Result

_BASIC_OPERATOR: Final = re.compile(r"\\?[|(){}+?]")
_GROUPING: Final = frozenset({r"\(", r"\)", r"\{", r"\}"})


def _grep(call: Invocation) -> Result:
    letters, operands = call.options("EFchilnoqv")
    if not operands:
        raise CommandError("grep: no REGEX", 2)
    pattern = _compile(operands[0], letters)
    read, result = read_texts(call, operands[1:], error_status=2)
    output, has_match = "", False
    for name, text in read:
        prefix = f"{name}:" if len(operands) > 2 and "h" not in letters else ""
        lines = list(enumerate(text.splitlines(), 1))
        matches = [(at, line) for at, line in lines if bool(pattern.search(line)) != ("v" in letters)]
        has_match = has_match or bool(matches)
        output += _format_matches(name, prefix, matches, letters, pattern)
    status = result.status or (0 if has_match else 1)
    return Result("" if "q" in letters else output, status, result.errors)


def _compile(written: str, letters: set[str]) -> re.Pattern[str]:
    if "F" in letters:
        source = re.escape(written)
    else:
        source = written if "E" in letters else _BASIC_OPERATOR.sub(_extended, written)
    try:
        # Python warns of syntax that later versions may read differently.
        with warnings.catch_warnings(action="ignore"):
            return re.compile(source, re.IGNORECASE if "i" in letters else 0)
    except (re.error, OverflowError, RecursionError):
        raise CommandError(f"grep: bad regex '{written}': Invalid regular expression", 2) from None


def _extended(mark: re.Match[str]) -> str:
    """Convert an operator of basic expressions, where only groups and bounds exist, and are escaped."""
    return mark[0][1:] if mark[0] in _GROUPING else f"\\{mark[0][-1]}"


def _format_matches(
    name: str, prefix: str, matches: list[tuple[int, str]], letters: set[str], pattern: re.Pattern[str]
) -> str:
    if "l" in letters:
        return f"{name}\n" if matches else ""
    if "c" in letters:
        return f"{prefix}{len(matches)}\n"
    rows = [(f"{at}:" if "n" in letters else "", line) for at, line in matches]
    if "o" in letters:
        rows = [(place, match[0]) for place, line in rows for match in pattern.finditer(line)]
    return "".join(f"{prefix}{place}{line}\n" for place, line in rows)


def _wc(call: Invocation) -> Result:
    letters, operands = call.options("clw")
    read, result = read_texts(call, operands)
    shown = [letter for letter in "lwc" if letter in (letters or "lwc")]
    rows = [([_count(text, letter) for letter in shown], name) for name, text in read]
    if len(operands) > 1:
        rows.append(([sum(counts[at] for counts, _ in rows) for at in range(len(shown))], "total"))
    width = 7 if len(operands) > 1 or (len(shown) > 1 and not operands) else 1
    output = "".join(_counts(counts, name, width) for counts, name in rows)
    return Result(output, result.status, result.errors)


def _counts(counts: list[int], name: str, width: int) -> str:
    label = "" if name == "-" else f" {name}"
    return " ".join(f"{count:>{width}}" for count in counts) + f"{label}\n"


def _count(text: str, letter: str) -> int:
    if letter == "l":
        return text.count("\n")
    return len(text.split()) if letter == "w" else len(text.encode(errors="replace"))


def _head_or_tail(call: Invocation, *, first: bool) -> Result:
    words = re.sub(r"^-(\d+)$", r"-n \1", call.words[0]).split() + call.words[1:] if call.words else []
    limit, unit = 10, "n"
    if words and (option := re.fullmatch(r"-([nc])(\d*)", words[0])):
        words.pop(0)
        unit, limit = option[1], number(call, option[2] or (words.pop(0) if words else ""))
    read, result = read_texts(call, words)
    title = "==> {} <==\n" if len(read) > 1 else ""
    blocks = [title.format(name) + _first_or_last(text, unit, limit, first=first) for name, text in read]
    return Result("\n".join(blocks), result.status, result.errors)


def _first_or_last(text: str, unit: str, limit: int, *, first: bool) -> str:
    parts = text.splitlines(keepends=True) if unit == "n" else list(text)
    return "".join(parts[:limit] if first else parts[len(parts) - min(limit, len(parts)) :])


def _sort(call: Invocation) -> Result:
    letters, operands = call.options("nru")
    read, result = read_texts(call, operands, error_status=2)
    lines = [line for _, text in read for line in text.splitlines()]
    lines = sorted(set(lines) if "u" in letters else lines, reverse="r" in letters)
    if "n" in letters:
        lines.sort(key=_leading_number, reverse="r" in letters)
    return Result("".join(f"{line}\n" for line in lines), result.status, result.errors)


def _leading_number(line: str) -> float:
    match = re.match(r"\s*-?\d+(\.\d+)?", line)
    return float(match[0]) if match else 0.0


TEXT_COMMANDS: Final[Mapping[str, Command]] = {
    "grep": _grep,
    "head": partial(_head_or_tail, first=True),
    "sort": _sort,
    "tail": partial(_head_or_tail, first=False),
    "wc": _wc,
}
"""Commands by name."""
