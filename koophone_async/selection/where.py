"""An expression as something that can be asked: does this item fit, and what can the service look after?"""

from __future__ import annotations

import operator
import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from koophone_async.selection.grammar import Comparison, Not, Several, Term, read, wrong
from koophone_async.selection.kinds import Kind, field_of, kind_of, meant, spellings
from koophone_async.wire import spelling

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping

    Test = Callable[[Any], bool]

Item = TypeVar("Item")
Query = TypeVar("Query")

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_OPPOSITE: Final = {"!=": "==", "!~": "~", "not in": "in"}


@attrs.frozen(cache_hash=True)
class Where:
    """A condition on items. Written with `str`, it is read by `parse` as the same again."""

    _term: Term

    def __str__(self) -> str:
        """Write the expression, with only the parentheses and quotes that it needs."""
        return str(self._term)

    def __call__(self, item: object) -> bool:
        """Tell whether an item fits.

        Raises:
            InvalidRequest: As `on`.
        """
        return self.on(type(item))(item)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that it names, as they are written."""
        return tuple(dict.fromkeys(comparison.name for comparison in _comparisons(self._term)))

    def on(self, model: type) -> Test:
        """Give the test for items of a model, before there is any.

        Raises:
            InvalidRequest: The model has no such field, or the field can hold no such value; says which it
                knows.
        """
        return _compiled(self._term, model)

    async def among(self, items: AsyncIterable[Item]) -> AsyncIterator[Item]:
        """Give those of some items that fit, as they come."""
        async for item in items:
            if self(item):
                yield item

    def pushed_down(self, model: type, query: Query) -> Query:
        """Put into a list's query what the service can look after by itself.

        These are the equalities that every item must meet, on fields that the query has under the same
        name on the wire and with the same meaning, and that say nothing yet. The service may take a part of
        a name for the name, so what it lists is to be asked again all the same.

        Args:
            model: What is listed.
            query: Such as `PhoneQuery()`.

        Raises:
            InvalidRequest: As `on`, or the service takes no such value.
        """
        free = {spelling(a).name: a for a in _fields(query) if getattr(query, a.name) is None}
        given: dict[str, Any] = {}
        for comparison in _needed(self._term):
            name, kind = field_of(model, comparison)
            filled = free.get(spelling(spellings(model)[name]).name)
            value = meant(kind, comparison.values[0])
            if filled is not None and _passes(value, kind, kind_of(filled.type)):
                given.setdefault(filled.name, value)
        changed: Query = attrs.evolve(query, **given)  # type: ignore[misc]  # any attrs class
        return changed


def parse(text: str) -> Where:
    """Read an expression such as `status == running and server_id in (a, b) and name ~ "shop-*"`.

    Args:
        text: Comparisons of a field with `==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, `!~` (patterns with `*`, `?`
            and `[]`) or `in (...)`, joined by `and`, `or`, `not` and parentheses.

    Raises:
        InvalidRequest: It is no expression; says at which column, and what was expected there.
    """
    return Where(read(text))


def _comparisons(term: Term) -> Iterator[Comparison]:
    match term:
        case Comparison():
            yield term
        case Not():
            yield from _comparisons(term.term)
        case _:
            for one in term.terms:
                yield from _comparisons(one)


def _needed(term: Term) -> Iterator[Comparison]:
    """Give the equalities that no item can do without."""
    if isinstance(term, Comparison) and term.sign in ("==", "in") and len(term.values) == 1:
        yield term
    if isinstance(term, Several) and term.word == "and":
        for one in term.terms:
            yield from _needed(one)


def _fields(query: Any) -> tuple[attrs.Attribute[Any], ...]:  # noqa: ANN401 - attrs wants a class of its own
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(attrs.resolve_types(query.__class__))
    return fields


def _passes(value: object, kind: Kind, taken: Kind | None) -> bool:
    """Tell whether a query takes a value with the meaning that it has in items."""
    if value is None or taken is None:
        return False
    return isinstance(value, kind.enum) and taken.enum is kind.enum if kind.enum else taken == kind


@lru_cache(maxsize=64)
def _compiled(term: Term, model: type) -> Test:
    match term:
        case Comparison():
            return _comparison(term, model)
        case Not():
            opposite = _compiled(term.term, model)
            return lambda item: not opposite(item)
        case _:
            tests = [_compiled(one, model) for one in term.terms]
            enough = all if term.word == "and" else any
            return lambda item: enough(test(item) for test in tests)


def _comparison(comparison: Comparison, model: type) -> Test:
    name, kind = field_of(model, comparison)
    sign = _OPPOSITE.get(comparison.sign, comparison.sign)
    value = operator.attrgetter(name)
    test = _test(attrs.evolve(comparison, sign=sign), kind)
    if sign == comparison.sign:
        return lambda item: test(value(item))
    return lambda item: not test(value(item))


def _test(comparison: Comparison, kind: Kind) -> Test:
    """Make the test of a field's value."""
    match comparison.sign:
        case "==" | "in":
            return frozenset(meant(kind, value) for value in comparison.values).__contains__
        case "~":
            return _pattern(comparison, kind)
        case _:
            return _order(comparison, kind)


def _pattern(comparison: Comparison, kind: Kind) -> Test:
    pattern, texts = comparison.values[0], kind.texts
    if texts is None or pattern.text is None:
        what = "null" if pattern.text is None else kind.expected
        raise wrong(comparison.column, f"~ is for text, not for {what}")
    matches = re.compile(translate(pattern.text), re.IGNORECASE if kind.enum else 0).match
    return lambda value: value is not None and any(matches(text) for text in texts(value))


def _order(comparison: Comparison, kind: Kind) -> Test:
    compare, least = _ORDER[comparison.sign], meant(kind, comparison.values[0])
    if least is None or not kind.is_ordered:
        what = "null" if least is None else comparison.name
        raise wrong(comparison.column, f"{what} has no order; expected ==, != or in")
    return lambda value: value is not None and compare(value, least)
