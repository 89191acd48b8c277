"""Secrets on the command line: from stdin or a file, and only from files that are the user's own."""

from __future__ import annotations

import base64
import io
import json
import os
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async.cli.commands.event_secrets import KEY, Secrets
from koophone_async.cli.parameters.input_files import secret_value
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Invoke, Result, RunMain

KEY_TEXT: Final = base64.b64encode(bytes(32)).decode()
LINK: Final = "https://obs.example.com/app.apk?Signature=hunter2"
INSTALL: Final = (
    *("apps", "install", "phone0001", "--name", "com.example.app", "--file", "app.apk"),
    *("--version", "1.0", "--size", "12.5", "--url"),
)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> io.BytesIO:
    content = io.BytesIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(content))
    return content


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_is_read_without_its_line_end(tmp_path: Path, stdin: io.BytesIO, end: str) -> None:
    (tmp_path / "secret").write_bytes(f" hunter2{end}".encode())
    stdin.write(f" hunter2{end}".encode())
    stdin.seek(0)

    assert secret_value(f"@{tmp_path / 'secret'}", "--url") == " hunter2"
    assert secret_value("-", "--url") == " hunter2"
    assert secret_value("hunter2", "--url") == "hunter2"


@pytest.mark.parametrize(
    "content, problem",
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"x" * 70_000, "is larger than 64 KiB"),
    ],
)
def test_a_file_without_a_secret_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(InvalidRequest, match=f"--url @{tmp_path}/secret: {problem}"):
        secret_value(f"@{tmp_path / 'secret'}", "--url")


def test_a_secret_in_a_file_that_others_can_change_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hunter2")
    (tmp_path / "secret").chmod(0o666)

    with pytest.raises(InvalidRequest, match=r"can be changed by others \(mode 0666\); set it to 0600"):
        secret_value(f"@{tmp_path / 'secret'}", "--url")


@pytest.mark.parametrize("source", ["-", "@FILE"])
def test_a_link_is_installed_from_stdin_or_a_file(
    koophone: Invoke, tmp_path: Path, stdin: io.BytesIO, source: str
) -> None:
    (tmp_path / "link").write_text(LINK)
    stdin.write(LINK.encode())
    stdin.seek(0)

    result: Result = koophone((*INSTALL, source.replace("FILE", str(tmp_path / "link"))))

    assert (result.code, "succeeded" in result.out) == (0, True)


@pytest.mark.parametrize(
    "command, option",
    [
        (("apps", "install"), "--url"),
        (("iam", "tokens", "create"), "--password"),
        (("rollout", "resume"), "--set"),
        ((), "--proxy"),
        ((), "--limits"),
    ],
)
def test_the_help_of_a_secret_says_how_to_hide_it(
    run_main: RunMain, command: tuple[str, ...], option: str
) -> None:
    text = " ".join(run_main(*command, "--help").out.replace("│", " ").split())

    assert "`-` reads it from stdin, `@FILE` from a file" in text[text.index(option) :]


def test_a_body_is_read_from_stdin(koophone: Invoke, stdin: io.BytesIO) -> None:
    stdin.write(b'{"instance_ids": ["phone0001"]}')
    stdin.seek(0)

    result = koophone(("api", "koophone.instances.status", "--body", "-"))

    assert "phone0001" in result.out


def test_a_proxy_is_read_from_a_file(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "proxy").write_text("ftp://user:hunter2@proxy")

    result = run_main("--proxy", f"@{tmp_path / 'proxy'}", "orders", "skus")

    assert result.code == 2
    assert "hunter2" not in result.err


def test_the_store_of_quotas_is_read_from_a_file(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "limits").write_text("ftp://user:hunter2@quotas")

    result = run_main("--limits", f"@{tmp_path / 'limits'}", "orders", "skus")

    assert result.code == 2
    assert "hunter2" not in result.err


def secrets_of(tmp_path: Path, content: Any, mode: int = 0o600) -> Secrets | None:  # noqa: ANN401 - JSON
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps(content))
    file.chmod(mode)
    return Secrets.of(file, {})


