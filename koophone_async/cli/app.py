"""The commands of `koophone`."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from koophone_async import __version__
from koophone_async.cli import (
    api,
    config,
    cph_options,
    demo,
    emulator,
    events,
    exec_command,
    help_text,
)
from koophone_async.cli.operation_commands import add_operations, group, groups
from koophone_async.cli.settings import Settings
from koophone_async.errors import InvalidRequest
from koophone_async.proxies import Proxy
from koophone_async.wire import Edition


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"koophone-async {__version__}")
        raise typer.Exit


def _check_proxy(address: str | None) -> str | None:
    if address:
        try:
            Proxy.parse(address)
        except InvalidRequest as error:
            raise typer.BadParameter(error.problem) from None
    return address


def start(
    context: typer.Context,
    *,
    region: Annotated[
        str | None, typer.Option(help="Region, such as cn-north-4. Default: KOOPHONE_REGION.")
    ] = None,
    edition: Annotated[
        Edition | None, typer.Option(help="Edition of the service. Default: KOOPHONE_EDITION, else china.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="Section of ~/.huaweicloud/credentials. Default: KOOPHONE_PROFILE.")
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            callback=_check_proxy,
            help="HTTP proxy; empty for none. Default: HTTPS_PROXY, except for the hosts in NO_PROXY.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log retries and their causes to stderr.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and exit."),
    ] = False,
) -> None:
    """Run commands on thousands of Huawei Cloud phones, call any API operation, or emulate the service.

    Credentials are read from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, from the profile file, or from the
    metadata service of a cloud server; `koophone config` shows which are used. `koophone demo` needs none.
    """
    if verbose:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("koophone_async").setLevel(logging.DEBUG)
    context.obj = Settings.of(
        os.environ,
        KOOPHONE_REGION=region,
        KOOPHONE_EDITION=edition,
        KOOPHONE_PROFILE=profile,
        https_proxy=proxy,
        http_proxy=proxy,
    )


app: typer.Typer = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.callback(help=help_text.unwrap(start.__doc__))(start)
app.command("demo", help=help_text.unwrap(demo.run.__doc__))(demo.run)
app.command("exec", cls=exec_command.CommandAfterDashes, help=help_text.unwrap(exec_command.run.__doc__))(
    exec_command.run
)
app.command("emulator", help=help_text.unwrap(emulator.run.__doc__))(emulator.run)
app.command("api", help=help_text.unwrap(api.run.__doc__))(api.run)
app.command("config", help=help_text.unwrap(config.run.__doc__))(config.run)
receiver: typer.Typer = typer.Typer(
    help="Receive game events: players entering and quitting games, heartbeats."
)
receiver.callback(no_args_is_help=True)(lambda: None)
receiver.command("serve", help=help_text.unwrap(events.run.__doc__))(events.run)
app.add_typer(receiver, name="events")
add_operations(app, "koophone")
cph: typer.Typer = group(None, lambda: groups("cph", "gaming"))
cph.callback(help=help_text.unwrap(cph_options.start.__doc__))(cph_options.start)
app.add_typer(cph, name="cph")
app.add_typer(group("IAM: tokens and projects.", lambda: groups("iam")), name="iam")
