"""Drafts: instances of frozen attrs classes that are filled slot by slot, and then become of their class.

A draft is of a subclass with the same slots that is not frozen; `draft.__class__ = Job` makes it a `Job`. The
interpreter has an instruction for `draft.id = value` on such a class, five to ten times faster than any call
that sets a slot of a frozen one; the constructor of a frozen class makes such a call for each field.
"""

from __future__ import annotations

from typing import Any


def draft_class(model: type) -> type[Any]:
    """Return a subclass with the same slots whose instances are created empty and can be changed."""
    setters = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    return type(model.__name__, (model,), {"__slots__": (), "__init__": object.__init__, **setters})
