"""Every setting has an effect: what `koophone config` shows is what the next requests carry."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import RunMain

AK: Final = "HUAWEICLOUD_SDK_AK"
PROJECT: Final = "HUAWEICLOUD_SDK_PROJECT_ID"
KEY: Final = {AK: "ENVIRONMENTKEY000000", "HUAWEICLOUD_SDK_SK": "secret"}
REGION: Final = {"KOOPHONE_REGION": "cn-north-4"}
LIST: Final = ("cph", "phones", "list")
STATUS: Final = ("instances", "status", "phone0001")
FOUND: Final = {
    "id": "foundproject",
    "name": "cn-north-4",
    "domain_id": "d",
    "parent_id": "d",
    "description": "",
    "is_domain": False,
    "enabled": True,
}
PROFILES: Final = """
[basic]
ak = BASICKEY000000000000
sk = secret
project_id = basicproject

[prod]
ak = PRODKEY0000000000000
sk = secret
project_id = prodproject
domain_id = proddomain
security_token = prodtoken

[bare]
ak = BAREKEY0000000000000
sk = secret
"""


@attrs.frozen
class Sent:
    """A request as it arrived."""

    server: str
    path: str
    headers: dict[str, str]

    @property
    def key(self) -> str:
        match = re.search("Access=([^,]+)", self.headers["authorization"])
        assert match
        return match[1]


@attrs.frozen
class Recorder:
    """A server of one service, which records requests and refuses them; it knows one project."""

    name: str
    sent: list[Sent]
    server: ThreadingHTTPServer

    @classmethod
    def start(cls, name: str, sent: list[Sent]) -> Recorder:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {key.lower(): value for key, value in self.headers.items()}
                sent.append(Sent(name, self.path, headers))
                is_lookup = self.path.startswith("/v3/projects")
                refused = {"error_code": "CPS.0001", "error_msg": "no"}
                body = json.dumps({"projects": [FOUND]} if is_lookup else refused).encode()
                self.send_response(200 if is_lookup else 403)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the same

            def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
                """Print nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return cls(name, sent, server)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"


@attrs.frozen
class Network:
    """The three services, and the environment that leads to them."""

    sent: list[Sent]
    environ: dict[str, str]


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    file = tmp_path / ".huaweicloud" / "credentials"
    file.parent.mkdir()
    file.write_text(PROFILES)
    file.chmod(0o600)
    sent: list[Sent] = []
    services = [Recorder.start(name, sent) for name in ("koophone", "cph", "iam")]
    variables = ("KOOPHONE_ENDPOINT", "KOOPHONE_CPH_ENDPOINT", "HUAWEICLOUD_SDK_IAM_ENDPOINT")
    yield Network(sent, {name: each.url for name, each in zip(variables, services, strict=True)})
    for service in services:
        service.server.shutdown()
        service.server.server_close()


def shown(run_main: RunMain, options: tuple[str, ...], environ: dict[str, str]) -> dict[str, str]:
    rows = run_main(*options, "config", "--output", "jsonl", environ=environ).rows
    return {row["setting"]: row["value"] for row in rows}


@pytest.mark.parametrize(
    "options, environ, account",
    [
        ((), KEY | {PROJECT: "envproject"}, (KEY[AK], "envproject")),
        ((), {}, ("BASICKEY000000000000", "basicproject")),
        ((), {PROJECT: "envproject"}, ("BASICKEY000000000000", "envproject")),
        ((), {"KOOPHONE_PROFILE": "prod"}, ("PRODKEY0000000000000", "prodproject")),
        ((), {"KOOPHONE_PROFILE": "prod", PROJECT: "envproject"}, ("PRODKEY0000000000000", "envproject")),
        ((), KEY | {"KOOPHONE_PROFILE": "prod", PROJECT: "envproject"}, (KEY[AK], "envproject")),
        (("--profile", "prod"), {}, ("PRODKEY0000000000000", "prodproject")),
        (("--profile", "prod"), {PROJECT: "envproject"}, ("PRODKEY0000000000000", "prodproject")),
        (("--profile", "prod"), KEY | {PROJECT: "envproject"}, ("PRODKEY0000000000000", "prodproject")),
        (("--profile", "bare"), {PROJECT: "envproject"}, ("BAREKEY0000000000000", "envproject")),
        (("--profile", "bare"), {}, ("BAREKEY0000000000000", None)),
        (("--profile", "bare"), KEY | {PROJECT: "envproject"}, ("BAREKEY0000000000000", None)),
        ((), KEY, (KEY[AK], None)),
    ],
)
def test_key_and_project_are_those_that_config_shows(
    run_main: RunMain,
    network: Network,
    options: tuple[str, ...],
    environ: dict[str, str],
    account: tuple[str, str | None],
) -> None:
    key, project = account
    settings = shown(run_main, options, network.environ | REGION | environ)
    assert (settings["project"], key[:4] in settings["credentials"]) == (project, True)
    assert not network.sent

    run_main(*options, *LIST)

    *lookups, last = network.sent
    assert last.path.startswith(f"/v1/{project or 'foundproject'}/cloud-phone/phones")
    assert last.headers["x-project-id"] == project or project is None
    assert [each.server for each in lookups] == ([] if project else ["iam"])
    assert {each.key for each in network.sent} == {key}


@pytest.mark.parametrize(
    "line, service", [(STATUS, "koophone"), (LIST, "cph"), (("iam", "projects", "list"), "iam")]
)
def test_each_endpoint_is_the_one_that_config_shows(
    run_main: RunMain, network: Network, line: tuple[str, ...], service: str
) -> None:
    settings = shown(run_main, (), network.environ | REGION)

    run_main(*line)

    assert {each.server for each in network.sent} == {service}
    assert {f"http://{each.headers['host']}" for each in network.sent} == {settings[f"endpoint {service}"]}


def test_domain_and_security_token_of_a_profile_are_sent(run_main: RunMain, network: Network) -> None:
    run_main("--profile", "prod", "iam", "projects", "list", environ=network.environ)

    (sent,) = network.sent
    assert sent.headers["x-domain-id"] == "proddomain"
    assert sent.headers["x-security-token"] == "prodtoken"


@pytest.mark.parametrize(
    "options, environ, region",
    [
        ((), {}, None),
        ((), {"KOOPHONE_REGION": "cn-east-3"}, "cn-east-3"),
        (("--region", "cn-south-1"), {"KOOPHONE_REGION": "cn-east-3"}, "cn-south-1"),
    ],
)
def test_a_region_names_the_project_that_is_looked_up(
    run_main: RunMain,
    network: Network,
    options: tuple[str, ...],
    environ: dict[str, str],
    region: str | None,
) -> None:
    settings = shown(run_main, options, network.environ | KEY | environ)
    assert settings["region"] == region

    run_main(*options, *LIST)

    assert [each.path for each in network.sent] == ([f"/v3/projects?name={region}"] if region else [])
