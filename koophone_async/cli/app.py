"""The commands of `koophone`. What a command calls is imported when it runs: the start stays quick."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Final, Literal

import typer
from typer.main import get_command_from_info, get_group
from typer.models import CommandInfo

from koophone_async import __version__
from koophone_async.cli import help_text
from koophone_async.cli.lazy_groups import Builders, group
from koophone_async.cli.light_checks import Click
from koophone_async.cli.output.terminal import visible
from koophone_async.cli.parameters.names import refuse_empty


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"koophone-async {__version__}")
        raise typer.Exit


def _check_secret(value: str | None, option: str, check: Callable[[str], object]) -> str | None:
    """Return the value of a global option that may be secret, after reading and checking it."""
    if value:
        from koophone_async.cli.parameters.input_files import secret_value  # noqa: PLC0415 - slow to import
        from koophone_async.errors import InvalidRequest  # noqa: PLC0415 - as above

        try:
            value = secret_value(value, option)
            check(value)
        except InvalidRequest as error:
            raise typer.BadParameter(error.problem) from None
    return value


def _check_proxy(address: str | None) -> str | None:
    def check(value: str) -> object:
        from koophone_async.proxies import Proxy  # noqa: PLC0415 - slow to import

        return Proxy.parse(value)

    return _check_secret(address, "--proxy", check)


def _check_limits(url: str | None) -> str | None:
    def check(value: str) -> object:
        from koophone_async.limits.shared import parse_limits  # noqa: PLC0415 - slow to import

        return parse_limits({"KOOPHONE_LIMITS": value})

    return _check_secret(url, "--limits", check)


def start(
    context: typer.Context,
    *,
    region: Annotated[
        str | None,
        typer.Option(callback=refuse_empty, help="Region, such as cn-north-4. Default: KOOPHONE_REGION."),
    ] = None,
    edition: Annotated[
        Literal["china", "international"] | None,
        typer.Option(help="Edition of the service. Default: KOOPHONE_EDITION, else china."),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Section of ~/.huaweicloud/credentials. Default: KOOPHONE_PROFILE. Repeat it to run the "
            "command over several accounts.",
        ),
    ] = None,
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            callback=_check_proxy,
            help="HTTP proxy; empty for none. Default: HTTPS_PROXY, except for the hosts in NO_PROXY. "
            f"{help_text.HIDING}.",
        ),
    ] = None,
    limits: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            callback=_check_limits,
            help="Server that several processes share quotas through: redis://, rediss:// or postgresql://; "
            f"empty for none. Default: KOOPHONE_LIMITS. {help_text.HIDING}.",
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
    from koophone_async.cli.logs import log_to_stderr  # noqa: PLC0415 - slow to import

    log_to_stderr(verbose=verbose)
    context.obj = {
        "KOOPHONE_REGION": region,
        "KOOPHONE_EDITION": edition,
        "KOOPHONE_PROFILE": profile[0] if profile else None,
        "https_proxy": proxy,
        "http_proxy": proxy,
        "KOOPHONE_LIMITS": limits,
    }


def _module(name: str) -> Any:  # noqa: ANN401 - each has a function `run`
    return import_module(f"koophone_async.cli.{name}")


def _command(name: str, module: str) -> Click:
    """Build the command of a module: its function `run`, as the class `Command` if there is one."""
    loaded = _module(module)
    epilog = help_text.epilog(getattr(loaded, "EXAMPLES", ()))
    info = CommandInfo(name, cls=getattr(loaded, "Command", None), callback=loaded.run, epilog=epilog)
    info.help = help_text.unwrap(loaded.run.__doc__)
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


def _events() -> Click:
    text = "Receive game events: players entering and quitting games, heartbeats."
    return get_group(group(("events",), text, dict, {"serve": partial(_command, "serve", "commands.events")}))


_ROLLOUTS: Final = {
    "check": ("checking", "check"),
    "start": ("driving", "start"),
    "resume": ("driving", "resume"),
    "status": ("showing", "status"),
    "list": ("showing", "list_"),
    "outcomes": ("showing", "outcomes"),
    "watch": ("showing", "watch"),
    "pause": ("requests", "pause"),
    "approve": ("requests", "approve"),
    "cancel": ("requests", "cancel"),
    "retry": ("driving", "retry"),
    "undo": ("driving", "undo"),
    "report": ("reporting", "report"),
    "prune": ("showing", "prune"),
    "worker": ("working", "worker"),
    "workers": ("working", "workers"),
    "schema": ("showing", "schema"),
}
"""Modules and functions of the commands of `koophone rollout`."""


def _rollout() -> Click:
    text = "Run steps on phones in waves; a rollout survives the end of its process."
    builders = {name: partial(_function, name, *place) for name, place in _ROLLOUTS.items()}
    return get_group(group(("rollout",), text, dict, {**builders, "schedule": _schedule}))


_SCHEDULES: Final = {"add": "add", "list": "list_", "disable": "disable", "enable": "enable"}
"""Functions of the commands of `koophone rollout schedule`."""


def _schedule() -> Click:
    text = "Start a plan at set times, on workers: `koophone rollout schedule PLAN --cron '0 2 * * *'`."
    builders = {
        name: partial(_function, f"schedule {name}", "scheduling", function)
        for name, function in _SCHEDULES.items()
    }
    return get_group(group(("rollout", "schedule"), text, dict, builders, default="add"))


def _function(path: str, module: str, function: str) -> Click:
    """Build a command of rollouts."""
    callback = getattr(_module(f"rollouts.{module}"), function)
    epilog = help_text.epilog(_module("rollouts.examples").examples(path))
    info = CommandInfo(path.rsplit(maxsplit=1)[-1], callback=callback, epilog=epilog)
    info.help = help_text.unwrap(callback.__doc__)
    return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)


def _operations(*services: str) -> Callable[[], Builders]:
    return lambda: _module("commands.operation_commands").groups(*services)


def _cph() -> Click:
    options = _module("parameters.cph_options").start
    cph = group(("cph",), None, _operations("cph", "gaming"))
    cph.callback(help=help_text.unwrap(options.__doc__))(options)
    return get_group(cph)


def _iam() -> Click:
    return get_group(group(("iam",), "IAM: tokens and projects.", _operations("iam")))


_COMMANDS: Final = {
    "demo": "demo",
    "exec": "exec_command",
    "emulator": "emulator",
    "api": "api",
    "config": "config",
    "doctor": "doctor",
}
"""Modules of commands with a name of their own."""

app: typer.Typer = group(
    (),
    None,
    _operations("koophone"),
    {
        **{name: partial(_command, name, f"commands.{module}") for name, module in _COMMANDS.items()},
        "rollout": _rollout,
        "events": _events,
        "cph": _cph,
        "iam": _iam,
    },
)
app.pretty_exceptions_enable = False
app.info.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
app.callback(help=help_text.unwrap(start.__doc__), no_args_is_help=True)(start)

_UsageError: Any = typer.BadParameter.__base__
"""The error of all wrong lines, which typer does not export."""

_PYDANTIC: Final = "Value error, "
"""What pydantic, by which typer checks values, puts before the message."""


def run() -> None:
    """Run the command of this process's arguments, and exit with its exit code.

    A usage error quotes arguments, which a script may have from anywhere: it is printed visibly.
    """
    try:
        code = app(prog_name="koophone", standalone_mode=False)
    except _UsageError as error:
        error.message = error.message.removeprefix(_PYDANTIC)
        text = io.StringIO()
        error.show(text)
        sys.stderr.write(visible(text.getvalue(), keep_lines=True))
        code = error.exit_code
    sys.exit(code)
