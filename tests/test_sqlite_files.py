"""What identifies an SQLite file of this package."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from koophone_async.sqlite_files import FileFormat, create_private

if TYPE_CHECKING:
    from pathlib import Path

FORMAT: Final = FileFormat(0x4B507465, 3, {"rows": frozenset({"id", "body"})})
CREATE: Final = "CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB, more TEXT)"
LEFT_IN_LOG: Final = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "user_version = 3"):
    db.execute(f"PRAGMA {pragma}")
db.execute("INSERT INTO rows (body) VALUES ('x')")
db.commit()
os.kill(os.getpid(), signal.SIGKILL)
"""
CUT_OFF: Final = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA cache_size = 2")
db.executemany("INSERT INTO rows (body) VALUES (?)", [(bytes(1000),)] * 1000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def run_program(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )


def filled(path: Path, version: int = FORMAT.version) -> Path:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("BEGIN")
        db.execute(CREATE)
        FORMAT.stamp(db)
        db.execute(f"PRAGMA user_version = {version}")
    return path


@pytest.mark.parametrize("content", [None, b""], ids=["missing", "empty"])
def test_a_file_without_content_has_version_0(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rows.db"
    if content is not None:
        path.write_bytes(content)

    assert FORMAT.check(path) == 0


@pytest.mark.parametrize("version", [1, 3])
def test_the_version_of_a_file_is_returned(tmp_path: Path, version: int) -> None:
    assert FORMAT.check(filled(tmp_path / "rows.db", version)) == version


def test_the_name_of_a_file_may_have_any_character(tmp_path: Path) -> None:
    assert FORMAT.check(filled(tmp_path / "a?mode=memory#b%41 \u00e9.db")) == 3


def test_something_else_than_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a regular file"):
        FORMAT.check(tmp_path)


def test_checking_an_open_file_keeps_its_locks(tmp_path: Path) -> None:
    """Closing any descriptor of a file drops the locks that the process has on it."""
    path = filled(tmp_path / "rows.db")
    program = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN EXCLUSIVE')"
    with closing(sqlite3.connect(path)) as db:
        db.execute("BEGIN IMMEDIATE")
        create_private(path)
        FORMAT.check(path)
        other = run_program(program, path)

    assert "database is locked" in other.stderr


@pytest.mark.process
def test_what_a_killed_process_left_in_its_log_is_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "rows.db", version=1)
    log = path.with_name("rows.db-wal")

    assert run_program(LEFT_IN_LOG, path).returncode == -signal.SIGKILL
    before = path.read_bytes(), log.read_bytes()
    assert FORMAT.check(path) == 3
    assert (path.read_bytes(), log.read_bytes()) == before


@pytest.mark.process
def test_a_write_that_was_cut_off_is_undone(tmp_path: Path) -> None:
    path = filled(tmp_path / "rows.db")

    assert run_program(CUT_OFF, path).returncode == -signal.SIGKILL
    assert path.with_name("rows.db-journal").exists()
    assert FORMAT.check(path) == 3
