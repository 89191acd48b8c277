"""`koophone config`: the settings in effect and their sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import typer
from yarl import URL

from koophone_async.cli.commands.confirmation import YES
from koophone_async.cli.errors import Exit, NoCredentials, print_stderr, report_error
from koophone_async.cli.output.printing import Format, printer
from koophone_async.cli.output.rows import Row
from koophone_async.cli.output.view import Output
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import (
    PROFILE,
    UNKNOWN_PROJECT,
    Account,
    Settings,
    current_settings,
    describe,
)
from koophone_async.endpoints import ALLOW_HTTP, VARIABLES
from koophone_async.errors import InvalidRequest
from koophone_async.protocol.redaction import redact
from koophone_async.proxies import Proxies
from koophone_async.session import Session, Timeouts

_TRUE: Final = ("1", "true", "t", "yes", "y", "on")
"""Values of variables that turn an option on, as click reads them."""

EXAMPLES: Final = (
    "koophone config",
    "koophone --profile prod config --output json",
)


def run(context: typer.Context, output: Output = Format.TABLE) -> None:
    """Show the settings in effect and where each comes from. Secrets are not shown.

    The exit code is 3 if no credentials are found.
    """
    execute(_show(current_settings(context), output))


async def _show(settings: Settings, output: Format) -> Exit:
    try:
        account, missing = await settings.account(), None
    except NoCredentials as error:
        account, missing = None, error
    if account and account.conflict:
        print_stderr(f"koophone: {account.conflict}")
    environ = account.environ if account else settings.environ
    async with Session(settings.chain, environ=environ) as session:
        with printer(output) as out:
            for row in _in_effect(session, settings, account):
                out.row(row)
    return report_error(missing) if missing else Exit.DONE


def _in_effect(session: Session, settings: Settings, account: Account | None) -> Iterator[Row]:
    yield _row("region", session.region, settings.source("KOOPHONE_REGION", "not set"))
    yield _row("edition", session.edition.value, settings.source("KOOPHONE_EDITION", "default"))
    yield _row("profile", *_profile(settings, account))
    yield _row("project", *attrs.astuple(account.project if account else UNKNOWN_PROJECT))
    for service, variable in VARIABLES.items():
        yield _endpoint(session, settings, service, variable, account)
    yield _proxy(settings)
    named = settings.environ.get(ALLOW_HTTP)
    yield _row("plain HTTP", named or "loopback", settings.source(ALLOW_HTTP, "default"))
    yield _journal(settings)
    is_asked = settings.environ.get(YES, "").lower() not in _TRUE
    yield _row("confirmation", "asked" if is_asked else "not asked", settings.source(YES, "default"))
    yield _limits(settings)
    for name, seconds in attrs.asdict(Timeouts()).items():
        yield _row(f"timeout {name}", "none" if seconds is None else f"{seconds:g} s", "default")
    yield _row(
        "credentials", *((describe(account.credentials), account.source) if account else (None, "not found"))
    )


def _profile(settings: Settings, account: Account | None) -> tuple[str | None, str]:
    """Return the profile that is used, and where its name is from; a named one may be left unused."""
    named = settings.environ.get(PROFILE)
    if named and account and not account.profile:
        return None, f"{PROFILE}={named} is ignored"
    return named or None, settings.source(PROFILE, "not set")


def _endpoint(
    session: Session, settings: Settings, service: str, variable: str, account: Account | None
) -> Row:
    try:
        address = str(session.origin(service))
    except InvalidRequest as error:
        return _row(f"endpoint {service}", None, f"{error.field} {error.problem}")
    if account and account.environ.get(variable) != settings.environ.get(variable):
        return _row(f"endpoint {service}", address, account.source)
    return _row(f"endpoint {service}", address, settings.source(variable, "published host"))


def _proxy(settings: Settings) -> Row:
    """Return the proxy of a host that NO_PROXY does not name."""
    source = settings.source("https_proxy", "HTTPS_PROXY or ALL_PROXY")
    try:
        proxy = Proxies.of(None, settings.environ).proxy_for(URL("https://any.invalid"))
    except InvalidRequest as error:
        return _row("proxy", None, f"{error.field} {error.problem}")
    return _row("proxy", str(proxy.url), source) if proxy else _row("proxy", None, "not set")


def _journal(settings: Settings) -> Row:
    """Return where commands that change phones are written down."""
    from koophone_async.rollouts.journal.location import VARIABLE, default_location  # noqa: PLC0415 - slow

    location = default_location(settings.environ)
    return _row("journal", redact(location) if location else "off", settings.source(VARIABLE, "default"))


def _limits(settings: Settings) -> Row:
    """Return where quotas are shared, without user and password."""
    from koophone_async.limits.shared import VARIABLE, parse_limits  # noqa: PLC0415 - slow

    shared = parse_limits(settings.environ).address if settings.environ.get(VARIABLE) else None
    return _row("limits", shared, settings.source(VARIABLE, "not set"))


def _row(setting: str, value: str | None, source: str) -> Row:
    return {"setting": setting, "value": value, "source": source}
