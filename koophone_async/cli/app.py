"""The commands of `koophone`."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from koophone_async import __version__
from koophone_async.cli import api, config, cph_options, demo, emulator, events, exec_command
from koophone_async.cli.operation_commands import add_operations, group, groups
from koophone_async.cli.settings import Settings
from koophone_async.wire import Edition


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"koophone-async {__version__}")
        raise typer.Exit


def start(
    context: typer.Context,
    *,
    region: Annotated[str | None, typer.Option(help="Such as cn-north-4. Else KOOPHONE_REGION.")] = None,
    edition: Annotated[Edition | None, typer.Option(help="Else KOOPHONE_EDITION, else china.")] = None,
    profile: Annotated[
        str | None, typer.Option(help="The section of ~/.huaweicloud/credentials. Else KOOPHONE_PROFILE.")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log to stderr what is sent again, and why.")
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version.")
    ] = False,
) -> None:
    """Huawei Cloud's cloud phones: run commands on thousands, call every operation, or emulate them all.

    Credentials come from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, from the profile file, or from the
    metadata service of a cloud server; `koophone config` shows what is in effect. `koophone demo` needs none.
    """
    if verbose:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
        logging.getLogger("koophone_async").setLevel(logging.DEBUG)
    context.obj = Settings.of(
        os.environ, KOOPHONE_REGION=region, KOOPHONE_EDITION=edition, KOOPHONE_PROFILE=profile
    )


app: typer.Typer = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode="rich")
app.callback()(start)
app.command("demo")(demo.run)
app.command("exec", cls=exec_command.AfterDashes)(exec_command.run)
app.command("emulator")(emulator.run)
app.command("api")(api.run)
app.command("config")(config.run)
receiver: typer.Typer = typer.Typer(
    help="What the service tells: players entering and quitting games, heartbeats."
)
receiver.callback(no_args_is_help=True)(lambda: None)
receiver.command("serve")(events.run)
app.add_typer(receiver, name="events")
add_operations(app, "koophone")
cph: typer.Typer = group(cph_options.start.__doc__, lambda: groups("cph", "gaming"))
cph.callback()(cph_options.start)
app.add_typer(cph, name="cph")
app.add_typer(group("IAM, as far as the cloud phones need it.", lambda: groups("iam")), name="iam")
