"""Parser of shell lines: words, pipes, redirections, `;`, `&&` and `||`.

Loops, functions, subshells in parentheses, arithmetic and here-documents are not supported; `&` is the same
as `;`, because no command runs for long.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from attrs import Factory, define, field

SUBSTITUTION: Final = r"\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`"
DOUBLE: Final = rf'"(?:{SUBSTITUTION}|[^"\\]|\\.)*"'
_WORD: Final = rf"""(?:[^\s'"\\;|&<>()$`]|\\.|'[^']*'|{DOUBLE}|{SUBSTITUTION}|\$)+"""
_TOKEN: Final = re.compile(
    rf"[^\S\n]+|\#[^\n]*|(?P<redirect>[12]?>&[12]|[12]?>>?|<)|(?P<separator>&&|\|\||[;|&\n])|(?P<word>{_WORD})",
    re.DOTALL,
)


class CommandError(Exception):
    """A command failed, with a message for its standard error and an exit status."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.message: str = f"{message}\n"
        self.status = status


def shell_error(message: str, status: int = 1) -> CommandError:
    """Return an error of the shell itself."""
    return CommandError(f"/system/bin/sh: {message}", status)


@define
class SimpleCommand:
    """A command without operators: its words as written, and its redirections with their targets."""

    words: list[str] = field(factory=list[str])
    redirects: list[tuple[str, str]] = field(factory=list[tuple[str, str]])

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing before the next separator."""
        return not self.words and not self.redirects


@define
class Pipeline:
    """Commands connected by pipes, with the separator in front of them."""

    separator: str = ";"
    commands: list[SimpleCommand] = Factory(lambda: [SimpleCommand()])


@define
class _Parser:
    """The state of parsing a line."""

    pipelines: list[Pipeline] = Factory(lambda: [Pipeline()])
    redirect: str = ""
    last: str = ";"

    @property
    def current(self) -> SimpleCommand:
        return self.pipelines[-1].commands[-1]

    def add_word(self, text: str) -> None:
        if self.redirect:
            self.current.redirects.append((self.redirect, text))
            self.redirect = ""
        else:
            self.current.words.append(text)

    def add_redirect(self, text: str) -> None:
        if self.redirect:
            raise shell_error(f"syntax error: unexpected '{text}'")
        if "&" in text:
            self.current.redirects.append((text, ""))
        else:
            self.redirect = text

    def add_separator(self, text: str) -> None:
        if text == "\n" and self.current.is_empty:
            return
        if self.redirect or self.current.is_empty:
            raise shell_error(f"syntax error: unexpected '{text.replace(chr(10), 'newline')}'")
        self.last = text
        if text == "|":
            self.pipelines[-1].commands.append(SimpleCommand())
        else:
            self.pipelines.append(Pipeline(text))

    def finish(self) -> tuple[Pipeline, ...]:
        if self.redirect or (self.current.is_empty and self.last in {"|", "&&", "||"}):
            raise shell_error("syntax error: unexpected EOF")
        if self.current.is_empty:
            self.pipelines.pop()
        return tuple(self.pipelines)


@lru_cache(maxsize=256)
def parse(line: str) -> tuple[Pipeline, ...]:
    """Parse a line.

    The result is cached, because many phones run the same line; it must not be changed.

    Raises:
        CommandError: The line has a syntax error; none of it may run.
    """
    parser = _Parser()
    for kind, text in _tokens(line):
        if kind == "word":
            parser.add_word(text)
        elif kind == "redirect":
            parser.add_redirect(text)
        else:
            parser.add_separator(text)
    return parser.finish()


def _tokens(line: str) -> Iterator[tuple[str, str]]:
    """Yield the tokens of a line with their kinds: word, redirect or separator."""
    at = 0
    while at < len(line):
        token = _TOKEN.match(line, at)
        if token is None:
            raise shell_error(_syntax_error(line[at]))
        at = token.end()
        if token.lastgroup:
            yield token.lastgroup, token.group()


def _syntax_error(character: str) -> str:
    return f"syntax error: unexpected '{character}'" if character in "()" else "no closing quote"
