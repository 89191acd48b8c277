"""The grammar of one shell line: words, pipes, redirections, `;`, `&&`, `||`.

Loops, functions, subshells in parentheses, arithmetic and here-documents are left out; `&` separates like
`;`, because nothing here runs for long.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from attrs import Factory, define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

SUBSTITUTION: Final = r"\$\((?:[^()]|\([^()]*\))*\)|`[^`]*`"
DOUBLE: Final = rf'"(?:{SUBSTITUTION}|[^"\\]|\\.)*"'
_WORD: Final = rf"""(?:[^\s'"\\;|&<>()$`]|\\.|'[^']*'|{DOUBLE}|{SUBSTITUTION}|\$)+"""
_TOKEN: Final = re.compile(
    rf"[^\S\n]+|\#[^\n]*|(?P<redirect>[12]?>&[12]|[12]?>>?|<)|(?P<joint>&&|\|\||[;|&\n])|(?P<word>{_WORD})",
    re.DOTALL,
)


class Failed(Exception):
    """A command ended early, with these words on the second stream."""

    def __init__(self, words: str, status: int = 1) -> None:
        super().__init__(words)
        self.words = f"{words}\n"
        self.status = status


def complaint(words: str) -> Failed:
    """What the shell itself has to say."""
    return Failed(f"/system/bin/sh: {words}")


@define
class Simple:
    """One command: its words as written, and its redirections as operator and target."""

    words: list[str] = field(factory=list[str])
    redirects: list[tuple[str, str]] = field(factory=list[tuple[str, str]])

    @property
    def empty(self) -> bool:
        """Whether nothing was written before the next operator."""
        return not self.words and not self.redirects


@define
class Pipeline:
    """Commands joined by pipes, and the operator that stands before them."""

    joint: str = ";"
    commands: list[Simple] = Factory(lambda: [Simple()])


@define
class _Reader:
    """A line as far as it was read."""

    pipelines: list[Pipeline] = Factory(lambda: [Pipeline()])
    redirect: str = ""
    last: str = ";"

    @property
    def current(self) -> Simple:
        return self.pipelines[-1].commands[-1]

    def word(self, text: str) -> None:
        if self.redirect:
            self.current.redirects.append((self.redirect, text))
            self.redirect = ""
        else:
            self.current.words.append(text)

    def operator(self, text: str) -> None:
        if self.redirect:
            raise complaint(f"syntax error: unexpected '{text}'")
        if "&" in text:
            self.current.redirects.append((text, ""))
        else:
            self.redirect = text

    def joint(self, text: str) -> None:
        if text == "\n" and self.current.empty:
            return
        if self.redirect or self.current.empty:
            raise complaint(f"syntax error: unexpected '{text.replace(chr(10), 'newline')}'")
        self.last = text
        if text == "|":
            self.pipelines[-1].commands.append(Simple())
        else:
            self.pipelines.append(Pipeline(text))

    def end(self) -> tuple[Pipeline, ...]:
        if self.redirect or (self.current.empty and self.last in {"|", "&&", "||"}):
            raise complaint("syntax error: unexpected EOF")
        if self.current.empty:
            self.pipelines.pop()
        return tuple(self.pipelines)


@lru_cache(maxsize=256)
def parse(line: str) -> tuple[Pipeline, ...]:
    """Read a line; nothing of it runs when it cannot be read.

    The answer is shared by all who ask for the same line: ten thousand phones run one command.

    Raises:
        Failed: In the shell's words, status 1.
    """
    reader = _Reader()
    for kind, text in _tokens(line):
        if kind == "word":
            reader.word(text)
        elif kind == "redirect":
            reader.operator(text)
        else:
            reader.joint(text)
    return reader.end()


def _tokens(line: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(line):
        token = _TOKEN.match(line, at)
        if token is None:
            raise complaint(_unreadable(line[at]))
        at = token.end()
        if token.lastgroup:
            yield token.lastgroup, token.group()


def _unreadable(character: str) -> str:
    return f"syntax error: unexpected '{character}'" if character in "()" else "no closing quote"
