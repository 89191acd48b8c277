"""The grammar of selections, and how an expression is written down again.

    expression = all, { "or", all }
    all        = one, { "and", one }
    one        = "not", one | "(", expression, ")" | comparison
    comparison = field, sign, value | field, [ "not" ], "in", "(", value, { ",", value }, ")"
    sign       = "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
    value      = word | "quoted" | 'quoted'

Values have no type here: what a word means depends on the field that it is compared with. Only
`null` without quotes is told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias

from attrs import define, field, frozen

from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIGNS: Final = ("==", "!=", "<", "<=", ">", ">=", "~", "!~")
KEYWORDS: Final = ("and", "or", "not", "in")

DEEPEST: Final = 100
"""How many parentheses and negations may stand in one another."""

_WORD: Final = r"""[^\s"'\\()<>=!~,]+"""
_TOKEN: Final = re.compile(
    rf"""\s*(?:(?P<word>{_WORD})|(?P<sign>[<>=!]=|!~|[<>~=(),])"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<end>$))""",
    re.DOTALL,
)


@frozen
class Value:
    """What a field is compared with; None is `null`."""

    text: str | None
    column: int = field(default=0, eq=False)

    def __str__(self) -> str:
        """Write the value so that it is read as the same again."""
        if self.text is None:
            return "null"
        if re.fullmatch(_WORD, self.text) and self.text not in (*KEYWORDS, "null"):
            return self.text
        return '"' + re.sub(r'(["\\])', r"\\\1", self.text) + '"'


@frozen
class Comparison:
    """A field, how it is compared, and with what: several values only after `in`."""

    name: str
    sign: str
    values: tuple[Value, ...]
    column: int = field(default=0, eq=False)

    def __str__(self) -> str:
        """Write the comparison as it is read."""
        if self.sign.endswith("in"):
            return f"{self.name} {self.sign} ({', '.join(map(str, self.values))})"
        return f"{self.name} {self.sign} {self.values[0]}"


@frozen
class Not:
    """The opposite of a term."""

    term: Term

    def __str__(self) -> str:
        """Write the term after a `not`."""
        return f"not {_enclosed(self.term)}"


@frozen
class Several:
    """At least two terms, of which all must hold (`and`) or one (`or`)."""

    word: Literal["and", "or"]
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        """Write the terms with the word between them."""
        return f" {self.word} ".join(map(_enclosed, self.terms))


Term: TypeAlias = Comparison | Not | Several


def _enclosed(term: Term) -> str:
    return f"({term})" if isinstance(term, Several) else str(term)


def wrong(column: int, problem: str) -> InvalidRequest:
    """Make the error of an expression that cannot be meant."""
    return InvalidRequest("", "where", f"column {column}: {problem}")


@frozen
class _Token:
    kind: Literal["word", "sign", "text", "end"]
    text: str
    column: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)

    def is_keyword(self, *words: str) -> bool:
        return self.kind == "word" and self.text in words


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        found = _TOKEN.match(text, at)
        if found is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            problem = "the quote is not closed" if text[at] in "\"'" else f"{text[at]!r} means nothing here"
            raise wrong(at + 1, problem)
        yield _token(found)
        if found["end"] is not None:
            return
        at = found.end()


def _token(found: re.Match[str]) -> _Token:
    group = found.lastgroup or "end"
    column = found.start(group) + 1
    match group:
        case "word" | "sign" | "end":
            return _Token(group, found[group], column)
        case _:
            return _Token("text", re.sub(r"\\(.)", r"\1", found[group], flags=re.DOTALL), column - 1)


@define
class _Reader:
    """Reads one token after the other."""

    _tokens: list[_Token]
    _at: int = 0
    _depth: int = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _took(self, *words: str) -> bool:
        """Go on if the next token is one of some keywords."""
        if not self._next.is_keyword(*words):
            return False
        self._at += 1
        return True

    def _expected(self, what: str) -> NoReturn:
        raise wrong(self._next.column, f"expected {what}, not {self._next}")

    def _has_sign(self, *signs: str) -> bool:
        return self._next.kind == "sign" and self._next.text in signs

    def _sign(self, *signs: str) -> str:
        if not self._has_sign(*signs):
            self._expected(" or ".join(signs))
        return self._take().text

    def whole(self) -> Term:
        term = self._expression()
        if self._next.kind != "end":
            self._expected("and, or, or the end")
        return term

    def _expression(self) -> Term:
        return self._several("or", self._all)

    def _all(self) -> Term:
        return self._several("and", self._one)

    def _several(self, word: Literal["and", "or"], one: Callable[[], Term]) -> Term:
        terms = [one()]
        while self._took(word):
            terms.append(one())
        return Several(word, tuple(terms)) if len(terms) > 1 else terms[0]

    def _one(self) -> Term:
        self._depth += 1
        if self._depth > DEEPEST:
            raise wrong(self._next.column, f"more than {DEEPEST} conditions stand in one another")
        term = self._term()
        self._depth -= 1
        return term

    def _term(self) -> Term:
        if self._took("not"):
            return Not(self._one())
        if self._has_sign("("):
            self._take()
            term = self._expression()
            self._sign(")")
            return term
        return self._comparison()

    def _comparison(self) -> Comparison:
        if self._next.kind != "word" or self._next.text in KEYWORDS:
            self._expected("a field, not or (")
        name = self._take()
        is_not = self._took("not")
        if self._took("in"):
            return Comparison(name.text, "not in" if is_not else "in", self._list(), name.column)
        if is_not:
            self._expected("in")
        if not self._has_sign(*SIGNS):
            self._expected(f"{', '.join(SIGNS)} or in after {name.text}")
        sign = self._take().text
        return Comparison(name.text, sign, (self._value(),), name.column)

    def _list(self) -> tuple[Value, ...]:
        self._sign("(")
        values = [self._value()]
        while self._sign(",", ")") == ",":
            values.append(self._value())
        return tuple(values)

    def _value(self) -> Value:
        token = self._next
        if token.kind not in ("word", "text") or token.is_keyword(*KEYWORDS):
            self._expected("a value")
        self._take()
        return Value(None if token.is_keyword("null") else token.text, token.column)


def read(text: str) -> Term:
    """Read an expression.

    Raises:
        InvalidRequest: It is none; says at which column, counted from 1, and what was expected there.
    """
    return _Reader(list(_tokens(text))).whole()
