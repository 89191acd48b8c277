"""Compile an expression: a predicate on items, and the part of it that the service can filter by."""

from __future__ import annotations

import operator
import re
from fnmatch import translate
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from koophone_async.selection.field_types import FieldType, field_of, field_type, parse_value, spellings
from koophone_async.selection.grammar import BoolOp, Comparison, Not, Term, invalid, parse_term
from koophone_async.wire import spelling

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator, Mapping

    Predicate = Callable[[Any], bool]

Item = TypeVar("Item")
Query = TypeVar("Query")

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_POSITIVE: Final = {"!=": "==", "!~": "~", "not in": "in"}


@attrs.frozen(cache_hash=True)
class Where:
    """A condition on items. Its `str` parses to an equal one."""

    _term: Term

    def __str__(self) -> str:
        """Format the expression, with only the parentheses and quotes that it needs."""
        return str(self._term)

    def __call__(self, item: object) -> bool:
        """Return whether an item matches.

        Raises:
            InvalidRequest: As for `predicate`.
        """
        return self.predicate(type(item))(item)

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the fields in the expression, as written."""
        return tuple(dict.fromkeys(comparison.name for comparison in _comparisons(self._term)))

    def predicate(self, model: type) -> Predicate:
        """Return the predicate for items of a model, which validates the expression before there are any.

        Raises:
            InvalidRequest: The model has no such field, or the field cannot have such a value; the error
                lists what it has.
        """
        return _compiled(self._term, model)

    async def filter(self, items: AsyncIterable[Item]) -> AsyncIterator[Item]:
        """Yield the items that match, as they arrive."""
        async for item in items:
            if self(item):
                yield item

    def pushed_down(self, model: type, query: Query) -> Query:
        """Return the query of a list with the conditions that the service can filter by.

        These are the equalities that every item must meet, on fields that the query has too: under the same
        wire name, of the same type, and not set yet. The service also matches parts of names, so filter what
        it lists all the same.

        Args:
            model: The model of the listed items.
            query: The query to start from, such as `PhoneQuery()`.

        Raises:
            InvalidRequest: As for `predicate`, or the query does not allow the value.
        """
        free = {spelling(a).name: a for a in _fields(query) if getattr(query, a.name) is None}
        changes: dict[str, Any] = {}
        for comparison in _required(self._term):
            name, type_ = field_of(model, comparison)
            target = free.get(spelling(spellings(model)[name]).name)
            value = parse_value(type_, comparison.values[0])
            if target is not None and _is_same_type(value, type_, field_type(target.type)):
                changes.setdefault(target.name, value)
        changed: Query = attrs.evolve(query, **changes)  # type: ignore[misc]  # any attrs class
        return changed


def parse(text: str) -> Where:
    """Parse an expression such as `status == running and server_id in (a, b) and name ~ "shop-*"`.

    Args:
        text: Comparisons of a field with `==`, `!=`, `<`, `<=`, `>`, `>=`, `~`, `!~` (patterns with `*`, `?`
            and `[]`) or `in (...)`, joined by `and`, `or`, `not` and parentheses.

    Raises:
        InvalidRequest: The expression is invalid; the error has the column and what was expected there.
    """
    return Where(parse_term(text))


def _comparisons(term: Term) -> Iterator[Comparison]:
    match term:
        case Comparison():
            yield term
        case Not():
            yield from _comparisons(term.term)
        case _:
            for operand in term.terms:
                yield from _comparisons(operand)


def _required(term: Term) -> Iterator[Comparison]:
    """Yield the equalities that every matching item meets."""
    if isinstance(term, Comparison) and term.operator in ("==", "in") and len(term.values) == 1:
        yield term
    if isinstance(term, BoolOp) and term.operator == "and":
        for operand in term.terms:
            yield from _required(operand)


def _fields(query: Any) -> tuple[attrs.Attribute[Any], ...]:  # noqa: ANN401 - attrs wants a class of its own
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(attrs.resolve_types(query.__class__))
    return fields


def _is_same_type(value: object, item_type: FieldType, query_type: FieldType | None) -> bool:
    """Return whether a value means the same in a query as it does in items."""
    if value is None or query_type is None:
        return False
    if item_type.enum is None:
        return query_type == item_type
    return isinstance(value, item_type.enum) and query_type.enum is item_type.enum


@lru_cache(maxsize=64)
def _compiled(term: Term, model: type) -> Predicate:
    match term:
        case Comparison():
            return _comparison(term, model)
        case Not():
            negated = _compiled(term.term, model)
            return lambda item: not negated(item)
        case _:
            predicates = [_compiled(operand, model) for operand in term.terms]
            combine = all if term.operator == "and" else any
            return lambda item: combine(predicate(item) for predicate in predicates)


def _comparison(comparison: Comparison, model: type) -> Predicate:
    name, type_ = field_of(model, comparison)
    positive = _POSITIVE.get(comparison.operator, comparison.operator)
    value = operator.attrgetter(name)
    matches = _value_predicate(attrs.evolve(comparison, operator=positive), type_)
    if positive == comparison.operator:
        return lambda item: matches(value(item))
    return lambda item: not matches(value(item))


def _value_predicate(comparison: Comparison, type_: FieldType) -> Predicate:
    """Return the predicate on the value of a field."""
    match comparison.operator:
        case "==" | "in":
            return frozenset(parse_value(type_, value) for value in comparison.values).__contains__
        case "~":
            return _pattern(comparison, type_)
        case _:
            return _order(comparison, type_)


def _pattern(comparison: Comparison, type_: FieldType) -> Predicate:
    pattern, strings = comparison.values[0], type_.pattern_strings
    if strings is None or pattern.text is None:
        kind = "null" if pattern.text is None else type_.expected
        raise invalid(comparison.column, f"~ is for text, not for {kind}")
    matches = re.compile(translate(pattern.text), re.IGNORECASE if type_.enum else 0).match
    return lambda value: value is not None and any(matches(string) for string in strings(value))


def _order(comparison: Comparison, type_: FieldType) -> Predicate:
    compare, bound = _ORDER[comparison.operator], parse_value(type_, comparison.values[0])
    if bound is None or not type_.is_ordered:
        unordered = "null" if bound is None else comparison.name
        raise invalid(comparison.column, f"{unordered} has no order; expected ==, != or in")
    return lambda value: value is not None and compare(value, bound)
