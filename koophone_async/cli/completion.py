"""Completion for bash, zsh and fish, from the table of commands: a TAB imports no client.

The scripts that `koophone --show-completion` prints call `koophone` with the words so far in the environment.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from koophone_async.cli.command_table import Entry, table

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE: Final = "_KOOPHONE_COMPLETE"
"""The variable with the shell that asks, such as `complete_bash`."""

_HELP: Final = ("-h", "--help")


class Candidate(NamedTuple):
    """A word that completes the line."""

    value: str
    help: str = ""


def complete(environ: Mapping[str, str]) -> str | None:
    """Return what a shell needs to complete a line; None if the environment is not of such a call."""
    shell = _SHELLS.get(environ.get(VARIABLE, ""))
    return shell(environ) if shell else None


def candidates(words: list[str], incomplete: str) -> Iterator[Candidate]:
    """Yield what may stand at the end of a line.

    Args:
        words: The words after `koophone` and before the last.
        incomplete: What was typed of the last.
    """
    if "--" in words:
        return
    line = _Line.of(words)
    name, equals, typed = incomplete.partition("=")
    if line.pending:
        found = _values(line.entry["options"][line.pending] or [], incomplete, line)
    elif equals and (values := line.entry["options"].get(name)) is not None:
        found, incomplete = _values(values, typed, line), typed
    elif incomplete.startswith("-"):
        found = map(Candidate, (*line.entry["options"], *_HELP))
    elif "commands" in line.entry:
        found = (Candidate(name, child["help"]) for name, child in line.entry["commands"].items())
    else:
        found = _values(line.entry.get("argument", []), incomplete, line)
    yield from (candidate for candidate in found if candidate.value.startswith(incomplete))


class _Line(NamedTuple):
    """The complete words of a line."""

    entry: Entry
    """The command that they lead to."""

    pending: str
    """The option that still needs its value, if one does."""

    options: Mapping[str, str]
    """The options with a value."""

    @classmethod
    def of(cls, words: list[str]) -> _Line:
        entry, pending, options = table()["root"], "", dict[str, str]()
        for word in words:
            name, equals, value = word.partition("=")
            if pending and word != "=":  # bash splits at it
                options[pending], pending = word, ""
            elif word.startswith("-") and entry["options"].get(name) is not None:
                pending = "" if equals else name
                options |= {name: value} if equals else {}
            else:
                entry = entry.get("commands", {}).get(word.replace("_", "-"), entry)
        return cls(entry, pending, options)


def _values(values: list[str], incomplete: str, line: _Line) -> Iterator[Candidate]:
    for value in values:
        kind, _, operation = value.partition(" ")
        match kind:
            case "@fields":
                yield from map(Candidate, table()["fields"][operation])
            case "@columns":  # several, after commas
                before = incomplete[: incomplete.rfind(",") + 1]
                yield from (Candidate(before + name) for name in table()["fields"][operation])
            case "@operations":
                yield from _operations(table()["root"])
            case "@profiles":
                yield from map(Candidate, _profiles())
            case "@rollouts":
                from koophone_async.cli.targets import listed_rollouts  # noqa: PLC0415 - only this opens the journal

                yield from (Candidate(*pair) for pair in listed_rollouts.listed(line.options))
            case "@ids" | "@names":
                from koophone_async.cli.targets.listed_ids import listed  # noqa: PLC0415 - only this asks the service

                field = kind.removeprefix("@").removesuffix("s")
                yield from (Candidate(*pair) for pair in listed(operation, field, incomplete, line.options))
            case _:
                yield Candidate(value)


def _operations(entry: Entry) -> Iterator[Candidate]:
    if "operation" in entry:
        yield Candidate(entry["operation"], entry["help"])
    for child in entry.get("commands", {}).values():
        yield from _operations(child)


_MAX_PROFILES: Final = 2**20
"""Maximum size of the profile file in bytes, as where its keys are read."""


def _profiles() -> list[str]:
    """Return the sections of the profile file; the module that reads their keys is slow to import."""
    default = Path("~/.huaweicloud/credentials").expanduser()
    path = Path(os.environ.get("HUAWEICLOUD_SDK_CREDENTIALS_FILE") or default)
    from koophone_async.file_access import open_bounded  # noqa: PLC0415 - slow to import

    try:
        with open_bounded(path, _MAX_PROFILES) as file:
            return re.findall(r"^\[(.+?)\]", file.read().decode("utf-8-sig"), re.MULTILINE)
    except (OSError, ValueError):
        return []


_SHELL_SYNTAX: Final = re.compile(r"[\s|&;<>()$`\\\"'*?\[\]{}!]")


def _bash(environ: Mapping[str, str]) -> str:
    words, position = _split(environ.get("COMP_WORDS", "")), int(environ.get("COMP_CWORD", "1"))
    incomplete = "".join(words[position : position + 1]).removeprefix("=")  # bash splits at it
    found = candidates(words[1:position], incomplete)
    # bash puts a word into the line as it is: what the shell would split or execute there is left out.
    return "\n".join(candidate.value for candidate in found if not _SHELL_SYNTAX.search(candidate.value))


def _zsh(environ: Mapping[str, str]) -> str:
    shown = [_zsh_item(candidate) for candidate in candidates(*_typed(environ))]
    return f"_arguments '*: :(({chr(10).join(shown)}))'" if shown else "_files"


def _zsh_item(candidate: Candidate) -> str:
    value, text = map(_zsh_escaped, candidate)
    return f'"{value}":"{text}"' if text else f'"{value}"'


def _zsh_escaped(text: str) -> str:
    """Return a text for zsh, which reads it three times: in single quotes, in double quotes, and before `:`.

    Names are the service's: what would be left unescaped would be executed.
    """
    text = re.sub(r"[\\:]", r"\\\g<0>", text)
    text = re.sub(r'[\\"$`]', r"\\\g<0>", text)
    return text.replace("'", r"'\''")


def _fish(environ: Mapping[str, str]) -> str | None:
    shown = [f"{value}\t{text}" if text else value for value, text in candidates(*_typed(environ))]
    if environ.get("_TYPER_COMPLETE_FISH_ACTION") == "is-args":
        raise SystemExit(0 if shown else 1)
    return "\n".join(shown)


def _typed(environ: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the complete words of a line and the incomplete one, for zsh and fish."""
    line = environ.get("_TYPER_COMPLETE_ARGS", "")
    words = _split(line)[1:]
    return (words, "") if not words or line.endswith(" ") else (words[:-1], words[-1])


def _split(line: str) -> list[str]:
    """Split a line into words as a shell does; a quote that is still open ends with the line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(lexer)
    except ValueError:
        words.append(lexer.token)
    return words


_SHELLS: Final[Mapping[str, Callable[[Mapping[str, str]], str | None]]] = {
    "complete_bash": _bash,
    "complete_zsh": _zsh,
    "complete_fish": _fish,
}