@pytest.mark.parametrize(
    "secret, problem",
    [
        ({"key": KEY_TEXT, "ticket": 5}, "has a malformed ticket for session s1"),
        ({"key": KEY_TEXT, "ticket": ""}, "has a malformed ticket for session s1"),
        ({"key": KEY_TEXT, "ticket": "x" * 5000}, "has a malformed ticket for session s1"),
        ({"key": KEY_TEXT, "tickets": "x"}, r"has unknown fields \(tickets\) for session s1"),
        ({"key": KEY_TEXT, "until": "tomorrow"}, "has an until that is no time such as .* for session s1"),
        ({"key": KEY_TEXT, "until": 5}, "has an until that is no time such as .* for session s1"),
        ({"key": KEY_TEXT, "until": "2026-01-31T12:00:00"}, "has a malformed until for session s1"),
        (
            {"key": KEY_TEXT, "auth_ts": "5"},
            "has an auth_ts that is no number of milliseconds",
        ),
        ({"key": KEY_TEXT, "auth_ts": True}, "has an auth_ts that is no number of milliseconds"),
        ({"key": 5}, "has no valid AES key in base64 for session s1"),
        ({"ticket": "t"}, "has no valid AES key in base64 for session s1"),
    ],
)
def test_a_malformed_secret_is_refused_at_the_start(tmp_path: Path, secret: object, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as refused:
        secrets_of(tmp_path, {"s1": secret})

    assert KEY_TEXT not in str(refused.value)


@pytest.mark.parametrize(
    "content, warnings",
    [
        ({"s1": KEY_TEXT}, ["has no ticket for session s1: any ticket is accepted"]),
        ({"*": KEY_TEXT, "s2": None}, ["has no ticket for session *: any ticket is accepted"]),
        ({f"s{n}": KEY_TEXT for n in range(5)}, ["has no ticket for sessions s0, s1, s2 and 2 more"]),
        ({"s1": {"key": KEY_TEXT, "ticket": "t"}}, ["has neither until nor auth_ts for session s1"]),
        ({"s1": {"key": KEY_TEXT, "ticket": "t", "until": "2026-01-31T12:00:00Z"}}, []),
        ({"s1": {"key": KEY_TEXT, "ticket": "t", "auth_ts": 1_800_000_000_000}}, []),
        ({"s1": None}, []),
    ],
)
def test_what_cannot_stop_a_replay_is_warned_of(tmp_path: Path, content: object, warnings: list[str]) -> None:
    secrets = secrets_of(tmp_path, content)
    assert secrets

    printed = list(secrets.warnings())
    assert len(printed) == len(warnings)
    assert all(warning in line for warning, line in zip(warnings, printed, strict=True))


def test_a_key_for_all_sessions_cannot_stop_a_replay() -> None:
    secrets = Secrets.of(None, {KEY: KEY_TEXT})
    assert secrets

    (warning,) = secrets.warnings()
    assert warning.startswith(f"{KEY} has no ticket for session *: any ticket is accepted")


def test_secrets_that_others_can_read_are_warned_of(tmp_path: Path) -> None:
    secrets = secrets_of(tmp_path, {"s1": None}, mode=0o644)
    assert secrets

    assert list(secrets.warnings()) == [
        f"--secrets-file {tmp_path}/secrets.json can be read by others (mode 0644); set it to 0600"
    ]


def test_secrets_that_others_can_change_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="can be changed by others"):
        secrets_of(tmp_path, {"s1": KEY_TEXT}, mode=0o622)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can create a file of another user")
def test_secrets_of_another_user_are_refused(tmp_path: Path) -> None:
    secrets_of(tmp_path, {})
    os.chown(tmp_path / "secrets.json", 12345, -1)

    with pytest.raises(InvalidRequest, match="belongs to another user, who can change it"):
        Secrets.of(tmp_path / "secrets.json", {})
