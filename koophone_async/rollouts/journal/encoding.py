"""JSON and times in columns."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar, cast

import msgspec

from koophone_async.batches import Outcome, State
from koophone_async.rollouts.journal.records import Result, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


_OutputReference: TypeAlias = tuple[str, int]
"""Hash and size of an output."""

_Output: TypeAlias = str | _OutputReference | None


class _Outcomes(msgspec.Struct, array_like=True):
    """Outcomes of one chunk in one step, column by column; None is a column of nothing but None.

    Half as long as row by row, and encoded in half the time.
    """

    positions: list[int]
    ids: list[str]
    states: list[State]
    seconds: list[float]
    job_ids: list[str | None] | None
    error_codes: list[str | None] | None
    error_messages: list[str | None] | None
    outputs: list[_Output] | None
    values: list[Any] | None
    resume_tokens: list[str | None] | None


Start: TypeAlias = tuple[Target, int]
"""A phone, and the step that it has reached."""

STRINGS: Final = Codec[tuple[str, ...]](tuple[str, ...])
NUMBERS: Final = Codec[tuple[int, ...]](tuple[int, ...])
PAIRS: Final = Codec["list[tuple[int, int]]"](list[tuple[int, int]])
COUNTS: Final = Codec["Mapping[str, int]"](dict[str, int])
TEXTS: Final = Codec["Mapping[str, str]"](dict[str, str])
DETAILS: Final = Codec["Mapping[str, object]"](dict[str, Any])
OUTPUT: Final = Codec[str](str)
_STARTS: Final = Codec[tuple[list[int], list[int], str]](tuple[list[int], list[int], str])
_TARGETS: Final = Codec[_Targets](_Targets)
_OUTCOMES: Final = Codec[_Outcomes](_Outcomes)


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
    return list(map(Target._make, columns))


def encode_starts(starts: Sequence[Start]) -> str:
    """Return the JSON of the phones of a shard."""
    targets = [target for target, _ in starts]
    columns = [target.position for target in targets], [step for _, step in starts], encode_targets(targets)
    return _STARTS.encode(columns)


def decode_starts(body: str) -> Sequence[Start]:
    """Return the phones of a shard, each with the step that it has reached."""
    positions, steps, targets = _STARTS.decode(body)
    return [
        (target._replace(position=position), step)
        for position, step, target in zip(positions, steps, decode_targets(0, targets), strict=True)
    ]


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
        """Of outputs that are stored."""

        self._uncommitted: dict[str, _OutputReference] = {}
        """Of outputs that the current transaction stores."""

    def refer(self, outputs: Iterable[str | None], new: dict[str, str]) -> list[_Output]:
        """Return what stands for each output in its row; add those to be stored to `new`, by hash."""
        inline = MAX_INLINE_OUTPUT if self._keep else -1
        return [
            output if output is None or len(output) <= inline else self._reference(output, new)
            for output in outputs
        ]

    def _reference(self, output: str, new: dict[str, str]) -> _OutputReference:
        if (known := self._references.get(output) or self._uncommitted.get(output)) is not None:
            return known
        data = output.encode("utf-8", "surrogatepass")
        reference = hashlib.blake2b(data, digest_size=16).hexdigest(), len(data)
        if self._keep:
            new[reference[0]] = output
            if len(self._references) + len(self._uncommitted) < _MAX_REMEMBERED:
                self._uncommitted[output] = reference
        return reference

    def begin(self) -> None:
        """Store outputs again whose transaction was not committed."""
        self._uncommitted.clear()

    def commit(self) -> None:
        """Refer to the outputs of the current transaction from now on: they are stored."""
        self._references |= self._uncommitted
        self._uncommitted.clear()


_MAX_REMEMBERED: Final = 1_000
"""Outputs of a rollout that are known to be stored; each may have several kilobytes."""


def encode_results(results: Sequence[Result], store: OutputStore, new_outputs: dict[str, str]) -> str:
    """Return the JSON of results of one chunk and step; add the outputs that are to be stored."""
    outcomes = [result.outcome for result in results]
    return _OUTCOMES.encode(
        _Outcomes(
            [result.position for result in results],
            [outcome.id for outcome in outcomes],
            [outcome.state for outcome in outcomes],
            [outcome.seconds for outcome in outcomes],
            _sparse([outcome.job_id for outcome in outcomes]),
            _sparse([outcome.error_code for outcome in outcomes]),
            _sparse([outcome.error_message for outcome in outcomes]),
            _sparse(store.refer([outcome.output for outcome in outcomes], new_outputs)),
            _sparse([outcome.value for outcome in outcomes]),
            _sparse([outcome.resume_token for outcome in outcomes]),
        )
    )


def _sparse(values: list[Content]) -> list[Content] | None:
    return None if values.count(cast("Content", None)) == len(values) else values


class EncodedResults:
    """A row of results, whose outputs may be stored apart."""

    def __init__(self, attempt: int, step: int, body: str) -> None:
        """Decode the body of a row."""
        self._attempt, self._step = attempt, step
        self._columns = _OUTCOMES.decode(body)
        self._outputs: Sequence[_Output] = self._column(self._columns.outputs)

    def hashes(self) -> Iterator[str]:
        """Yield the hashes of the outputs that are stored apart."""
        return (output[0] for output in self._outputs if isinstance(output, tuple))

    def states(self) -> Iterator[tuple[int, State]]:
        """Yield the state of each position."""
        return zip(self._columns.positions, self._columns.states, strict=True)

    def resolve(self, outputs: Mapping[str, str]) -> list[Result]:
        """Return the results, with these outputs by hash."""
        columns = self._columns
        outcomes = map(
            Outcome,
            columns.ids,
            columns.states,
            self._column(columns.job_ids),
            self._column(columns.error_codes),
            self._column(columns.error_messages),
            [outputs.get(one[0]) if isinstance(one, tuple) else one for one in self._outputs],
            columns.seconds,
            self._column(columns.values),
            self._column(columns.resume_tokens),
        )
        rows = zip(columns.positions, outcomes, self._outputs, strict=True)
        return [self._result(position, outcome, output) for position, outcome, output in rows]

    def _result(self, position: int, outcome: Outcome, output: _Output) -> Result:
        hash_, size = output if isinstance(output, tuple) else (None, None)
        return Result(position, self._attempt, self._step, outcome, size, hash_)

    def _column(self, values: list[Content] | None) -> Sequence[Content | None]:
        return values if values is not None else [None] * len(self._columns.positions)
