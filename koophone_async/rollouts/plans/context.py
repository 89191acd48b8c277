"""Where a value of a plan stands, and references to values that no plan stores."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, cast

from attrs import evolve, frozen

from koophone_async.errors import InvalidRequest, Rule
from koophone_async.file_access import UnusableFile, read_secret
from koophone_async.text_input import decode_text

if TYPE_CHECKING:
    from collections.abc import Generator


class Plain(str):
    """A text that YAML has without quotes: it may stand for a number, a boolean or null."""

    __slots__ = ()


@frozen
class Reference:
    """A value that is read anew at each send, and stored nowhere: of a variable or of a file."""

    kind: str
    """`env` or `file`."""

    name: str

    def read(self) -> str:
        """Return the present value; the last line end of a file is not part of it.

        Raises:
            InvalidRequest: The variable is not set, or the file cannot be read, or can be changed by others.
        """
        if self.kind == "env":
            value = os.environ.get(self.name)
            if value is None:
                raise InvalidRequest(
                    "", self.kind, f"the environment has no variable {self.name}", Rule.MISSING
                )
            return value
        try:
            return decode_text(read_secret(self.name, MAX_BYTES)).rstrip("\r\n")
        except (UnusableFile, ValueError) as error:
            problem = str(error)
        except OSError as error:
            problem = f"cannot be read: {error.strerror}"
        raise InvalidRequest("", self.kind, f"{self.name} {problem}")

    def to_json(self) -> dict[str, str]:
        """Return the reference as plans write it."""
        return {self.kind: self.name}


MAX_BYTES: Final = 2**16
"""Maximum size of a file that holds a value."""

REFERENCE_KINDS: Final = ("env", "file")


def is_reference(raw: object) -> bool:
    """Return whether a value is a reference, or has its form: `{env: NAME}` or `{file: PATH}`."""
    if not isinstance(raw, Mapping):
        return isinstance(raw, Reference)
    entries = list(cast("Mapping[str, object]", raw).items())
    return len(entries) == 1 and entries[0][0] in REFERENCE_KINDS and isinstance(entries[0][1], str)


@frozen
class Context:
    """Where in a plan a value stands, and how references are read there."""

    path: str = ""
    base: Path | None = None
    """Directory of the plan's file, which relative paths start from."""

    allows_references: bool = False
    resolve: Callable[[Reference], str] | None = None
    """Returns the present value of a reference; without it references are kept, and models are plain data."""

    def key(self, name: str) -> Context:
        """Return the context of an entry of a mapping."""
        return evolve(self, path=f"{self.path}.{name}" if self.path else name)

    def item(self, index: int) -> Context:
        """Return the context of an item of a list."""
        return evolve(self, path=f"{self.path}[{index}]")

    @property
    def keeps_data(self) -> bool:
        """Whether models stay plain data, because references in them are not read yet."""
        return self.allows_references and self.resolve is None

    def refuse(self, problem: str, rule: Rule = Rule.ANY) -> NoReturn:
        """Raise an error about the value.

        Raises:
            InvalidRequest: Always.
        """
        raise InvalidRequest("", self.path or "plan", problem, rule)

    @contextmanager
    def located(self, *, by_field: bool = False) -> Generator[None]:
        """Set the path of errors in the block.

        Args:
            by_field: Whether the field of an error is an entry of the value; else it is the value itself.
        """
        try:
            yield
        except InvalidRequest as error:
            error.field = (self.key(error.field) if by_field and error.field else self).path or "plan"
            raise

    def reference(self, raw: object) -> Reference:
        """Return the reference that a value is, or has the form of."""
        if isinstance(raw, Reference):
            return raw
        ((kind, name),) = cast("Mapping[str, str]", raw).items()
        if not name:
            self.key(kind).refuse("is empty", Rule.MISSING)
        return Reference(kind, str(self.base / name) if kind == "file" and self.base else str(name))
