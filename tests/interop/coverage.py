"""Write docs/coverage.md: how far each operation of the project is proven.

`python -m tests.interop.coverage` makes the page from the runs that the tests judge.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

from koophone_async.events.wire import INBOUND
from tests.interop.differences import DIFFERENT
from tests.interop.drive import driven, looked_up_project
from tests.interop.recording import compared
from tests.interop.stated import stated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PAGE: Final = Path(__file__).parents[2] / "docs" / "coverage.md"
SERVICES: Final = {
    "koophone": "KooPhone",
    "cph": "CPH",
    "gaming": "Cloud mobile gaming",
    "iam": "IAM",
    "events": "Game events, which the service calls",
}


class Proof(StrEnum):
    """How far an operation is proven."""

    DRIVEN = "driven by the vendor's client"
    DOCUMENTED = "documented only"
    UNDOCUMENTED = "undocumented"


@frozen
class Row:
    """One operation."""

    name: str
    request: str
    source: str
    proof: Proof
    same: str = ""
    """Whether the vendor's client sends the same; empty where it does not have the operation."""

    @property
    def service(self) -> str:
        """The first part of the name."""
        return self.name.partition(".")[0]


def rows() -> list[Row]:
    """Give all operations, by the runs."""
    sent = {both.call.ours: both.call.vendor for both in compared()}
    found = [
        Row(name, f"{one.method} {one.path}", one.source, _proof(name), _same(name, sent.get(name)))
        for name, one in stated().items()
    ]
    return found + [
        Row(call.name, "POST, to an address of yours", call.source, Proof.DOCUMENTED) for call in INBOUND
    ]


def _same(name: str, vendor: str | None) -> str:
    if name in DIFFERENT:
        return DIFFERENT[name].reason
    return f"same as `{vendor}`" if vendor else ""


def _proof(name: str) -> Proof:
    if name.startswith("cph.undocumented."):
        return Proof.UNDOCUMENTED
    if name == "iam.projects.list":
        found, true = asyncio.run(looked_up_project())
        return Proof.DRIVEN if found == true else Proof.DOCUMENTED
    verdict = driven().get(name)
    return Proof.DRIVEN if verdict and verdict.is_good else Proof.DOCUMENTED


def page() -> str:
    """Write the page."""
    return "\n".join(_lines(rows())) + "\n"


def _lines(found: Iterable[Row]) -> Iterator[str]:
    found = list(found)
    yield from ("# Coverage", "")
    yield f"How far each of {len(found)} operations is proven. Made by `python -m tests.interop.coverage`."
    yield from ("", "| proof | means | operations |", "|---|---|---|")
    count = Counter(row.proof for row in found)
    yield from (f"| {proof} | {MEANING[proof]} | {count[proof]} |" for proof in Proof if count[proof])
    for service, title in SERVICES.items():
        own = [row for row in found if row.service == service]
        yield from (
            "",
            f"## {title}",
            "",
            "| operation | request | source | proof | on the wire |",
            "|---|---|---|---|---|",
        )
        yield from (
            f"| `{row.name}` | `{row.request}` | {row.source} | {row.proof} | {row.same} |" for row in own
        )


MEANING: Final = {
    Proof.DRIVEN: "the vendor's published Python client called it on the emulator and read all of the answer",
    Proof.DOCUMENTED: "client and emulator follow documents and examples; there was no other client to ask",
    Proof.UNDOCUMENTED: "method and path are known, what is taken and answered is not; offered as a raw call",
}


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
