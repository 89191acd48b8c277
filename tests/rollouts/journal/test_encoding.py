"""What is written is read again, whatever texts of people and services it has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.journal import Result, Target
from koophone_async.rollouts.journal.encoding import (
    EncodedResults,
    OutputStore,
    decode_targets,
    encode_results,
    encode_targets,
    from_micros,
    to_micros,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

TEXTS = st.text(st.characters(), max_size=80)
"""Including lone surrogates."""

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(TEXTS, values, max_size=3),
    max_leaves=5,
)
OUTCOMES = st.builds(
    Outcome,
    TEXTS,
    st.sampled_from(State),
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS,
    st.none() | TEXTS | TEXTS.map(lambda text: text * 20),
    st.floats(0, 1e9, allow_nan=False),
    VALUES,
    st.none() | TEXTS,
)


@given(st.lists(st.tuples(TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.integers(0, 9)), min_size=1))
def test_targets(fields: Sequence[tuple[str, str | None, str | None, int]]) -> None:
    targets = [Target(position, *some) for position, some in enumerate(fields, 5_000)]

    assert decode_targets(5_000, encode_targets(targets)) == targets


@given(st.lists(OUTCOMES, min_size=1, max_size=8), st.booleans())
def test_results(outcomes: Sequence[Outcome], keep: bool) -> None:  # noqa: FBT001 - hypothesis passes it so
    results = [Result(position, 2, 3, outcome) for position, outcome in enumerate(outcomes)]
    stored: dict[str, str] = {}
    read = EncodedResults(2, 3, encode_results(results, OutputStore(keep=keep), stored))

    assert set(read.hashes()) >= stored.keys()
    found = read.resolve(stored)
    assert [one._replace(output_size=None, output_hash=None) for one in found] == [
        one if keep else one._replace(outcome=evolve(one.outcome, output=None)) for one in results
    ]
    assert all(
        one.output_size in (None, len((result.outcome.output or "").encode("utf-8", "surrogatepass")))
        for one, result in zip(found, results, strict=True)
    )


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001
def test_times(at: datetime) -> None:
    assert from_micros(to_micros(at)) == at
