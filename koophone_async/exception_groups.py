"""Errors in the groups that task groups wrap around them."""

from __future__ import annotations

from typing import cast


def first_error(raised: BaseException) -> BaseException:
    """Return the first error in a group, or in a group within it; else the error itself."""
    while isinstance(raised, BaseExceptionGroup):
        raised = cast("BaseExceptionGroup[BaseException]", raised).exceptions[0]
    return raised
