"""Choosing items by an expression over their fields: `status == running and name ~ "shop-*"`.

The expression is read by `parse`; what comes of it is called with items, told to check a model's
fields beforehand, and asked which of its conditions the service can look after by itself.
"""

from __future__ import annotations

from koophone_async.selection.where import Where, parse

__all__ = ["Where", "parse"]
