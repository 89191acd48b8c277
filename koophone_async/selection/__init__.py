"""Select items by an expression over their fields: `status == running and name ~ "shop-*"`.

`parse` returns a `Where`. It matches items, validates an expression against the fields of a model before
there are any items, and pushes conditions down into the query of a list, for the service to filter by.
"""

from __future__ import annotations

from koophone_async.selection.where import Where, parse

__all__ = ["Where", "parse"]
