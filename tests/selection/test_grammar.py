"""Grammar of selections: precedence, quoting, and errors with their column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.errors import InvalidRequest
from koophone_async.selection import parse
from koophone_async.selection.grammar import (
    MAX_DEPTH,
    OPERATORS,
    BoolOp,
    Comparison,
    Not,
    Term,
    Value,
    parse_term,
)

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = st.builds(
    Value, st.none() | st.text(max_size=8) | st.sampled_from(["and", "null", "a b", '"', "\\"])
)
NAMES = st.from_regex("[a-z_]{1,8}", fullmatch=True).filter(
    lambda name: name not in ("and", "or", "not", "in")
)
COMPARISONS = st.builds(Comparison, NAMES, st.sampled_from(OPERATORS), st.tuples(VALUES)) | st.builds(
    Comparison, NAMES, st.sampled_from(["in", "not in"]), st.lists(VALUES, min_size=1, max_size=3).map(tuple)
)


def bool_ops(operator: str) -> Callable[[st.SearchStrategy[Term]], st.SearchStrategy[BoolOp]]:
    return lambda terms: st.builds(
        BoolOp, st.just(operator), st.lists(terms, min_size=2, max_size=3).map(tuple)
    )


TERMS: st.SearchStrategy[Term] = st.recursive(
    COMPARISONS,
    lambda terms: st.builds(Not, terms) | bool_ops("and")(terms) | bool_ops("or")(terms),
    max_leaves=8,
)


@frozen
class Row:
    a: str = ""
    b: str = ""
    c: str = ""


@given(TERMS)
def test_a_formatted_term_parses_to_an_equal_one(term: Term) -> None:
    assert parse_term(str(term)) == term


@given(st.text(alphabet="ab \"'\\()=!<>~,notri", max_size=30))
def test_any_text_parses_or_raises_with_a_column(text: str) -> None:
    try:
        where = parse(text)
    except InvalidRequest as error:
        column = int(error.problem.removeprefix("column ").partition(":")[0])
        assert 1 <= column <= len(text) + 1
    else:
        assert parse(str(where)) == where
        assert hash(parse(str(where))) == hash(where)


@pytest.mark.parametrize("a, b, c", [(a, b, c) for a in ("", "1") for b in ("", "1") for c in ("", "1")])
@pytest.mark.parametrize(
    "text",
    [
        "a == 1 or b == 1 and c == 1",
        "(a == 1 or b == 1) and c == 1",
        "not a == 1 and b == 1",
        "not (a == 1 and b == 1)",
        "not not a == 1",
        "a != 1 or not b in (1) and not (c == 1 or a == 1)",
        "a == b or b != 1",
    ],
)
def test_not_binds_tightest_then_and_then_or(text: str, a: str, b: str, c: str) -> None:
    python = text.replace("in (1)", "in ('1',)").replace(" 1", " '1'").replace("== b", "== 'b'")

    assert parse(text)(Row(a, b, c)) is eval(python, {"a": a, "b": b, "c": c})  # noqa: S307 - the texts above


@pytest.mark.parametrize(
    "text, value",
    [
        ("a == shop-1", "shop-1"),
        ('a == "shop 1"', "shop 1"),
        ("a == 'say \"hi\"'", 'say "hi"'),
        (r'a == "a \"b\" \\ \c"', r'a "b" \ c'),
        ("a=='and'", "and"),
        ("a==2025-02-08T12:00:00Z", "2025-02-08T12:00:00Z"),
        ("a\n==\tü", "ü"),
        ("a == ''", ""),
        ("a == 'null'", "null"),
    ],
)
def test_only_spaces_operators_and_keywords_need_quotes(text: str, value: str) -> None:
    assert parse(text)(Row(a=value))
    assert parse(str(parse(text)))(Row(a=value))


@pytest.mark.parametrize(
    "text, problem",
    [
        ("", "column 1: expected a field, not or (, not the end"),
        ("a", "column 2: expected ==, !=, <, <=, >, >=, ~, !~ or in after a, not the end"),
        ("a = 1", "column 3: expected ==, !=, <, <=, >, >=, ~, !~ or in after a, not '='"),
        ("a == ", "column 6: expected a value, not the end"),
        ("a == and", "column 6: expected a value, not 'and'"),
        ("a == b c", "column 8: expected and, or, or the end, not 'c'"),
        ("a == b AND c == d", "column 8: expected and, or, or the end, not 'AND'"),
        ("(a == b", "column 8: expected ), not the end"),
        ("a in b", "column 6: expected (, not 'b'"),
        ("a in (b c", "column 9: expected , or ), not 'c'"),
        ("a not b", "column 7: expected in, not 'b'"),
        ("'a' == b", "column 1: expected a field, not or (, not 'a'"),
        ("in == b", "column 1: expected a field, not or (, not 'in'"),
        ("a ==  'b", "column 7: the quote is not closed"),
        ("a ==  \\", "column 7: unexpected '\\\\'"),
        ("a == !", "column 6: unexpected '!'"),
    ],
)
def test_an_invalid_expression_names_column_and_problem(text: str, problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse(text)

    assert (caught.value.field, caught.value.problem) == ("where", problem)


@pytest.mark.parametrize("opened", ["(", "not "])
def test_nesting_is_limited(opened: str) -> None:
    deep = opened * (MAX_DEPTH - 1) + "a == 1" + ")" * (MAX_DEPTH - 1) * (opened == "(")
    assert parse(deep).fields == ("a",)

    with pytest.raises(InvalidRequest, match="conditions are nested more than 100 deep"):
        parse(opened + deep)


def test_the_number_of_conditions_is_not_limited() -> None:
    assert parse(" and ".join(["not (a == 1)"] * 1000)).fields == ("a",)
