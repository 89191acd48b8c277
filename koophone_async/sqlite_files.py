"""SQLite files of this package: what identifies one, checked before anything is written to it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@frozen
class FileFormat:
    """What the files of one kind have in common.

    Args:
        application_id: Four ASCII characters as an integer: SQLite stores it in the header of the file,
            and `file` shows it.
        version: Version of the schema, which SQLite stores as `user_version`.
        columns: The columns of each table of that version, in any order.
    """

    application_id: int
    version: int
    columns: Mapping[str, frozenset[str]]

    def check(self, path: Path) -> int:
        """Return the version of a file, or 0 if there is none yet or it is empty. Nothing is written.

        A file of an earlier version is returned as such: whether it can be migrated is the caller's matter.

        Raises:
            ValueError: The file belongs to another program, is of a later version, or lacks a column.
            sqlite3.Error: The file is damaged, or another process has it open.
        """
        if not path.exists():
            return 0
        if not path.is_file():
            raise ValueError("is not a regular file")
        if not path.stat().st_size:
            return 0
        try:
            return self._check(path, "ro")
        except sqlite3.OperationalError as error:
            # A process was killed while it wrote. Whoever reads the file first has to undo that.
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            return self._check(path, "rw")

    def _check(self, path: Path, mode: str) -> int:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=0.2)) as db:
            return self.check_connection(db)

    def check_connection(self, db: sqlite3.Connection) -> int:
        """Do what `check` does for a file that is open already."""
        application_id, version = _pragma(db, "application_id"), _pragma(db, "user_version")
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if not (application_id or version or tables):
            return 0
        if application_id != self.application_id:
            raise ValueError("it belongs to another program")
        if version > self.version:
            raise ValueError(f"its format is version {version}, and this package supports {self.version}")
        if version == self.version:
            self._check_columns(db)
        return version

    def _check_columns(self, db: sqlite3.Connection) -> None:
        for table, expected in self.columns.items():
            columns = {row[1] for row in db.execute(f'PRAGMA table_info("{table}")')}
            if missing := sorted(expected - columns):
                raise ValueError(f"its table {table} lacks {', '.join(missing)}")

    def stamp(self, db: sqlite3.Connection) -> None:
        """Write the identity into a file, in the transaction that creates its tables."""
        db.execute(f"PRAGMA application_id = {self.application_id}")
        db.execute(f"PRAGMA user_version = {self.version}")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    (value,) = db.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def create_private(path: Path) -> None:
    """Create an empty file that only its owner may read, unless it exists.

    An existing file is not opened: closing it would drop the locks that SQLite has on it in this process.

    Raises:
        OSError: The file cannot be created.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
