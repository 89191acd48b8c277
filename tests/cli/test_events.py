"""`koophone events serve` as a separate process."""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import socket
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from attrs import evolve

from koophone_async.events import Access, Cipher, GameEntered, Heartbeat, serialize
from tests.cli.conftest import Process, started

if TYPE_CHECKING:
    from koophone_async.events import Event
    from tests.cli.conftest import RunMain

pytestmark = pytest.mark.process

KEY: Final = bytes(range(32))
KEY_TEXT: Final = base64.b64encode(KEY).decode()
AT: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
ENTERED: Final = GameEntered("phone1", "game", "session1", AT, ticket="secret")
BEAT: Final = Heartbeat("phone1", at=AT)


def address(process: Process) -> str:
    assert process.stderr
    return process.stderr.readline().split()[-1]


def post(url: str, body: bytes) -> dict[str, Any]:
    request = Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    with urlopen(request, timeout=20) as answer:  # noqa: S310 - loopback
        content: dict[str, Any] = json.loads(answer.read())
        return content


def send_event(process: Process, at: str, event: Event) -> dict[str, Any]:
    assert process.stdout
    post(f"{at}/{'heartbeats' if isinstance(event, Heartbeat) else 'events'}", serialize(event))
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def access(session: str) -> bytes:
    iv, data = Cipher().encrypt(KEY, session.encode().ljust(12), b"content")
    until = int((datetime.now(UTC) + timedelta(minutes=1)).timestamp() * 1000)
    return serialize(Access(session, f"ticket of {session}", until, data, iv))


def test_events_are_printed_and_logged_without_tickets(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"

    with started("events", "serve", "--log", str(log), "--database", str(tmp_path / "db")) as process:
        at = address(process)
        lines = [send_event(process, at, ENTERED), send_event(process, at, BEAT)]
        process.send_signal(signal.SIGTERM)
        result = process.end()

    assert [line["event"] for line in lines] == ["enter", "heartbeat"]
    assert [json.loads(line) for line in log.read_text().splitlines()] == lines
    assert (result.code, result.out, result.err) == (0, "", "")
    assert "secret" not in log.read_text()


def test_access_is_verified_with_the_keys_of_a_file(tmp_path: Path) -> None:
    forms = {"s1": KEY_TEXT, "s2": {"key": KEY_TEXT}, "s3": {"key": KEY_TEXT, "ticket": "ticket of s3"}}
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps(forms))

    with started("events", "serve", "--secrets-file", str(secrets)) as process:
        at = address(process)
        assert [post(f"{at}/verify", access(session))["aes_key"] for session in forms] == [KEY_TEXT] * 3
        with pytest.raises(HTTPError):
            post(f"{at}/verify", access("s4"))
        process.send_signal(signal.SIGINT)
        assert process.end().code == 0


@pytest.mark.parametrize(
    "secret, warning",
    [
        (KEY_TEXT, "has no ticket for session s1"),
        ({"key": KEY_TEXT, "ticket": "ticket of s1"}, "has neither until nor auth_ts for session s1"),
    ],
    ids=["key", "ticket"],
)
def test_a_captured_access_is_let_in_once_and_weak_secrets_are_named(
    tmp_path: Path, secret: object, warning: str
) -> None:
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({"s1": secret}))
    secrets.chmod(0o600)
    captured = json.loads(access("s1"))
    replays = [captured | {"ticket": f"ticket {number}"} for number in range(20)] + [captured] * 20
    statuses: list[object] = []
    with started("events", "serve", "--secrets-file", str(secrets)) as process:
        at = address(process)
        assert process.stderr
        assert warning in process.stderr.readline()
        for call in (captured, *replays):
            try:
                statuses.append(post(f"{at}/verify", json.dumps(call).encode()).get("aes_key"))
            except HTTPError as refused:
                statuses.append(refused.code)
        process.send_signal(signal.SIGTERM)
        assert process.end().code == 0

    assert statuses == [KEY_TEXT] + [403] * 40


def test_access_is_verified_with_the_environments_key() -> None:
    with started("events", "serve", environ={"KOOPHONE_EVENTS_KEY": KEY_TEXT}) as process:
        assert post(f"{address(process)}/verify", access("any"))["aes_key"] == KEY_TEXT
        process.send_signal(signal.SIGTERM)
        assert process.end().code == 0


