"""Write what terminals show, as text and SVG: `python -m tests.cli.captures DIRECTORY [NAME...]`.

`make captures` writes all to build/captures; the pictures of the docs are written by
`python -m tests.cli.captures docs/terminal diff-80 audit-80`.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from anyio.from_thread import start_blocking_portal
from attrs import frozen
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

from koophone_async.emulator import Emulator
from koophone_async.session import utc_now
from tests.cli.captures.scenes import SCENES, Scene
from tests.cli.conftest import settings_of
from tests.cli.screen import Screen
from tests.cli.terminals import in_terminal

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
_QUESTION: Final = "[y/N] "
_CTRL_C: Final = b"\x03"


@frozen
class Setting:
    """A terminal, or pipes."""

    environ: Mapping[str, str]
    columns: int = 80
    is_piped: bool = False
    is_light: bool = False


_COLORS: Final = {"TERM": "xterm-256color"}
SETTINGS: Final = {
    "80": Setting(_COLORS),
    "160": Setting(_COLORS, columns=160),
    "80-light": Setting(_COLORS, is_light=True),
    "80-no-color": Setting({**_COLORS, "NO_COLOR": "1"}),
    "80-dumb": Setting({"TERM": "dumb"}),
    "piped": Setting(_COLORS, columns=160, is_piped=True),
}


@contextmanager
def environment(scene: Scene, setting: Setting) -> Generator[tuple[Path, dict[str, str]]]:
    """Prepare a directory and an emulator; yield the directory and the variables of commands."""
    with (
        TemporaryDirectory() as home,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(
            Emulator(
                scene.phones,
                servers=5,
                edition=scene.edition,
                faults=scene.faults,
                now=lambda: utc_now() - scene.clock_ahead,
            )
        ) as emulator,
    ):
        for name, text in scene.files.items():
            Path(home, name).write_text(text)
            Path(home, name).chmod(0o600)  # some have secrets
        yield Path(home), {**settings_of(emulator.banner()), "HOME": home, **scene.environ, **setting.environ}


def play(scene: Scene, setting: Setting) -> Screen:
    """Run a command in a terminal, and return what is on its screen at the end."""
    with environment(scene, setting) as (directory, environ):
        for before in scene.before:
            with in_terminal(*shlex.split(before), environ=environ, directory=directory) as (
                process,
                controller,
            ):
                watch(controller, Screen(80))
        piped = "stdin stdout stderr" if setting.is_piped else "stdin" if "<" in scene.line else ""
        line = shlex.split(scene.line.partition(" <")[0])
        screen = Screen(setting.columns)
        with in_terminal(
            *line, environ=environ, columns=setting.columns, piped=piped, directory=directory
        ) as (process, controller):
            if process.stdout and process.stderr:
                if scene.until:
                    process.terminate()
                out, err = process.communicate(timeout=120)
                screen.columns = 10_000
                screen.feed((out + err).replace("\n", "\r\n"))
            else:
                watch(controller, screen, scene)
            code = process.wait(60)
    screen.feed(f"\r\n[exit {code}]")
    return screen


def watch(controller: int, screen: Screen, scene: Scene | None = None) -> None:
    """Show what a command writes on a screen until its end, answer its question, and press Ctrl-C."""
    expected = {_QUESTION: f"{scene.answer}\n".encode(), scene.until or "\0": _CTRL_C} if scene else {}
    while True:
        try:
            screen.feed(os.read(controller, 65_536).decode())
        except OSError:  # the end
            return
        last = screen.text
        for text, typed in [*expected.items()]:
            if text in last.replace("\n", "") + " ":
                if typed == _CTRL_C:
                    screen.feed("\r\n")
                os.write(controller, typed)
                del expected[text]


def svg(screen: Screen, title: str, setting: Setting) -> str:
    """Return a picture of a screen."""
    console = Console(record=True, width=screen.columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(screen.styled), soft_wrap=True)
    theme = DEFAULT_TERMINAL_THEME if setting.is_light else SVG_EXPORT_THEME
    # Without the fonts, which a page would load from another site.
    return _FONT.sub("", console.export_svg(title=title, theme=theme, unique_id="capture"))


def main(directory: Path, *patterns: str) -> None:
    """Write captures to a directory: those whose names match a pattern, such as `doctor*-80`, or all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        for label, setting in SETTINGS.items():
            file = directory / f"{name}-{label}"
            if not any(fnmatch(file.name, pattern) for pattern in patterns or ("*",)):
                continue
            screen = play(scene, setting)
            command = f"koophone {scene.line}"
            file.with_suffix(".txt").write_text(f"$ {command}\n{screen.text}")
            file.with_suffix(".svg").write_text(svg(screen, command, setting))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
