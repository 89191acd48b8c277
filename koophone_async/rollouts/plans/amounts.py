"""Numbers of phones, absolute or as a percentage."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final, Self

from attrs import frozen

from koophone_async.errors import InvalidRequest, Rule

_MAX_PLACES: Final = 17
"""Decimal places, and digits after the first: Python converts no text of more than a few thousand."""

_MORE: Final = f"[0-9]{{0,{_MAX_PLACES}}}"

AMOUNT_PATTERN: Final = rf"^([1-9]{_MORE}|[0-9]{_MORE}(\.[0-9]{_MORE})?%)$"


@frozen(order=False)
class Amount:
    """A number of phones, such as `5`, or a percentage of them, such as `2.5%`."""

    value: Fraction
    is_percentage: bool = False

    def __attrs_post_init__(self) -> None:
        """Refuse zero, fractions of a phone, more than 100 %, and what `parse` could not read back.

        Raises:
            InvalidRequest: The amount is out of range.
        """
        if self.value <= 0 or (not self.is_percentage and self.value.denominator != 1):
            raise InvalidRequest(
                "", "amount", f"is {self}; it must be at least 1, or more than 0 %", Rule.OUT_OF_RANGE
            )
        if self.is_percentage and self.value > 100:
            raise InvalidRequest("", "amount", f"is {self}; at most 100 %", Rule.OUT_OF_RANGE, 100)
        if self.value >= 10 ** (_MAX_PLACES + 1) or (self.value * 10**_MAX_PLACES).denominator != 1:
            limit = f"at most {_MAX_PLACES} decimal places, and {_MAX_PLACES + 1} digits before them"
            raise InvalidRequest("", "amount", f"is {self}; {limit}", Rule.OUT_OF_RANGE, _MAX_PLACES)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the amount that a text such as `5` or `2.5%` states.

        Raises:
            InvalidRequest: The text states no amount, or one out of range.
        """
        match = re.fullmatch(rf"(0|[1-9]{_MORE})(?:(\.[0-9]{_MORE})?(%))?", text)
        if match is None:
            raise InvalidRequest(
                "",
                "amount",
                f"is {text!r}; expected a number such as 5, or a percentage such as 2.5%",
                Rule.BAD_FORMAT,
            )
        return cls(Fraction(match[1] + (match[2] or "")), match[3] is not None)

    def __str__(self) -> str:
        """Return the amount as `parse` reads it."""
        if self.value.denominator == 1:
            number = str(self.value.numerator)
        else:
            number = f"{Decimal(self.value.numerator) / Decimal(self.value.denominator):f}"
        return f"{number}%" if self.is_percentage else number

    def of(self, total: int) -> Fraction:
        """Return the amount of a total, as a number that may have a fraction."""
        return self.value * total / 100 if self.is_percentage else self.value