def test_events_serve_stops_when_its_reader_is_gone() -> None:
    with started("events", "serve") as process:
        at = address(process)
        assert process.stdout
        process.stdout.close()
        post(f"{at}/events", serialize(ENTERED))
        assert process.wait(20) == 141


def status_from(source: str, port: int) -> int:
    """Send a heartbeat from an address of loopback; return the status of the answer."""
    connection = HTTPConnection("127.0.0.1", port, source_address=(source, 0), timeout=20)
    connection.request("POST", "/heartbeats", serialize(BEAT), {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs to limit another process")
def test_silent_connections_shut_out_nobody() -> None:
    with started("events", "serve") as process, ExitStack() as silent:
        at = address(process)
        port = int(at.rpartition(":")[2])
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (200, 200))
        for _ in range(195):
            silent.enter_context(socket.create_connection(("127.0.0.1", port)))
        statuses = [status_from(source, port) for source in ("127.0.0.1", "127.0.0.2")]
        process.send_signal(signal.SIGTERM)
        result = process.end()

    assert (statuses, result.code) == ([200, 200], 0)
    assert len(result.err) < 1_000


def test_a_slow_reader_does_not_delay_answers() -> None:
    count, text = 20, "x" * 30_000
    with started("events", "serve") as process:
        at = address(process)
        for _ in range(count):
            post(f"{at}/events", serialize(evolve(ENTERED, error=text)))
        assert process.stdout
        lines = [json.loads(process.stdout.readline()) for _ in range(count)]
        process.send_signal(signal.SIGTERM)
        assert process.end().code == 0

    assert [line["error_msg"] for line in lines] == [text] * count


def test_events_can_be_printed_to_a_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out, started("events", "serve", stdout=out) as process:
        post(f"{address(process)}/events", serialize(ENTERED))
        process.send_signal(signal.SIGTERM)
        assert process.end().code == 0

    assert json.loads((tmp_path / "out").read_text())["session_id"] == "session1"


def test_unprinted_events_are_printed_after_a_restart(tmp_path: Path) -> None:
    command = ("events", "serve", "--database", str(tmp_path / "db"))
    with started(*command) as process:
        at = address(process)
        assert process.stdout
        process.stdout.close()
        post(f"{at}/events", serialize(ENTERED))
        assert process.wait(20) == 141

    with started(*command) as process:
        first = send_event(process, address(process), BEAT)

    assert first["event"] == "enter"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that is always full")
def test_a_full_log_is_reported_and_the_receiver_goes_on(tmp_path: Path) -> None:
    with started("events", "serve", "--log", "/dev/full", "--database", str(tmp_path / "db")) as process:
        at = address(process)
        post(f"{at}/events", serialize(ENTERED))
        assert process.stderr
        assert "event 1: delivery 1 failed: OSError" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        result = process.end()

    assert result.code == 0
    assert "Traceback" not in result.err


def test_a_port_in_use_is_reported_in_one_line(run_main: RunMain) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        result = run_main("events", "serve", "--port", port)

    assert result.code == 2
    assert "cannot start" in result.err
    assert port in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "line, secrets, problem",
    [
        (("--log", "/none/log"), "", "--log /none/log: cannot be written"),
        (("--log", "FIFO"), "", "cannot be written: No such device or address"),
        (("--database", "/none/db"), "", "/none/db"),
        (("--secrets-file", "/none/secrets"), "", "cannot be read"),
        (("--secrets-file", "FILE"), "{", "is not JSON"),
        (("--secrets-file", "FILE"), "[]", "is not a JSON object"),
        (("--secrets-file", "FILE"), '{"s1": "hunter2"}', "has no valid AES key in base64 for session s1"),
        (("--secrets-file", "FILE"), '{"s1": {}}', "has no valid AES key in base64 for session s1"),
        (
            ("--secrets-file", "FILE"),
            '{"s1": "aHVudGVyMg=="}',
            "has no valid AES key in base64 for session s1",
        ),
    ],
)
def test_unusable_files_and_keys_are_reported_in_one_line(
    run_main: RunMain, tmp_path: Path, line: tuple[str, ...], secrets: str, problem: str
) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(secrets)
    os.mkfifo(tmp_path / "fifo")
    names = {"FILE": str(file), "FIFO": str(tmp_path / "fifo")}
    words = [names.get(word, word) for word in line]

    result = run_main("events", "serve", *words)

    assert result.code == 2
    assert problem in result.err
    assert result.err.count("\n") == 1
    assert "hunter2" not in result.err
