"""Which instances a command is for: exactly one way of saying it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from attrs import frozen

from koophone_async.batches.chunks import Source
from koophone_async.errors import Misuse
from koophone_async.services.koophone.client import KooPhone
from koophone_async.session import Session

Ids: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids of instances. `-` reads them from stdin.")
]
IdsFile: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ids-file", metavar="FILE", help="A file with an id a line; `-` is stdin, `#` begins a comment."
    ),
]
All: TypeAlias = Annotated[bool, typer.Option("--all", help="Every instance of the tenant.")]


@frozen
class Selection:
    """Ids as they were given, or all there are."""

    ids: tuple[str, ...] = ()
    everything: bool = False

    @classmethod
    def of(cls, ids: list[str] | None, ids_file: str | None, *, everything: bool) -> Selection:
        """Read the one way that was used.

        Raises:
            Misuse: None was used, or more than one, or the file holds no ids.
        """
        ids_file, ids = ("-", None) if ids == ["-"] else (ids_file, ids)
        ways = [bool(ids), ids_file is not None, everything]
        if sum(ways) != 1:
            which = "more than one way was used" if any(ways) else "none was given"
            raise Misuse("", "instances", f"say which, by ID..., --ids-file or --all: {which}")
        return cls(tuple(ids or (_read(ids_file) if ids_file else ())), everything)

    @property
    def total(self) -> int | None:
        """How many ids; None where only the service knows."""
        return None if self.everything else len(dict.fromkeys(self.ids))

    def source(self, koophone: KooPhone) -> Source:
        """Give what a fleet takes; all instances are listed while they are being worked on."""
        return koophone.instances.list() if self.everything else self.ids

    async def listed(self, session: Session) -> tuple[str, ...]:
        """Give all ids at once, as one documented call takes them."""
        if not self.everything:
            return self.ids
        return tuple([instance.id async for instance in KooPhone(session).instances.list()])


def _read(file: str) -> list[str]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misuse("", f"--ids-file {file}", f"cannot be read: {problem}") from None
    ids = [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]
    if not ids:
        raise Misuse("", f"--ids-file {file}", "holds no ids")
    return ids
