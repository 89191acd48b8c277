"""The shell that reads a line on a phone: expansion, pipes, redirections, its own few commands.

It prints what Android's `/system/bin/sh` (mksh) prints. What a command writes to its two streams comes
back as one text, the errors of a pipeline before its output, as a pipe delivers them.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from koophone_async.emulator.android.parser import DOUBLE, SUBSTITUTION, Failed, Simple, complaint, parse

if TYPE_CHECKING:
    from datetime import datetime

    from koophone_async.emulator.android.filesystem import Disk

_BARE: Final = re.compile(r"[\w./:=,+-]+")
_PIECE: Final = re.compile(
    rf"""'(?P<single>[^']*)'|(?P<double>{DOUBLE})|\\(?P<escaped>.)|(?P<command>{SUBSTITUTION})"""
    r"""|\$(?:(?P<name>\w+|\?)|\{(?P<braced>\w+)\})|(?P<plain>.)""",
    re.DOTALL,
)
_INSIDE: Final = re.compile(
    rf"""\\(?P<escaped>["$`\\])|(?P<command>{SUBSTITUTION})|\$(?:(?P<name>\w+|\?)|\{{(?P<braced>\w+)\}})""",
)
_ASSIGNMENT: Final = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)
_LONGEST: Final = 128 * 1024
"""Characters of one word, as the kernel limits them: a line may double a variable a hundred times."""

_ENVIRONMENT: Final = {
    "ANDROID_DATA": "/data",
    "ANDROID_ROOT": "/system",
    "EXTERNAL_STORAGE": "/sdcard",
    "HOME": "/",
    "HOSTNAME": "localhost",
    "PATH": "/system/bin:/system/xbin:/vendor/bin",
    "SHELL": "/bin/sh",
    "TMPDIR": "/data/local/tmp",
    "USER": "shell",
}


@frozen
class Ran:
    """What a command left behind."""

    output: str = ""
    status: int = 0
    errors: str = ""
    """The second stream; empty in what `run` answers, where `output` holds both."""

    seconds: float = 0.0
    """How much longer than usual it would have taken on a phone, by `sleep`."""


@frozen
class Call:
    """One command as it is about to run."""

    shell: Shell
    name: str
    words: list[str]
    given: str
    """What a pipe or a redirection feeds it."""

    def path(self, word: str) -> str:
        """An absolute path of what may be written relative."""
        return self.shell.path(word)

    def options(self, letters: str) -> tuple[set[str], list[str]]:
        """Split leading options such as `-la` from the operands.

        Raises:
            Failed: A letter that the command does not know.
        """
        given: set[str] = set()
        operands = list(self.words)
        while operands and re.fullmatch(r"-\S+", operands[0]):
            word = operands.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                raise self._unknown(word[2:])
            given.update(word[1:])
        if unknown := sorted(given - set(letters)):
            raise self._unknown(unknown[0])
        return given, operands

    def _unknown(self, option: str) -> Failed:
        return Failed(f"{self.name}: Unknown option '{option}' (see \"{self.name} --help\")")


Command: TypeAlias = Callable[[Call], Ran]


