"""Commands behind a proxy."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final

import pytest
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import RunMain

ENVIRON: Final = {
    "KOOPHONE_ENDPOINT": "https://koophone.test",
    "KOOPHONE_CPH_ENDPOINT": "https://cph.test",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT": "https://iam.test",
    "HUAWEICLOUD_SDK_AK": "AK",
    "HUAWEICLOUD_SDK_SK": "SK",
}
EXEC: Final = ("exec", "phone0001", "--", "id")


@define
class ClosedProxy:
    """A proxy that refuses every tunnel."""

    url: str
    lines: list[str] = field(factory=list[str])

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self.lines.append(connection.recv(65536).partition(b"\r\n")[0].decode())
                connection.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ClosedProxy]:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = ClosedProxy(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_command_uses_the_proxy_of_the_environment(run_main: RunMain, proxy: ClosedProxy) -> None:
    result = run_main(*EXEC, environ=ENVIRON | {"HTTPS_PROXY": proxy.url})

    assert set(proxy.lines) == {"CONNECT koophone.test:443 HTTP/1.1"}
    assert "the proxy answered 403" in result.err
    assert result.code == 3


def test_the_option_overrides_the_environment(run_main: RunMain, proxy: ClosedProxy) -> None:
    run_main("--proxy", proxy.url, *EXEC, environ=ENVIRON | {"https_proxy": "http://127.0.0.1:9"})
    run_main("--proxy", proxy.url, "iam", "projects", "list", environ=ENVIRON)

    assert set(proxy.lines) == {"CONNECT koophone.test:443 HTTP/1.1", "CONNECT iam.test:443 HTTP/1.1"}


@pytest.mark.parametrize(
    "line, environ", [(("--proxy", ""), {}), ((), {"NO_PROXY": ".test"})], ids=["option", "NO_PROXY"]
)
def test_a_proxy_can_be_turned_off(
    line: tuple[str, ...], environ: dict[str, str], run_main: RunMain, proxy: ClosedProxy
) -> None:
    result = run_main(*line, *EXEC, environ=ENVIRON | environ | {"HTTPS_PROXY": proxy.url})

    assert proxy.lines == []
    assert result.code == 3


@pytest.mark.parametrize("address", ["socks5://localhost:1", "http://ann:hunter2@[::1", "http://a\n"])
def test_an_invalid_proxy_is_a_usage_error(run_main: RunMain, address: str) -> None:
    result = run_main("--proxy", address, *EXEC, environ=ENVIRON)

    assert result.code == 2
    assert "--proxy" in result.err
    assert "hunter2" not in result.err


@pytest.mark.parametrize(
    "line, environ, value",
    [
        ((), {}, None),
        ((), {"HTTPS_PROXY": "http://ann:hunter2@proxy.test:1"}, "http://proxy.test:1"),
        (("--proxy", "http://proxy.test:2"), {"HTTPS_PROXY": "http://proxy.test:1"}, "http://proxy.test:2"),
        ((), {"ALL_PROXY": "socks5://ann:hunter2@proxy.test:1"}, None),
    ],
)
def test_config_shows_the_proxy_without_its_user(
    line: tuple[str, ...],
    environ: dict[str, str],
    value: str | None,
    run_main: RunMain,
    proxy: ClosedProxy,
) -> None:
    result = run_main(*line, "config", "--output", "jsonl", environ=ENVIRON | environ)

    assert [row["value"] for row in result.rows if row["setting"] == "proxy"] == [value]
    assert "hunter2" not in result.out
    assert proxy.lines == []
