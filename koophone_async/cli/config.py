"""`koophone config`: what is in effect, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs
import typer

from koophone_async.cli.errors import Exit, NoCredentials, complain
from koophone_async.cli.exec_command import Output
from koophone_async.cli.output import Format, printer
from koophone_async.cli.rows import Row
from koophone_async.cli.runner import execute
from koophone_async.cli.settings import Settings, credentials, settings
from koophone_async.credentials import Credentials, Password
from koophone_async.endpoints import VARIABLES
from koophone_async.errors import InvalidRequest
from koophone_async.session import Session, Timeouts

_PROJECT: Final = "HUAWEICLOUD_SDK_PROJECT_ID"


def run(context: typer.Context, output: Output = Format.TABLE) -> None:
    """Show what is in effect and where it comes from. Secrets stay hidden.

    Exit code 3 where no credentials are found.
    """
    execute(_show(settings(context), output))


async def _show(having: Settings, output: Format) -> Exit:
    signing, missing = await _credentials(having)
    async with Session(having.chain, environ=having.environ) as session:
        with printer(output) as out:
            for row in (*_in_effect(session, having), signing):
                out.row(row)
    return complain(missing) if missing else Exit.DONE


def _in_effect(session: Session, having: Settings) -> Iterator[Row]:
    yield _row("region", having.environ.get("KOOPHONE_REGION"), _source(having, "KOOPHONE_REGION", "not set"))
    yield _row("edition", session.edition.value, _source(having, "KOOPHONE_EDITION", "default"))
    yield _row(
        "profile", having.environ.get("KOOPHONE_PROFILE"), _source(having, "KOOPHONE_PROFILE", "not set")
    )
    yield _row("project", having.environ.get(_PROJECT), _source(having, _PROJECT, "named like the region"))
    for service, variable in VARIABLES.items():
        yield _endpoint(session, having, service, variable)
    for name, seconds in attrs.asdict(Timeouts()).items():
        yield _row(f"timeout {name}", "none" if seconds is None else f"{seconds:g} s", "default")


def _endpoint(session: Session, having: Settings, service: str, variable: str) -> Row:
    try:
        address = str(session.origin(service))
    except InvalidRequest as error:
        return _row(f"endpoint {service}", None, f"{error.field} {error.problem}")
    return _row(f"endpoint {service}", address, _source(having, variable, "published host"))


async def _credentials(having: Settings) -> tuple[Row, NoCredentials | None]:
    chain = having.chain
    try:
        found = await credentials(chain)
    except NoCredentials as error:
        return _row("credentials", None, "not found"), error
    # The chain puts the place where it found something first.
    return _row("credentials", shown(found), str(chain.providers[0])), None


def shown(found: Credentials) -> str:
    """Tell whose credentials these are, and nothing that is secret."""
    if isinstance(found, Password):
        return f"password of {found.user}"
    return f"{'temporary' if found.security_token else 'permanent'} access key {found.access_key[:4]}…"


def _source(having: Settings, variable: str, otherwise: str) -> str:
    if variable in having.given:
        return "option of the command line"
    return f"environment {variable}" if having.environ.get(variable) else otherwise


def _row(setting: str, value: str | None, source: str) -> Row:
    return {"setting": setting, "value": value, "source": source}
