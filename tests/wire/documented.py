"""What the documents state of each operation, in `operations.json`: independent of the package.

One line an operation: our name, the document's, where it is described, method, path, and the list of ids with
its maximum (null where none is stated). The example bodies in the folders beside are named by
`documented_as`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.catalogue import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.operation import AnyOperation

FILE: Final = Path(__file__).with_name("operations.json")
FIELDS_FILE: Final = Path(__file__).with_name("request-fields.json")


@frozen
class Documented:
    """An operation as its document states it."""

    name: str
    documented_as: str
    source: str
    method: str
    path: str
    list: str | None
    max: int | None

    @property
    def service(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]


DOCUMENTED: Final[tuple[Documented, ...]] = tuple(
    Documented(**row) for row in json.loads(FILE.read_text("utf-8"))
)


REQUEST_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    name: tuple(paths) for name, paths in json.loads(FIELDS_FILE.read_text("utf-8")).items()
}
"""The fields of path, query and body that the documents describe, by our name of the operation; those of
nested objects are joined by dots."""


def by_document(*services: str) -> Mapping[str, AnyOperation]:
    """Return the operations of some services by the names of the documents."""
    return {row.documented_as: OPERATIONS[row.name] for row in DOCUMENTED if row.service in services}
