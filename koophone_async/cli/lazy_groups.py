"""Groups of commands that are known, with their help, before what they call is imported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property, partial
from typing import Any, TypeAlias

import typer
from typer.main import get_group

from koophone_async.cli.command_table import commands_of
from koophone_async.cli.described_commands import described_command, description
from koophone_async.cli.light_checks import Click, LightGroup

Builders: TypeAlias = Mapping[str, Callable[[], Click]]
"""Functions that build commands, by command name."""


class LazyCommands(Mapping[str, Any]):
    """Commands of a group by name, each built on first access."""

    def __init__(self, built: Mapping[str, Any], light: Builders, load: Callable[[], Builders]) -> None:
        """Start with commands that are built already.

        Args:
            built: The commands.
            light: Builders of commands that import only what their own command needs.
            load: Returns the builders of the rest; called once, when one of them is built.
        """
        self._built = dict(built)
        self._light = light
        self._load = load

    @cached_property
    def _builders(self) -> Builders:
        return {**self._light, **self._load()}

    def __getitem__(self, name: str) -> Click:
        if name not in self._built:
            builders = self._light if name in self._light else self._builders
            self._built[name] = builders[name]()
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._builders, *self._built)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def described(path: tuple[str, ...], load: Callable[[], Click]) -> Click:
    """Return a command or group as described, which loads the real one if need be; else the real one."""
    text = description(path)
    if text is None:
        return load()
    if "parameters" in text:
        return described_command(path[-1], text, load)
    return get_group(group(path, text["help"], lambda: _builders(load())))


def _builders(loaded: Click) -> Builders:
    """Return the builders of the commands of a group, which builds them itself."""
    return {name: partial(loaded.commands.__getitem__, name) for name in loaded.commands}


def group(
    path: tuple[str, ...],
    help: str | None,  # noqa: A002 - typer's parameter
    load: Callable[[], Builders],
    light: Builders | None = None,
    *,
    default: str | None = None,
) -> typer.Typer:
    """Create a group of commands, whose names may be typed with `_` too, like those of operations.

    Args:
        path: The words that lead to it.
        help: Help of the group.
        load: Returns the builders of its commands; called when one of them is built.
        light: Builders of commands that are built without `load`.
        default: The command that is meant where none is named.
    """

    class LazyGroup(LightGroup):
        def __init__(self, **options: Any) -> None:  # noqa: ANN401 - passed on
            super().__init__(**options)
            self.commands: Click = LazyCommands(self.commands, light or {}, load)

        def get_command(self, ctx: Click, cmd_name: str) -> Click:
            """Return a command by name, from its description if there is one."""
            name = cmd_name.replace("_", "-")
            return described((*path, name), partial(super().get_command, ctx, name))

        def resolve_command(self, ctx: Click, args: list[str]) -> Any:  # noqa: ANN401 - click's triple
            """Return the name, the command and its arguments; an unknown name needs no import of commands."""
            known = commands_of(path)
            if args[0].replace("_", "-") not in known:
                if default is None:
                    near = ", ".join(map(repr, get_close_matches(args[0], known)))
                    hint = f" Did you mean {near}?" if near else ""
                    ctx.fail(f"No such command {args[0]!r}.{hint}")
                else:
                    args = [default, *args]
            return super().resolve_command(ctx, args)

        def invoke(self, ctx: Click) -> Any:  # noqa: ANN401 - the result of a command
            """Run the command, once for each profile if there are several."""
            if len(ctx.params.get("profile") or ()) < 2:
                return super().invoke(ctx)
            from koophone_async.cli.targets.profiles import run_over  # noqa: PLC0415 - slow to import

            return run_over(ctx, super().invoke)

        def format_commands(self, ctx: Click, formatter: Any) -> None:  # noqa: ANN401 - click's, as above
            """Write the names and the help of the commands, from the table."""
            with formatter.section("Commands"):
                formatter.write_dl([(name, entry["help"]) for name, entry in commands_of(path).items()])

    # The options of the default command may come first.
    settings = {"ignore_unknown_options": True} if default is not None else {}
    return typer.Typer(
        cls=LazyGroup, help=help, no_args_is_help=True, rich_markup_mode=None, context_settings=settings
    )
