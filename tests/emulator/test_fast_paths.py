"""The fast paths of the emulator's server parse and write what the slower ones do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koophone_async import Edition
from koophone_async.catalogue import OPERATIONS
from koophone_async.emulator.server.errors import Refusal
from koophone_async.emulator.server.fast_parsing import MAX_REMEMBERED_SIZE, fast_parser
from koophone_async.emulator.server.request_parsing import HttpRequest, parse_request
from koophone_async.emulator.server.wire_structs import fields_of, wire_struct
from koophone_async.services.koophone import commands, instances, jobs
from koophone_async.wire import Json, decode, encode, to_wire

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

ONE_PARAMETER = (("unused", "1"),)
"""A query, which no fast parser accepts."""

FAST = [operation for operation in OPERATIONS.values() if fast_parser(operation)]

texts = st.text(max_size=40) | st.sampled_from(["phone0001", "echo hi", "\ud800"])
values = texts | st.lists(texts | st.integers(), max_size=3) | st.none() | st.booleans() | st.integers()
names = st.sampled_from(["instance_ids", "cmd", "command", "instance_id", "user_id", "other", "other_ids"])


def to_json(fields: dict[str, Any]) -> bytes:
    try:
        return encode(fields)
    except UnicodeEncodeError:
        return b'{"instance_ids": ["\\ud800"]}'


bodies = st.dictionaries(names, values, max_size=4).map(to_json) | st.binary(max_size=20)


def outcome(operation: AnyOperation, http: HttpRequest) -> object:
    try:
        return parse_request(operation, http, Edition.CHINA, strict=True)
    except Refusal as refusal:
        return (refusal.status, refusal.code, refusal.message, refusal.reason)


def test_commands_and_states_are_parsed_fast() -> None:
    assert {commands.RUN, instances.STATUS, instances.REBOOT} <= set(FAST)


@given(st.sampled_from(FAST), bodies)
def test_both_parsers_agree(operation: AnyOperation, body: bytes) -> None:
    fast, slow = (HttpRequest({}, query, body, "r1") for query in ((), ONE_PARAMETER))

    assert outcome(operation, fast) == outcome(operation, slow)


@pytest.mark.parametrize(
    "body",
    [
        b'{"instance_ids": ["a"], "instance_ids": ["b", "b"], "command": "id"}',
        b'{"instance_ids": ["a"], "command": "id", "other": [[[]]]}',
        b'{"instance_ids": ["a"], "command": null}',
        b'{"instance_ids": [], "command": "id"}',
        b'{"instance_ids": %s, "command": "id"}' % encode([str(number) for number in range(101)]),
        b'{"instance_ids": ["a"], "command": %s}' % encode("x" * 1025),
        b"",
    ],
)
def test_both_parsers_agree_at_the_edges(body: bytes) -> None:
    fast, slow = (HttpRequest({}, query, body, "r1") for query in ((), ONE_PARAMETER))

    assert outcome(commands.RUN, fast) == outcome(commands.RUN, slow)


@pytest.mark.parametrize("padding, is_remembered", [(0, True), (MAX_REMEMBERED_SIZE, False)])
def test_only_bodies_of_a_bounded_size_are_remembered(padding: int, is_remembered: bool) -> None:  # noqa: FBT001
    parse = fast_parser(instances.STATUS)
    assert parse is not None
    body = b'{"instance_ids": ["a", "b"]}' + b" " * padding
    first, second = parse(body), parse(body)

    assert first == second == instances.InstancesRequest(("a", "b"))
    assert (first is second) is is_remembered


Classes = Callable[[type[Any]], type[Any]]
"""Returns a model, or the class that stands for it."""


def statuses(of: Classes) -> object:
    row = of(instances.InstanceStatus)
    return of(instances.InstanceStatuses)((row("a", instances.RunningState.RUNNING), row("b", 9)))


def task(of: Classes) -> object:
    row = of(jobs.Job)
    return of(jobs.Task)((row("j", jobs.JobState.FAILED, "1", "no"), row("k", 7)))


def started_task(of: Classes) -> object:
    return of(jobs.StartedTask)("t", (of(jobs.StartedJob)("a", "j"),))


def empty_task(of: Classes) -> object:
    return of(jobs.Task)()


@pytest.mark.parametrize("build", [statuses, task, started_task, empty_task])
def test_a_struct_is_written_like_its_model(build: Callable[[Classes], Any]) -> None:
    written: Json = to_wire(build(lambda model: model), nulls=True)

    assert decode(encode(build(wire_struct))) == written
    assert decode(encode(fields_of(build(wire_struct)))) == written
