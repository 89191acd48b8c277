"""The commands for files, in the words and columns of toybox 0.8."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from koophone_async.emulator.android.parser import Failed
from koophone_async.emulator.android.shell import Call, Command, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from koophone_async.emulator.android.filesystem import Entry


def _needs_operand(call: Call, operands: list[str]) -> None:
    if not operands:
        raise Failed(f'{call.name}: Needs 1 argument (see "{call.name} --help")')


def each(call: Call, operands: Iterable[str], act: Callable[[str], object], *, quoted: bool = False) -> Ran:
    """Do something to every operand, and go on where one fails."""
    errors = ""
    for word in operands:
        try:
            act(word)
        except OSError as error:
            shown = f"'{word}'" if quoted else word
            errors += f"{call.name}: {shown}: {error.strerror}\n"
    return Ran(status=1 if errors else 0, errors=errors)


def texts(call: Call, operands: list[str], wrong: int = 1) -> tuple[list[tuple[str, str]], Ran]:
    """The texts of the operands with their names, or what was fed in; and what could not be read."""
    texts: list[tuple[str, str]] = []

    def read(word: str) -> None:
        texts.append((word, call.given if word == "-" else call.shell.disk.read(call.path(word))))

    ran = each(call, operands or ["-"], read)
    return texts, Ran(status=wrong if ran.status else 0, errors=ran.errors)


def _cat(call: Call) -> Ran:
    _, operands = call.options("u")
    read, ran = texts(call, operands)
    return Ran("".join(text for _, text in read), ran.status, ran.errors)


def _echo(call: Call) -> Ran:
    words, newline, escapes = list(call.words), "\n", True
    while words and re.fullmatch("-[neE]+", words[0]):
        letters = words.pop(0)
        newline = "" if "n" in letters else newline
        escapes = "E" not in letters
    text = " ".join(words)
    return Ran((_unescape(text) if escapes else text) + newline)


def _unescape(text: str) -> str:
    known = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
    return re.sub(r"\\([ntr\\])", lambda found: known[found[1]], text)


def _ls(call: Call) -> Ran:
    letters, operands = call.options("1aAdl")
    disk, found = call.shell.disk, list[tuple[str, "Entry"]]()
    ran = each(call, operands or ["."], lambda word: found.append((word, disk.find(call.path(word)))))
    files = [one for one in found if "d" in letters or not one[1].directory]
    folders = [one for one in found if one not in files]
    blocks = [_rows(files, letters)] if files else []
    for word, entry in folders:
        title = f"{word}:\n" if len(found) > 1 else ""
        blocks.append(title + _folder(call, entry, letters))
    return Ran("\n".join(blocks), ran.status, ran.errors)


def _folder(call: Call, folder: Entry, letters: set[str]) -> str:
    names = call.shell.disk.names(folder.path)
    if not letters & {"a", "A"}:
        names = [name for name in names if not name.startswith(".")]
    if "a" in letters:
        names = [".", "..", *names]
    rows = [(name, call.shell.disk.find(f"{folder.path}/{name}")) for name in names]
    blocks = sum(4 for _, entry in rows if entry.size)
    return (f"total {blocks}\n" if "l" in letters else "") + _rows(rows, letters)


def _rows(rows: list[tuple[str, Entry]], letters: set[str]) -> str:
    if "l" not in letters:
        return "".join(f"{name}\n" for name, _ in rows)
    columns = [(_mode(entry), *_owner(entry), str(entry.size)) for _, entry in rows]
    user, group, size = (max((len(row[at]) for row in columns), default=0) for at in (1, 2, 3))
    return "".join(
        f"{mode} {2 if entry.directory else 1} {owner:<{user}} {owners:<{group}} {length:>{size}}"
        f" {datetime.fromtimestamp(entry.changed, UTC):%Y-%m-%d %H:%M} {name}\n"
        for (name, entry), (mode, owner, owners, length) in zip(rows, columns, strict=True)
    )


def _mode(entry: Entry) -> str:
    if entry.shared:
        return "drwxrwx--x" if entry.directory else "-rw-rw----"
    return "drwxr-xr-x" if entry.directory else "-rw-r--r--"


def _owner(entry: Entry) -> tuple[str, str]:
    if entry.shared:
        return "root", "sdcard_rw"
    return ("shell", "shell") if entry.path.startswith("/data/local/tmp") else ("root", "root")


def _mkdir(call: Call) -> Ran:
    letters, operands = call.options("p")
    _needs_operand(call, operands)

    def make(word: str) -> None:
        path = call.path(word)
        parts = path.strip("/").split("/")
        for end in range(1 if "p" in letters else len(parts), len(parts) + 1):
            above = "/" + "/".join(parts[:end])
            if not ("p" in letters and call.shell.disk.exists(above)):
                call.shell.disk.make(above, call.shell.clock)

    return each(call, operands, make, quoted=True)


def _rm(call: Call) -> Ran:
    letters, operands = call.options("fRr")
    if "f" not in letters:
        _needs_operand(call, operands)
    disk = call.shell.disk

    def remove(word: str) -> None:
        path = call.path(word)
        if "f" in letters and not disk.exists(path):
            return
        if disk.find(path).directory and not letters & {"r", "R"}:
            raise IsADirectoryError(0, "Is a directory")
        disk.remove(path)

    return each(call, operands, remove)


def _touch(call: Call) -> Ran:
    _, operands = call.options("acm")
    _needs_operand(call, operands)
    disk, clock = call.shell.disk, call.shell.clock
    return each(call, operands, lambda word: disk.touch(call.path(word), clock), quoted=True)


def number(call: Call, word: str) -> int:
    """A whole number that was written as an operand."""
    if not re.fullmatch("-?[0-9]{1,18}", word):
        raise Failed(f"{call.name}: not integer: {word}")
    return int(word)


def _sleep(call: Call) -> Ran:
    _needs_operand(call, call.words)
    found = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([smhd]?)", call.words[0])
    if not found:
        raise Failed(f"sleep: Not a number '{call.words[0]}'")
    unit = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[found[2]]
    return Ran(seconds=min(float(found[1]) * unit, 2.0**31))


def _test(call: Call) -> Ran:
    words = list(call.words)
    if call.name == "[" and (not words or words.pop() != "]"):
        raise Failed("/system/bin/sh: [: missing ]", 2)
    negated = words[:1] == ["!"]
    return Ran(status=int(_holds(call, words[1:] if negated else words) == negated))


def _holds(call: Call, words: list[str]) -> bool:
    match words:
        case [("-e" | "-f" | "-d" | "-r") as asked, path]:
            there = call.shell.disk.exists(call.path(path))
            folder = there and call.shell.disk.find(call.path(path)).directory
            return there and asked != ("-f" if folder else "-d")
        case ["-z", text]:
            return not text
        case ["-n", text] | [text]:
            return bool(text)
        case [left, ("=" | "==" | "!=") as asked, right]:
            return (left == right) != (asked == "!=")
        case [left, ("-eq" | "-ne" | "-lt" | "-gt" | "-le" | "-ge") as asked, right]:
            return _compare(number(call, left), asked, number(call, right))
        case []:
            return False
        case _:
            raise Failed(f"/system/bin/sh: {call.name}: unexpected operator/operand", 2)


def _compare(left: int, asked: str, right: int) -> bool:
    below, above = left < right, left > right
    return {
        "-eq": left == right,
        "-ne": left != right,
        "-lt": below,
        "-gt": above,
        "-le": not above,
        "-ge": not below,
    }[asked]


def _status(status: int, _: Call) -> Ran:
    return Ran(status=status)


TOYBOX: Final[Mapping[str, Command]] = {
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
"""The commands by name."""
