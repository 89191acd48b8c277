"""Grammar of selections: a tokenizer, a recursive-descent parser, and terms that format themselves.

    expression  = conjunction, { "or", conjunction }
    conjunction = factor, { "and", factor }
    factor      = "not", factor | "(", expression, ")" | comparison
    comparison  = field, operator, value | field, [ "not" ], "in", "(", value, { ",", value }, ")"
    operator    = "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
    value       = word | "quoted" | 'quoted'

Values have no type here: the meaning of a word depends on the field that it is compared with. The only
exception is `null` without quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias

from attrs import define, field, frozen

from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATORS: Final = ("==", "!=", "<", "<=", ">", ">=", "~", "!~")
KEYWORDS: Final = ("and", "or", "not", "in")

MAX_DEPTH: Final = 100
"""Maximum nesting of parentheses and negations."""

_WORD: Final = r"""[^\s"'\\()<>=!~,]+"""
_TOKEN: Final = re.compile(
    rf"""\s*(?:(?P<word>{_WORD})|(?P<operator>[<>=!]=|!~|[<>~=(),])"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<end>$))""",
    re.DOTALL,
)


@frozen
class Value:
    """A value that a field is compared with; None is `null`."""

    text: str | None
    column: int = field(default=0, eq=False)

    def __str__(self) -> str:
        """Format the value so that it parses to an equal one."""
        if self.text is None:
            return "null"
        if re.fullmatch(_WORD, self.text) and self.text not in (*KEYWORDS, "null"):
            return self.text
        return '"' + re.sub(r'(["\\])', r"\\\1", self.text) + '"'


@frozen
class Comparison:
    """A field, an operator, and one value, or several with `in`."""

    name: str
    operator: str
    values: tuple[Value, ...]
    column: int = field(default=0, eq=False)

    def __str__(self) -> str:
        """Format the comparison so that it parses to an equal one."""
        if self.operator.endswith("in"):
            return f"{self.name} {self.operator} ({', '.join(map(str, self.values))})"
        return f"{self.name} {self.operator} {self.values[0]}"


@frozen
class Not:
    """The negation of a term."""

    term: Term

    def __str__(self) -> str:
        """Format the term after `not`."""
        return f"not {_enclosed(self.term)}"


@frozen
class BoolOp:
    """At least two terms, of which all (`and`) or at least one (`or`) must be true."""

    operator: Literal["and", "or"]
    terms: tuple[Term, ...]

    def __str__(self) -> str:
        """Format the terms, joined by the operator."""
        return f" {self.operator} ".join(map(_enclosed, self.terms))


Term: TypeAlias = Comparison | Not | BoolOp


def _enclosed(term: Term) -> str:
    return f"({term})" if isinstance(term, BoolOp) else str(term)


def invalid(column: int, problem: str) -> InvalidRequest:
    """Return the error for an invalid expression."""
    return InvalidRequest("", "where", f"column {column}: {problem}")


@frozen
class _Token:
    kind: Literal["word", "operator", "text", "end"]
    text: str
    column: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else repr(self.text)

    def is_keyword(self, *words: str) -> bool:
        return self.kind == "word" and self.text in words


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while True:
        token = _TOKEN.match(text, at)
        if token is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            problem = "the quote is not closed" if text[at] in "\"'" else f"unexpected {text[at]!r}"
            raise invalid(at + 1, problem)
        yield _token(token)
        if token["end"] is not None:
            return
        at = token.end()


def _token(match: re.Match[str]) -> _Token:
    group = match.lastgroup or "end"
    column = match.start(group) + 1
    match group:
        case "word" | "operator" | "end":
            return _Token(group, match[group], column)
        case _:
            return _Token("text", re.sub(r"\\(.)", r"\1", match[group], flags=re.DOTALL), column - 1)


@define
class _Parser:
    """A recursive-descent parser; each method parses one rule of the grammar."""

    _tokens: list[_Token]
    _at: int = 0
    _depth: int = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _advance(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, *words: str) -> bool:
        """Consume the next token if it is one of these keywords."""
        if not self._next.is_keyword(*words):
            return False
        self._at += 1
        return True

    def _fail(self, expected: str) -> NoReturn:
        raise invalid(self._next.column, f"expected {expected}, not {self._next}")

    def _at_operator(self, *operators: str) -> bool:
        return self._next.kind == "operator" and self._next.text in operators

    def _operator(self, *operators: str) -> str:
        if not self._at_operator(*operators):
            self._fail(" or ".join(operators))
        return self._advance().text

    def parse(self) -> Term:
        term = self._expression()
        if self._next.kind != "end":
            self._fail("and, or, or the end")
        return term

    def _expression(self) -> Term:
        return self._bool_op("or", self._conjunction)

    def _conjunction(self) -> Term:
        return self._bool_op("and", self._factor)

    def _bool_op(self, operator: Literal["and", "or"], operand: Callable[[], Term]) -> Term:
        terms = [operand()]
        while self._accept(operator):
            terms.append(operand())
        return BoolOp(operator, tuple(terms)) if len(terms) > 1 else terms[0]

    def _factor(self) -> Term:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise invalid(self._next.column, f"conditions are nested more than {MAX_DEPTH} deep")
        term = self._term()
        self._depth -= 1
        return term

    def _term(self) -> Term:
        if self._accept("not"):
            return Not(self._factor())
        if self._at_operator("("):
            self._advance()
            term = self._expression()
            self._operator(")")
            return term
        return self._comparison()

    def _comparison(self) -> Comparison:
        if self._next.kind != "word" or self._next.text in KEYWORDS:
            self._fail("a field, not or (")
        name = self._advance()
        is_not = self._accept("not")
        if self._accept("in"):
            return Comparison(name.text, "not in" if is_not else "in", self._list(), name.column)
        if is_not:
            self._fail("in")
        if not self._at_operator(*OPERATORS):
            self._fail(f"{', '.join(OPERATORS)} or in after {name.text}")
        operator = self._advance().text
        return Comparison(name.text, operator, (self._value(),), name.column)

    def _list(self) -> tuple[Value, ...]:
        self._operator("(")
        values = [self._value()]
        while self._operator(",", ")") == ",":
            values.append(self._value())
        return tuple(values)

    def _value(self) -> Value:
        token = self._next
        if token.kind not in ("word", "text") or token.is_keyword(*KEYWORDS):
            self._fail("a value")
        self._advance()
        return Value(None if token.is_keyword("null") else token.text, token.column)


def parse_term(text: str) -> Term:
    """Parse an expression.

    Raises:
        InvalidRequest: The expression is invalid; the error has the column, from 1, and what was expected.
    """
    return _Parser(list(_tokens(text))).parse()
