"""The ledger counts every execution, whether its ids came alone, in batches or in the same batch again."""

from __future__ import annotations

from collections import Counter
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from koophone_async.emulator.server import ledger
from koophone_async.emulator.server.ledger import Ledger

batches = st.lists(st.sampled_from("abc"), max_size=3)
calls = st.lists(st.tuples(st.sampled_from(["run", "reset"]), batches), max_size=12)


@given(calls, calls, st.integers(1, 4))
def test_executions_are_counted_by_operation_and_id(
    before: list[tuple[str, list[str]]], after: list[tuple[str, list[str]]], max_batches: int
) -> None:
    counted, expected = Ledger(), {"run": Counter[str](), "reset": Counter[str]()}
    with patch.object(ledger, "MAX_BATCHES", max_batches):
        for calls_of_a_test in (before, after):
            for operation, ids in calls_of_a_test:
                counted.executed(operation, ids)
                expected[operation].update(ids)

            assert {operation: counted.executions(operation) for operation in expected} == expected


def test_a_restored_ledger_counts_on() -> None:
    original, restored = Ledger(), Ledger()
    original.executed("run", ["a", "b"])
    restored.restore(original.to_json())

    restored.executed("run", ["b", "c"])

    assert restored.executions("run") == {"a": 1, "b": 2, "c": 1}
    assert original.executions("run") == {"a": 1, "b": 1}
