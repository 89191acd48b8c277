"""Expectations: what the outcome of a step must be like, so that a phone takes the next."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase
from math import inf
from typing import Annotated, Any, Final, TypeAlias, cast

import attrs
from attrs import evolve, field, frozen

from koophone_async.batches import Outcome, State
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.model_types import ModelType
from koophone_async.rollouts.plans.value_types import FormType
from koophone_async.wire import doc, encode, to_wire

_SHOWN: Final = 200
"""Characters of an output that a message shows."""


def _compile(_: object, attribute: attrs.Attribute[Any], value: str | None) -> None:
    try:
        re.compile(value or "")
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidRequest(
            "", attribute.name, f"is no regular expression: {error}", Rule.BAD_FORMAT
        ) from None


@frozen
class Match:
    """What a text must be like. A pattern alone, without a key, is a glob."""

    glob: str | None = field(
        default=None, metadata=doc("A pattern for the text as a whole, with `*`, `?` and `[]`.")
    )
    regex: str | None = field(
        default=None,
        validator=_compile,
        metadata=doc("A regular expression that is found anywhere in the text."),
    )
    equals: str | None = field(default=None, metadata=doc("The text, without line ends after it."))

    def __attrs_post_init__(self) -> None:
        """Refuse a match that would accept everything.

        Raises:
            InvalidRequest: None of the three is set.
        """
        if self.glob is None and self.regex is None and self.equals is None:
            raise InvalidRequest("", "", "has none of glob, regex and equals", Rule.ALL_MISSING)

    def __str__(self) -> str:
        """Return what is expected, for messages."""
        expected = [("like", self.glob), ("that matches", self.regex), ("equal to", self.equals)]
        return " and ".join(f"{relation} {text!r}" for relation, text in expected if text is not None)

    def accepts(self, text: str) -> bool:
        """Return whether a text is as expected; line ends after it do not count."""
        text = text.rstrip("\r\n")
        return (
            (self.glob is None or fnmatchcase(text, self.glob))
            and (self.regex is None or re.search(self.regex, text) is not None)
            and (self.equals is None or text == self.equals.rstrip("\r\n"))
        )


MatchText: TypeAlias = Annotated[Match, ModelType(Match, FormType(Match, str))]


def _match(value: Match | str | None) -> Match | None:
    return Match(value) if isinstance(value, str) else value


@frozen(kw_only=True)
class Expect:
    """What the outcome of a step must be like; else the phone is failed."""

    output: MatchText | None = field(
        default=None,
        converter=_match,
        metadata=doc("The output of the command, of which at most 1,024 bytes are kept."),
    )
    value: MatchText | None = field(
        default=None,
        converter=_match,
        metadata=doc("The value of a read: a state by its name, anything else as JSON."),
    )
    error_code: MatchText | None = field(
        default=None, converter=_match, metadata=doc("The code with which the step must fail or be refused.")
    )
    seconds: float | None = field(default=None, metadata=doc("Seconds that it may take at most."))

    def __attrs_post_init__(self) -> None:
        """Refuse an expectation of nothing, or of a time that nothing takes, or anything.

        Raises:
            InvalidRequest: Nothing is expected, or the time is not positive, or not finite.
        """
        if all(value is None for value in (self.output, self.value, self.error_code, self.seconds)):
            raise InvalidRequest(
                "", "", "expects nothing: it has none of output, value, error_code, seconds", Rule.ALL_MISSING
            )
        if self.seconds is not None and not 0 < self.seconds < inf:
            problem = f"is {self.seconds}; it must be more than 0, and finite"
            raise InvalidRequest("", "seconds", problem, Rule.OUT_OF_RANGE, 0)

    def judge(self, outcome: Outcome) -> Outcome:
        """Return an outcome as it counts.

        One that is not as expected is failed, and one with the expected error has succeeded. Whatever is not
        known, because no job has ended, is left as it is.
        """
        if outcome.state not in _KNOWN or not (outcome.ok or self.error_code is not None):
            return outcome
        if problem := self._problem(outcome):
            return evolve(outcome, state=State.FAILED if outcome.ok else outcome.state, error_message=problem)
        return outcome if outcome.ok else evolve(outcome, state=State.SUCCEEDED)

    def _problem(self, outcome: Outcome) -> str | None:
        """Return what is not as expected; None if all is."""
        texts = {
            "error code": (self.error_code, outcome.error_code),
            "output": (self.output, outcome.output),
            "value": (self.value, None if outcome.value is None else value_text(outcome.value)),
        }
        for name, (match, text) in texts.items():
            if match is not None and (text is None or not match.accepts(text)):
                return f"expected {name} {match}, not {_shown(text)}"
        if self.seconds is not None and outcome.seconds > self.seconds:
            return f"expected an end within {self.seconds:g} s, not after {outcome.seconds:.1f} s"
        return None


_KNOWN: Final = frozenset({State.SUCCEEDED, State.ACCEPTED, State.FAILED, State.REFUSED})


def value_text(value: object) -> str:
    """Return the value of a read as text: a state by its name, models as JSON as the service writes it."""
    if isinstance(value, Enum):
        return value.name.lower()
    return value if isinstance(value, str) else encode(_plain(value)).decode()


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast("Sequence[object]", value)]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast("Mapping[object, object]", value).items()}
    return to_wire(value) if attrs.has(type(value)) else value


def _shown(text: str | None) -> str:
    if text is None:
        return "none"
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"
