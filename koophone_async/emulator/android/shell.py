"""The shell of a phone: expansion, pipes, redirections and the built-in commands.

It prints the same as Android's `/system/bin/sh` (mksh). Standard error of a pipeline comes before its
standard output, as output is buffered in a pipe and errors are not.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from attrs import Factory, define, evolve, field, frozen

from koophone_async.emulator.android.filesystem import FileSystem
from koophone_async.emulator.android.parser import (
    DOUBLE,
    SUBSTITUTION,
    CommandError,
    SimpleCommand,
    parse,
    shell_error,
)

_BARE: Final = re.compile(r"[\w./:=,+-]+")
_PIECE: Final = re.compile(
    rf"""'(?P<single>[^']*)'|(?P<double>{DOUBLE})|\\(?P<escaped>.)|(?P<command>{SUBSTITUTION})"""
    r"""|\$(?:(?P<name>\w+|\?)|\{(?P<braced>\w+)\})|(?P<plain>.)""",
    re.DOTALL,
)
_QUOTED_PIECE: Final = re.compile(
    rf"""\\(?P<escaped>["$`\\])|(?P<command>{SUBSTITUTION})|\$(?:(?P<name>\w+|\?)|\{{(?P<braced>\w+)\}})""",
)
_ASSIGNMENT: Final = re.compile(r"(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.DOTALL)
_MAX_ARGUMENT: Final = 128 * 1024
"""The kernel's limit for one argument, in characters; it stops a line that doubles a variable repeatedly."""

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
class Result:
    """The result of a command."""

    output: str = ""
    status: int = 0
    errors: str = ""
    """Standard error; empty in the result of `run`, whose `output` contains both streams."""

    seconds: float = 0.0
    """How long it would have slept."""


@frozen
class Invocation:
    """One call of a command."""

    shell: Shell
    name: str
    words: list[str]
    stdin: str

    def path(self, word: str) -> str:
        """Return the absolute path of an operand."""
        return self.shell.path(word)

    def options(self, letters: str) -> tuple[set[str], list[str]]:
        """Split leading options such as `-la` from the operands.

        Raises:
            CommandError: The command has no such option.
        """
        options: set[str] = set()
        operands = list(self.words)
        while operands and re.fullmatch(r"-\S+", operands[0]):
            word = operands.pop(0)
            if word == "--":
                break
            if word.startswith("--"):
                raise self._unknown_option(word[2:])
            options.update(word[1:])
        if unknown := sorted(options - set(letters)):
            raise self._unknown_option(unknown[0])
        return options, operands

    def _unknown_option(self, option: str) -> CommandError:
        return CommandError(f"{self.name}: Unknown option '{option}' (see \"{self.name} --help\")")


Command: TypeAlias = Callable[[Invocation], Result]


@define(eq=False)
class Shell:
    """A shell with its variables and its working directory."""

    disk: FileSystem
    now: datetime
    program: Callable[[str], Command | None]
    variables: dict[str, str] = Factory(lambda: dict(_ENVIRONMENT))
    directory: str = "/"
    status: int = 0
    has_exited: bool = field(default=False, init=False)
    _substitution_errors: str = field(default="", init=False)
    """Standard error of substituted commands, which comes before that of the command itself."""

    _seconds: float = field(default=0.0, init=False)
    _substitution_status: int = field(default=0, init=False)
    """Status of the last substituted command, and so of a line with assignments only."""

    @property
    def clock(self) -> int:
        """The modification time of files that are written now."""
        return int(self.now.timestamp())

    def path(self, word: str) -> str:
        """Return an absolute path; relative ones start at the working directory."""
        return posixpath.join(self.directory, word)

    def run(self, line: str) -> Iterator[Result]:
        """Run a line; yield the result of each of its pipelines."""
        try:
            pipelines = parse(line)
        except CommandError as error:
            self.status = error.status
            yield Result(status=error.status, errors=error.message)
            return
        for pipeline in pipelines:
            if self._skips(pipeline.separator):
                continue
            yield self._run_pipeline(pipeline.commands)
            if self.has_exited:
                return

    def _skips(self, separator: str) -> bool:
        return (separator == "&&" and self.status != 0) or (separator == "||" and self.status == 0)

    def _run_pipeline(self, commands: list[SimpleCommand]) -> Result:
        output, errors, seconds = "", "", 0.0
        for command in commands:
            shell = self if len(commands) == 1 else self._child()
            result = shell.run_simple(command, output)
            output, errors, seconds = result.output, errors + result.errors, seconds + result.seconds
            self.status = result.status
        return Result(output, self.status, errors, seconds)

    def _child(self) -> Shell:
        return evolve(self, variables=dict(self.variables))

    def run_simple(self, command: SimpleCommand, stdin: str) -> Result:
        """Run one command with its redirections."""
        self._substitution_errors, self._seconds, self._substitution_status = "", 0.0, 0
        try:
            sinks, stdin = self._redirect(command.redirects, stdin)
            result = self._write(self._run_words(command.words, stdin), sinks)
        except OSError as error:  # the command removed the file of its own output, or the file is full
            result = Result(status=1, errors=f"{command.words[0]}: write: {error.strerror}\n")
        except CommandError as error:
            result = Result(status=error.status, errors=error.message)
        return evolve(
            result, errors=self._substitution_errors + result.errors, seconds=self._seconds + result.seconds
        )

    def _run_words(self, written: list[str], stdin: str) -> Result:
        rest = list(written)
        while rest and (assignment := _ASSIGNMENT.fullmatch(rest[0])):
            self.variables[assignment["name"]] = " ".join(self._expand(assignment["value"]))
            rest.pop(0)
        words = [part for word in rest for part in self._expand(word)]
        if not words:
            return Result(status=self._substitution_status)
        return self._find_command(words[0])(Invocation(self, words[0], words[1:], stdin))

    def _find_command(self, name: str) -> Command:
        bare = name.removeprefix("/system/bin/")
        if command := _BUILT_INS.get(bare) or self.program(bare):
            return command
        if "/" in name and self.disk.exists(self.path(name)):
            raise shell_error(f"{name}: can't execute: Permission denied", 126)
        raise shell_error(f"{name}: inaccessible or not found", 127)

    def _redirect(self, redirects: list[tuple[str, str]], stdin: str) -> tuple[dict[str, str], str]:
        """Return the sinks of both output streams (a path, or the number of a stream), and standard input."""
        sinks = {"1": "1", "2": "2"}
        for operator, written in redirects:
            target = "".join(self._expand(written))
            if operator == "<":
                stdin = self._open(target)
            elif "&" in operator:
                sinks[operator[0] if operator[0] != ">" else "1"] = sinks[operator[-1]]
            else:
                sinks["2" if operator[0] == "2" else "1"] = self._create(target, append=">>" in operator)
        return sinks, stdin

    def _open(self, path: str) -> str:
        try:
            return self.disk.read(self.path(path))
        except OSError as error:
            raise shell_error(f"can't open {path}: {error.strerror}") from None

    def _create(self, path: str, *, append: bool) -> str:
        try:
            self.disk.write(self.path(path), "", self.clock, append=append)
        except OSError as error:
            raise shell_error(f"can't create {path}: {error.strerror}") from None
        return self.path(path)

    def _write(self, result: Result, sinks: dict[str, str]) -> Result:
        streams = {"1": "", "2": ""}
        for sink, text in ((sinks["2"], result.errors), (sinks["1"], result.output)):
            if sink in streams:
                streams[sink] += text
            else:
                self.disk.write(sink, text, self.clock, append=True)
        return evolve(result, output=streams["1"], errors=streams["2"])

    def _expand(self, written: str) -> list[str]:
        """Return the fields that a word expands to: none, one or several."""
        if _BARE.fullmatch(written):
            return [written]
        text = "".join(self._expand_piece(piece) for piece in _PIECE.finditer(written))
        if len(text) > _MAX_ARGUMENT:
            raise shell_error("Argument list too long")
        is_quoted = any(mark in written for mark in "'\"\\")
        fields = [part for part in text.split("\0") if part or is_quoted]
        if is_quoted or not any(mark in text for mark in "*?["):
            return fields
        return [name for part in fields for name in self._match_paths(part)]

    def _expand_piece(self, piece: re.Match[str]) -> str:
        if piece["double"] is not None:
            return _QUOTED_PIECE.sub(self._expand_quoted, piece["double"][1:-1])
        for literal in ("single", "escaped", "plain"):
            if piece[literal] is not None:
                return piece[literal]
        return re.sub(r"\s+", "\0", self._value(piece))

    def _expand_quoted(self, piece: re.Match[str]) -> str:
        return piece["escaped"] or self._value(piece)

    def _value(self, piece: re.Match[str]) -> str:
        if piece["command"]:
            return self._substitute(piece["command"])
        name = piece["name"] or piece["braced"]
        return str(self.status) if name == "?" else self.variables.get(name, "")

    def _substitute(self, written: str) -> str:
        child = self._child()
        results = list(child.run(written[1:-1] if written[0] == "`" else written[2:-1]))
        self._substitution_status = child.status
        self._substitution_errors += "".join(one.errors for one in results)
        self._seconds += sum(one.seconds for one in results)
        return "".join(one.output for one in results).rstrip("\n")

    def _match_paths(self, pattern: str) -> list[str]:
        start = "" if pattern.startswith("/") else self.directory.rstrip("/") + "/"
        return [path[len(start) :] for path in self.disk.matching(start + pattern)] or [pattern]


def _cd(call: Invocation) -> Result:
    target = call.path(call.words[0] if call.words else "/")
    try:
        entry = call.shell.disk.find(target)
    except OSError as error:
        raise shell_error(f"cd: {target}: {error.strerror}", 2) from None
    if not entry.is_directory:
        raise shell_error(f"cd: {target}: Not a directory", 2)
    call.shell.directory = posixpath.normpath(target)
    return Result()


def _exit(call: Invocation) -> Result:
    word = call.words[0] if call.words else str(call.shell.status)
    call.shell.has_exited = True
    if not re.fullmatch("[0-9]{1,9}", word):
        raise shell_error(f"exit: bad number: {word}")
    return Result(status=int(word) % 256)


def _sh(call: Invocation) -> Result:
    if call.words[:1] != ["-c"] or len(call.words) == 1:
        return Result()
    shell = Shell(call.shell.disk, call.shell.now, call.shell.program, dict(call.shell.variables))
    results = list(shell.run(call.words[1]))
    output, errors = "".join(one.output for one in results), "".join(one.errors for one in results)
    return Result(output, shell.status, errors, sum(one.seconds for one in results))


def _pwd(call: Invocation) -> Result:
    return Result(f"{call.shell.directory}\n")


def _export(call: Invocation) -> Result:
    for word in call.words:
        if assignment := _ASSIGNMENT.fullmatch(word):
            call.shell.variables[assignment["name"]] = assignment["value"]
    return Result()


_BUILT_INS: Final[Mapping[str, Command]] = {
    "cd": _cd,
    "exit": _exit,
    "export": _export,
    "pwd": _pwd,
    "sh": _sh,
}
