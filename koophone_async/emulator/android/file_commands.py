"""Commands on files, with the messages and columns of toybox 0.8."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from operator import eq, ge, gt, le, lt, ne
from typing import Final

from koophone_async.emulator.android.filesystem import Entry
from koophone_async.emulator.android.parser import CommandError
from koophone_async.emulator.android.shell import Command, Invocation, Result

_COMPARISONS: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "-eq": eq,
    "-ne": ne,
    "-lt": lt,
    "-gt": gt,
    "-le": le,
    "-ge": ge,
}
"""The comparisons of `test`."""


def _require_operand(call: Invocation, operands: list[str]) -> None:
    if not operands:
        raise CommandError(f'{call.name}: Needs 1 argument (see "{call.name} --help")')


def for_each(
    call: Invocation, operands: Iterable[str], act: Callable[[str], object], *, quoted: bool = False
) -> Result:
    """Apply an action to every operand, and continue after errors."""
    errors = ""
    for word in operands:
        try:
            act(word)
        except OSError as error:
            shown = f"'{word}'" if quoted else word
            errors += f"{call.name}: {shown}: {error.strerror}\n"
    return Result(status=1 if errors else 0, errors=errors)


def read_texts(
    call: Invocation, operands: list[str], error_status: int = 1
) -> tuple[list[tuple[str, str]], Result]:
    """Return the operands with their texts, and a result with the errors of those that could not be read."""
    texts: list[tuple[str, str]] = []

    def read(word: str) -> None:
        texts.append((word, call.stdin if word == "-" else call.shell.disk.read(call.path(word))))

    result = for_each(call, operands or ["-"], read)
    return texts, Result(status=error_status if result.status else 0, errors=result.errors)


def _cat(call: Invocation) -> Result:
    _, operands = call.options("u")
    read, result = read_texts(call, operands)
    return Result("".join(text for _, text in read), result.status, result.errors)


def _echo(call: Invocation) -> Result:
    words, newline, escapes = list(call.words), "\n", True
    while words and re.fullmatch("-[neE]+", words[0]):
        letters = words.pop(0)
        newline = "" if "n" in letters else newline
        escapes = "E" not in letters
    text = " ".join(words)
    return Result((_unescape(text) if escapes else text) + newline)


def _unescape(text: str) -> str:
    escapes = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\([ntr\\])", lambda match: escapes[match[1]], text)


def _ls(call: Invocation) -> Result:
    letters, operands = call.options("1aAdl")
    disk, entries = call.shell.disk, list[tuple[str, "Entry"]]()
    result = for_each(
        call, operands or ["."], lambda word: entries.append((word, disk.find(call.path(word))))
    )
    files = [entry for entry in entries if "d" in letters or not entry[1].is_directory]
    directories = [entry for entry in entries if entry not in files]
    blocks = [_rows(files, letters)] if files else []
    for word, entry in directories:
        title = f"{word}:\n" if len(entries) > 1 else ""
        blocks.append(title + _directory(call, entry, letters))
    return Result("\n".join(blocks), result.status, result.errors)


def _directory(call: Invocation, directory: Entry, letters: set[str]) -> str:
    names = call.shell.disk.names(directory.path)
    if not letters & {"a", "A"}:
        names = [name for name in names if not name.startswith(".")]
    if "a" in letters:
        names = [".", "..", *names]
    rows = [(name, call.shell.disk.find(f"{directory.path}/{name}")) for name in names]
    blocks = sum(4 for _, entry in rows if entry.size)
    return (f"total {blocks}\n" if "l" in letters else "") + _rows(rows, letters)


def _rows(rows: list[tuple[str, Entry]], letters: set[str]) -> str:
    if "l" not in letters:
        return "".join(f"{name}\n" for name, _ in rows)
    columns = [(_mode(entry), *_owner(entry), str(entry.size)) for _, entry in rows]
    user, group, size = (max((len(row[at]) for row in columns), default=0) for at in (1, 2, 3))
    return "".join(
        f"{mode} {2 if entry.is_directory else 1} {owner:<{user}} {owners:<{group}} {length:>{size}}"
        f" {datetime.fromtimestamp(entry.modified, UTC):%Y-%m-%d %H:%M} {name}\n"
        for (name, entry), (mode, owner, owners, length) in zip(rows, columns, strict=True)
    )


def _mode(entry: Entry) -> str:
    if entry.is_shared:
        return "drwxrwx--x" if entry.is_directory else "-rw-rw----"
    return "drwxr-xr-x" if entry.is_directory else "-rw-r--r--"


def _owner(entry: Entry) -> tuple[str, str]:
    if entry.is_shared:
        return "root", "sdcard_rw"
    return ("shell", "shell") if entry.path.startswith("/data/local/tmp") else ("root", "root")


def _mkdir(call: Invocation) -> Result:
    letters, operands = call.options("p")
    _require_operand(call, operands)

    def make(word: str) -> None:
        path = call.path(word)
        parts = path.strip("/").split("/")
        for end in range(1 if "p" in letters else len(parts), len(parts) + 1):
            parent = "/" + "/".join(parts[:end])
            if not ("p" in letters and call.shell.disk.exists(parent)):
                call.shell.disk.make(parent, call.shell.clock)

    return for_each(call, operands, make, quoted=True)


def _rm(call: Invocation) -> Result:
    letters, operands = call.options("fRr")
    if "f" not in letters:
        _require_operand(call, operands)
    disk = call.shell.disk

    def remove(word: str) -> None:
        path = call.path(word)
        if "f" in letters and not disk.exists(path):
            return
        if disk.find(path).is_directory and not letters & {"r", "R"}:
            raise IsADirectoryError(0, "Is a directory")
        disk.remove(path)

    return for_each(call, operands, remove)


def _touch(call: Invocation) -> Result:
    _, operands = call.options("acm")
    _require_operand(call, operands)
    disk, clock = call.shell.disk, call.shell.clock
    return for_each(call, operands, lambda word: disk.touch(call.path(word), clock), quoted=True)


def number(call: Invocation, word: str) -> int:
    """Return an operand as an integer."""
    if not re.fullmatch("-?[0-9]{1,18}", word):
        raise CommandError(f"{call.name}: not integer: {word}")
    return int(word)


def _sleep(call: Invocation) -> Result:
    _require_operand(call, call.words)
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", call.words[0])
    if not match:
        raise CommandError(f"sleep: Not a number '{call.words[0]}'")
    unit = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]
    return Result(seconds=min(float(match[1]) * unit, 2.0**31))


def _test(call: Invocation) -> Result:
    words = list(call.words)
    if call.name == "[" and (not words or words.pop() != "]"):
        raise CommandError("/system/bin/sh: [: missing ]", 2)
    negated = words[:1] == ["!"]
    return Result(status=int(_evaluate(call, words[1:] if negated else words) == negated))


def _evaluate(call: Invocation, words: list[str]) -> bool:
    match words:
        case [("-e" | "-f" | "-d" | "-r") as operator, path]:
            exists = call.shell.disk.exists(call.path(path))
            is_directory = exists and call.shell.disk.find(call.path(path)).is_directory
            return exists and operator != ("-f" if is_directory else "-d")
        case ["-z", text]:
            return not text
        case ["-n", text] | [text]:
            return bool(text)
        case [left, ("=" | "==" | "!=") as operator, right]:
            return (left == right) != (operator == "!=")
        case [left, operator, right] if compare := _COMPARISONS.get(operator):
            return compare(number(call, left), number(call, right))
        case []:
            return False
        case _:
            raise CommandError(f"/system/bin/sh: {call.name}: unexpected operator/operand", 2)


def _status(status: int, _: Invocation) -> Result:
    return Result(status=status)


FILE_COMMANDS: Final[Mapping[str, Command]] = {
    ":": partial(_status, 0),
    "[": _test,
    "cat": _cat,
    "echo": _echo,
    "false": partial(_status, 1),
    "ls": _ls,
    "mkdir": _mkdir,
    "rm": _rm,
    "sleep": _sleep,
    "test": _test,
    "touch": _touch,
    "true": partial(_status, 0),
}
"""Commands by name."""