@define(eq=False)
class Shell:
    """One shell while it runs a line."""

    disk: Disk
    now: datetime
    program: Callable[[str], Command | None]
    variables: dict[str, str] = Factory(lambda: dict(_ENVIRONMENT))
    directory: str = "/"
    status: int = 0
    left: bool = field(default=False, init=False)
    """Whether `exit` was run."""

    _stray: str = field(default="", init=False)
    """Errors of substituted commands, which belong before those of the command itself."""

    _seconds: float = field(default=0.0, init=False)
    _substituted: int = field(default=0, init=False)
    """Status of the last substituted command, which is that of a line that only assigns."""

    @property
    def clock(self) -> int:
        """The time that files get."""
        return int(self.now.timestamp())

    def path(self, word: str) -> str:
        """An absolute path of what may be written relative to the working directory."""
        return posixpath.join(self.directory, word)

    def line(self, text: str) -> Iterator[Ran]:
        """Run a line, one pipeline after the other."""
        try:
            pipelines = parse(text)
        except Failed as failed:
            self.status = failed.status
            yield Ran(status=failed.status, errors=failed.words)
            return
        for pipeline in pipelines:
            if self._skips(pipeline.joint):
                continue
            yield self._pipeline(pipeline.commands)
            if self.left:
                return

    def _skips(self, joint: str) -> bool:
        return (joint == "&&" and self.status != 0) or (joint == "||" and self.status == 0)

    def _pipeline(self, commands: list[Simple]) -> Ran:
        given, errors, seconds = "", "", 0.0
        for command in commands:
            shell = self if len(commands) == 1 else self._child()
            ran = shell.simple(command, given)
            given, errors, seconds = ran.output, errors + ran.errors, seconds + ran.seconds
            self.status = ran.status
        return Ran(given, self.status, errors, seconds)

    def _child(self) -> Shell:
        return evolve(self, variables=dict(self.variables))

    def simple(self, command: Simple, given: str) -> Ran:
        """Run one command with its redirections."""
        self._stray, self._seconds, self._substituted = "", 0.0, 0
        try:
            sinks, given = self._redirect(command.redirects, given)
            ran = self._deliver(self._words(command.words, given), sinks)
        except OSError as error:  # a file that took a command's output is gone, or full
            ran = Ran(status=1, errors=f"{command.words[0]}: write: {error.strerror}\n")
        except Failed as failed:
            ran = Ran(status=failed.status, errors=failed.words)
        return evolve(ran, errors=self._stray + ran.errors, seconds=self._seconds + ran.seconds)

    def _words(self, written: list[str], given: str) -> Ran:
        rest = list(written)
        while rest and (assignment := _ASSIGNMENT.fullmatch(rest[0])):
            self.variables[assignment["name"]] = " ".join(self._expand(assignment["value"]))
            rest.pop(0)
        words = [part for word in rest for part in self._expand(word)]
        if not words:
            return Ran(status=self._substituted)
        return self._command(words[0])(Call(self, words[0], words[1:], given))

    def _command(self, name: str) -> Command:
        bare = name.removeprefix("/system/bin/")
        if found := _BUILT_IN.get(bare) or self.program(bare):
            return found
        if "/" in name and self.disk.exists(self.path(name)):
            raise Failed(f"/system/bin/sh: {name}: can't execute: Permission denied", 126)
        raise Failed(f"/system/bin/sh: {name}: inaccessible or not found", 127)

    def _redirect(self, redirects: list[tuple[str, str]], given: str) -> tuple[dict[str, str], str]:
        """Where both streams go (a path, or the stream's own number), and what is read."""
        sinks = {"1": "1", "2": "2"}
        for operator, written in redirects:
            target = "".join(self._expand(written))
            if operator == "<":
                given = self._open(target)
            elif "&" in operator:
                sinks[operator[0] if operator[0] != ">" else "1"] = sinks[operator[-1]]
            else:
                sinks["2" if operator[0] == "2" else "1"] = self._create(target, append=">>" in operator)
        return sinks, given

    def _open(self, path: str) -> str:
        try:
            return self.disk.read(self.path(path))
        except OSError as error:
            raise complaint(f"can't open {path}: {error.strerror}") from None

    def _create(self, path: str, *, append: bool) -> str:
        try:
            self.disk.write(self.path(path), "", self.clock, append=append)
        except OSError as error:
            raise complaint(f"can't create {path}: {error.strerror}") from None
        return self.path(path)

    def _deliver(self, ran: Ran, sinks: dict[str, str]) -> Ran:
        kept = {"1": "", "2": ""}
        for sink, text in ((sinks["2"], ran.errors), (sinks["1"], ran.output)):
            if sink in kept:
                kept[sink] += text
            else:
                self.disk.write(sink, text, self.clock, append=True)
        return evolve(ran, output=kept["1"], errors=kept["2"])

    def _expand(self, written: str) -> list[str]:
        """The fields that one written word stands for: none, one, or several."""
        if _BARE.fullmatch(written):
            return [written]
        text = "".join(self._piece(piece) for piece in _PIECE.finditer(written))
        if len(text) > _LONGEST:
            raise complaint("Argument list too long")
        quoted = any(mark in written for mark in "'\"\\")
        fields = [part for part in text.split("\0") if part or quoted]
        if quoted or not any(mark in text for mark in "*?["):
            return fields
        return [name for part in fields for name in self._matching(part)]

    def _piece(self, piece: re.Match[str]) -> str:
        if piece["double"] is not None:
            return _INSIDE.sub(self._inside, piece["double"][1:-1])
        for literal in ("single", "escaped", "plain"):
            if piece[literal] is not None:
                return piece[literal]
        return re.sub(r"\s+", "\0", self._value(piece))

    def _inside(self, piece: re.Match[str]) -> str:
        return piece["escaped"] or self._value(piece)

    def _value(self, piece: re.Match[str]) -> str:
        if piece["command"]:
            return self._substitute(piece["command"])
        name = piece["name"] or piece["braced"]
        return str(self.status) if name == "?" else self.variables.get(name, "")

    def _substitute(self, written: str) -> str:
        child = self._child()
        ran = list(child.line(written[1:-1] if written[0] == "`" else written[2:-1]))
        self._substituted = child.status
        self._stray += "".join(one.errors for one in ran)
        self._seconds += sum(one.seconds for one in ran)
        return "".join(one.output for one in ran).rstrip("\n")

    def _matching(self, pattern: str) -> list[str]:
        start = "" if pattern.startswith("/") else self.directory.rstrip("/") + "/"
        return [path[len(start) :] for path in self.disk.matching(start + pattern)] or [pattern]


def _change_directory(call: Call) -> Ran:
    target = call.path(call.words[0] if call.words else "/")
    try:
        found = call.shell.disk.find(target)
    except OSError as error:
        raise Failed(f"/system/bin/sh: cd: {target}: {error.strerror}", 2) from None
    if not found.directory:
        raise Failed(f"/system/bin/sh: cd: {target}: Not a directory", 2)
    call.shell.directory = posixpath.normpath(target)
    return Ran()


def _exit(call: Call) -> Ran:
    word = call.words[0] if call.words else str(call.shell.status)
    call.shell.left = True
    if not re.fullmatch("[0-9]{1,9}", word):
        raise complaint(f"exit: bad number: {word}")
    return Ran(status=int(word) % 256)


def _nested(call: Call) -> Ran:
    if call.words[:1] != ["-c"] or len(call.words) == 1:
        return Ran()
    shell = Shell(call.shell.disk, call.shell.now, call.shell.program, dict(call.shell.variables))
    ran = list(shell.line(call.words[1]))
    output, errors = "".join(one.output for one in ran), "".join(one.errors for one in ran)
    return Ran(output, shell.status, errors, sum(one.seconds for one in ran))


def _working_directory(call: Call) -> Ran:
    return Ran(f"{call.shell.directory}\n")


def _export(call: Call) -> Ran:
    for word in call.words:
        if assignment := _ASSIGNMENT.fullmatch(word):
            call.shell.variables[assignment["name"]] = assignment["value"]
    return Ran()


_BUILT_IN: Final[Mapping[str, Command]] = {
    "cd": _change_directory,
    "exit": _exit,
    "export": _export,
    "pwd": _working_directory,
    "sh": _nested,
}
