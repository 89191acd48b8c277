"""The commands for lines of text, in the words and columns of toybox 0.8."""

from __future__ import annotations

import re
import warnings
from functools import partial
from typing import TYPE_CHECKING, Final

from koophone_async.emulator.android.file_commands import number, texts
from koophone_async.emulator.android.parser import Failed
from koophone_async.emulator.android.shell import Call, Command, Ran

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASIC: Final = re.compile(r"\\?[|(){}+?]")
_GROUPING: Final = frozenset({r"\(", r"\)", r"\{", r"\}"})


def _grep(call: Call) -> Ran:
    letters, operands = call.options("EFchilnoqv")
    if not operands:
        raise Failed("grep: no REGEX", 2)
    pattern = _pattern(operands[0], letters)
    read, ran = texts(call, operands[1:], wrong=2)
    output, found = "", False
    for name, text in read:
        prefix = f"{name}:" if len(operands) > 2 and "h" not in letters else ""
        lines = list(enumerate(text.splitlines(), 1))
        kept = [(at, line) for at, line in lines if bool(pattern.search(line)) != ("v" in letters)]
        found = found or bool(kept)
        output += _grepped(name, prefix, kept, letters, pattern)
    status = ran.status or (0 if found else 1)
    return Ran("" if "q" in letters else output, status, ran.errors)


def _pattern(written: str, letters: set[str]) -> re.Pattern[str]:
    if "F" in letters:
        source = re.escape(written)
    else:
        source = written if "E" in letters else _BASIC.sub(_extended, written)
    try:
        with warnings.catch_warnings(action="ignore"):  # of sets that Python may one day read otherwise
            return re.compile(source, re.IGNORECASE if "i" in letters else 0)
    except (re.error, OverflowError, RecursionError):
        raise Failed(f"grep: bad regex '{written}': Invalid regular expression", 2) from None


def _extended(mark: re.Match[str]) -> str:
    """Basic expressions group with escaped parentheses and braces, and know no other of these marks."""
    return mark[0][1:] if mark[0] in _GROUPING else f"\\{mark[0][-1]}"


def _grepped(
    name: str, prefix: str, kept: list[tuple[int, str]], letters: set[str], pattern: re.Pattern[str]
) -> str:
    if "l" in letters:
        return f"{name}\n" if kept else ""
    if "c" in letters:
        return f"{prefix}{len(kept)}\n"
    rows = [(f"{at}:" if "n" in letters else "", line) for at, line in kept]
    if "o" in letters:
        rows = [(place, found[0]) for place, line in rows for found in pattern.finditer(line)]
    return "".join(f"{prefix}{place}{line}\n" for place, line in rows)


def _wc(call: Call) -> Ran:
    letters, operands = call.options("clw")
    read, ran = texts(call, operands)
    shown = [letter for letter in "lwc" if letter in (letters or "lwc")]
    rows = [([_count(text, letter) for letter in shown], name) for name, text in read]
    if len(operands) > 1:
        rows.append(([sum(counts[at] for counts, _ in rows) for at in range(len(shown))], "total"))
    width = 7 if len(operands) > 1 or (len(shown) > 1 and not operands) else 1
    output = "".join(_counts(counts, name, width) for counts, name in rows)
    return Ran(output, ran.status, ran.errors)


def _counts(counts: list[int], name: str, width: int) -> str:
    label = "" if name == "-" else f" {name}"
    return " ".join(f"{count:>{width}}" for count in counts) + f"{label}\n"


def _count(text: str, letter: str) -> int:
    if letter == "l":
        return text.count("\n")
    return len(text.split()) if letter == "w" else len(text.encode(errors="replace"))


def _end_of(call: Call, *, first: bool) -> Ran:
    words = re.sub(r"^-(\d+)$", r"-n \1", call.words[0]).split() + call.words[1:] if call.words else []
    most, unit = 10, "n"
    if words and (option := re.fullmatch(r"-([nc])(\d*)", words[0])):
        words.pop(0)
        unit, most = option[1], number(call, option[2] or (words.pop(0) if words else ""))
    read, ran = texts(call, words)
    title = "==> {} <==\n" if len(read) > 1 else ""
    blocks = [title.format(name) + _some(text, unit, most, first=first) for name, text in read]
    return Ran("\n".join(blocks), ran.status, ran.errors)


def _some(text: str, unit: str, most: int, *, first: bool) -> str:
    parts = text.splitlines(keepends=True) if unit == "n" else list(text)
    return "".join(parts[:most] if first else parts[len(parts) - min(most, len(parts)) :])


def _sort(call: Call) -> Ran:
    letters, operands = call.options("nru")
    read, ran = texts(call, operands, wrong=2)
    lines = [line for _, text in read for line in text.splitlines()]
    lines = sorted(set(lines) if "u" in letters else lines, reverse="r" in letters)
    if "n" in letters:
        lines.sort(key=_leading_number, reverse="r" in letters)
    return Ran("".join(f"{line}\n" for line in lines), ran.status, ran.errors)


def _leading_number(line: str) -> float:
    found = re.match(r"\s*-?\d+(\.\d+)?", line)
    return float(found[0]) if found else 0.0


FILTERS: Final[Mapping[str, Command]] = {
    "grep": _grep,
    "head": partial(_end_of, first=True),
    "sort": _sort,
    "tail": partial(_end_of, first=False),
    "wc": _wc,
}
"""The commands by name."""
