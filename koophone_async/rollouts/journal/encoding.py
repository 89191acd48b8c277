"""JSON and times in columns."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

import msgspec

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.journal.records import Result, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Content = TypeVar("Content")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

MAX_INLINE_OUTPUT: Final = 64
"""Characters of an output that stays in its row; longer ones are stored apart, and equal ones once."""

BLOCK: Final = 1_000
"""Targets of one row."""


class Codec(Generic[Content]):
    """JSON text of one type.

    Texts of people and services may have lone surrogates, which UTF-8 and msgspec do not allow. The module of
    the standard library writes them as escapes; it is slower and used for these texts only.
    """

    def __init__(self, type_: Any) -> None:  # noqa: ANN401 - mypy has no type for `list[...]` as a value
        """Prepare to decode a type."""
        self._type = type_
        self._decoder = msgspec.json.Decoder(type_)

    def encode(self, content: Content) -> str:
        """Return the JSON of a value; what has none in it is replaced by its `repr`."""
        try:
            return msgspec.json.encode(content, enc_hook=repr).decode()
        except UnicodeEncodeError:
            return json.dumps(msgspec.to_builtins(content, enc_hook=repr))

    def decode(self, text: str) -> Content:
        """Return the value of a JSON text.

        Raises:
            ValueError: It is not JSON of this type.
        """
        try:
            value: Content = self._decoder.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            value = msgspec.convert(json.loads(text), self._type)
        return value


class _Targets(msgspec.Struct, array_like=True):
    """A block of targets. Where all have the same value of a field, it is stored once."""

    ids: list[str]
    regions: list[str | None] | str | None
    servers: list[str | None] | str | None
    selections: list[int] | int


_OutputReference = tuple[str, int]
"""Hash and size of an output."""


class _Outcome(msgspec.Struct, array_like=True):
    """A result in a block of results of one chunk and step."""

    position: int
    id: str
    state: State
    seconds: float
    job_id: str | None
    error_code: str | None
    error_message: str | None
    output: str | _OutputReference | None
    value: Any
    resume_token: str | None


STRINGS: Final = Codec[tuple[str, ...]](tuple[str, ...])
NUMBERS: Final = Codec[tuple[int, ...]](tuple[int, ...])
PAIRS: Final = Codec["list[tuple[int, int]]"](list[tuple[int, int]])
COUNTS: Final = Codec["Mapping[str, int]"](dict[str, int])
DETAILS: Final = Codec["Mapping[str, object]"](dict[str, Any])
OUTPUT: Final = Codec[str](str)
_TARGETS: Final = Codec[_Targets](_Targets)
_OUTCOMES: Final = Codec["list[_Outcome]"](list[_Outcome])


def to_micros(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_micros(micros: int) -> datetime:
    """Return the time of some microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=micros)


def encode_targets(targets: Sequence[Target]) -> str:
    """Return the JSON of a block of targets, without their positions."""
    return _TARGETS.encode(
        _Targets(
            [target.id for target in targets],
            _once([target.region for target in targets]),
            _once([target.server for target in targets]),
            _once([target.selection for target in targets]),
        )
    )


def decode_targets(first: int, body: str) -> list[Target]:
    """Return the targets of a block that starts at a position."""
    block = _TARGETS.decode(body)
    count = len(block.ids)
    positions = range(first, first + count)
    regions, servers = _column(block.regions, count), _column(block.servers, count)
    selections = _column(block.selections, count)
    columns = zip(positions, block.ids, regions, servers, selections, strict=True)
    return [Target(*fields) for fields in columns]


def _once(values: list[Content]) -> list[Content] | Content:
    first = values[0]
    return first if values.count(first) == len(values) else values


def _column(values: Sequence[Content] | Content, count: int) -> Sequence[Content]:
    return cast("list[Content]", values) if isinstance(values, list) else [cast("Content", values)] * count


class OutputStore:
    """Decides how outputs are stored: short ones in their row, others once each, or only by their hash."""

    def __init__(self, *, keep: bool) -> None:
        """Prepare for the outputs of one rollout."""
        self._keep = keep
        self._references: dict[str, _OutputReference] = {}
        """Of outputs that were stored already."""

    def refer(self, output: str | None, new: dict[str, str]) -> str | _OutputReference | None:
        """Return what stands for an output in its row; add it to `new` if it is to be stored."""
        if output is None or (self._keep and len(output) <= MAX_INLINE_OUTPUT):
            return output
        if (known := self._references.get(output)) is not None:
            return known
        data = output.encode("utf-8", "surrogatepass")
        reference = hashlib.blake2b(data, digest_size=16).hexdigest(), len(data)
        if self._keep:
            new[reference[0]] = output
            if len(self._references) < _MAX_REMEMBERED:
                self._references[output] = reference
        return reference

    def forget(self) -> None:
        """Store outputs again: it is not certain that earlier ones were committed."""
        self._references.clear()


_MAX_REMEMBERED: Final = 1_000
"""Outputs of a rollout that are known to be stored; each may have several kilobytes."""


def encode_results(results: Iterable[Result], store: OutputStore, new_outputs: dict[str, str]) -> str:
    """Return the JSON of results of one chunk and step."""
    return _OUTCOMES.encode([_to_row(result, store, new_outputs) for result in results])


def _to_row(result: Result, store: OutputStore, new_outputs: dict[str, str]) -> _Outcome:
    outcome = result.outcome
    return _Outcome(
        result.position,
        outcome.id,
        outcome.state,
        round(outcome.seconds, 3),
        outcome.job_id,
        outcome.error_code,
        outcome.error_message,
        store.refer(outcome.output, new_outputs),
        outcome.value,
        outcome.resume_token,
    )


class EncodedResults(msgspec.Struct):
    """A row of results, whose outputs may be stored apart."""

    attempt: int
    step: int
    rows: list[_Outcome]

    @classmethod
    def decode(cls, attempt: int, step: int, body: str) -> EncodedResults:
        """Decode the body of a row."""
        return cls(attempt, step, _OUTCOMES.decode(body))

    def hashes(self) -> set[str]:
        """Return the hashes of the outputs that are stored apart."""
        return {row.output[0] for row in self.rows if isinstance(row.output, tuple)}

    def states(self) -> Iterable[tuple[int, State]]:
        """Return the state of each position."""
        return ((row.position, row.state) for row in self.rows)

    def resolve(self, outputs: Mapping[str, str]) -> list[Result]:
        """Return the results, with these outputs by hash."""
        return [self._resolve(row, outputs) for row in self.rows]

    def _resolve(self, row: _Outcome, outputs: Mapping[str, str]) -> Result:
        hash_, size = row.output if isinstance(row.output, tuple) else (None, None)
        outcome = Outcome(
            row.id,
            row.state,
            row.job_id,
            row.error_code,
            row.error_message,
            row.output if not isinstance(row.output, tuple) else outputs.get(row.output[0]),
            row.seconds,
            row.value,
            row.resume_token,
        )
        return Result(row.position, self.attempt, self.step, outcome, size, hash_)
