"""`koophone config`: the settings in effect and their sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import typer
from yarl import URL

from koophone_async.cli.errors import Exit, NoCredentials, report_error
from koophone_async.cli.exec_command import Output
from koophone_async.cli.output import Format, printer
from koophone_async.cli.rows import Row
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, credentials, current_settings
from koophone_async.credentials import Credentials, Password
from koophone_async.endpoints import VARIABLES
from koophone_async.errors import InvalidRequest
from koophone_async.proxies import Proxies
from koophone_async.session import Session, Timeouts

_PROJECT: Final = "HUAWEICLOUD_SDK_PROJECT_ID"


def run(context: typer.Context, output: Output = Format.TABLE) -> None:
    """Show the settings in effect and where each comes from. Secrets are not shown.

    The exit code is 3 if no credentials are found.
    """
    execute(_show(current_settings(context), output))


async def _show(settings: Settings, output: Format) -> Exit:
    signing, missing = await _credentials(settings)
    async with Session(settings.chain, environ=settings.environ) as session:
        with printer(output) as out:
            for row in (*_in_effect(session, settings), signing):
                out.row(row)
    return report_error(missing) if missing else Exit.DONE


def _in_effect(session: Session, settings: Settings) -> Iterator[Row]:
    yield _row(
        "region", settings.environ.get("KOOPHONE_REGION"), _source(settings, "KOOPHONE_REGION", "not set")
    )
    yield _row("edition", session.edition.value, _source(settings, "KOOPHONE_EDITION", "default"))
    yield _row(
        "profile", settings.environ.get("KOOPHONE_PROFILE"), _source(settings, "KOOPHONE_PROFILE", "not set")
    )
    yield _row(
        "project",
        settings.environ.get(_PROJECT),
        _source(settings, _PROJECT, "the project with the name of the region"),
    )
    for service, variable in VARIABLES.items():
        yield _endpoint(session, settings, service, variable)
    yield _proxy(settings)
    for name, seconds in attrs.asdict(Timeouts()).items():
        yield _row(f"timeout {name}", "none" if seconds is None else f"{seconds:g} s", "default")


def _endpoint(session: Session, settings: Settings, service: str, variable: str) -> Row:
    try:
        address = str(session.origin(service))
    except InvalidRequest as error:
        return _row(f"endpoint {service}", None, f"{error.field} {error.problem}")
    return _row(f"endpoint {service}", address, _source(settings, variable, "published host"))


def _proxy(settings: Settings) -> Row:
    """Return the proxy of a host that NO_PROXY does not name."""
    source = _source(settings, "https_proxy", "HTTPS_PROXY or ALL_PROXY")
    try:
        proxy = Proxies.of(None, settings.environ).proxy_for(URL("https://any.invalid"))
    except InvalidRequest as error:
        return _row("proxy", None, f"{error.field} {error.problem}")
    return _row("proxy", str(proxy.url), source) if proxy else _row("proxy", None, "not set")


async def _credentials(settings: Settings) -> tuple[Row, NoCredentials | None]:
    chain = settings.chain
    try:
        used = await credentials(chain)
    except NoCredentials as error:
        return _row("credentials", None, "not found"), error
    # The chain moves the provider that had credentials to the front.
    return _row("credentials", describe(used), str(chain.providers[0])), None


def describe(used: Credentials) -> str:
    """Identify credentials without their secrets."""
    if isinstance(used, Password):
        return f"password of {used.user}"
    return f"{'temporary' if used.security_token else 'permanent'} access key {used.access_key[:4]}…"


def _source(settings: Settings, variable: str, default: str) -> str:
    if variable in settings.overridden:
        return "command-line option"
    return f"environment {variable}" if settings.environ.get(variable) else default


def _row(setting: str, value: str | None, source: str) -> Row:
    return {"setting": setting, "value": value, "source": source}
