"""Write what terminals show, as text and SVG: `python -m tests.cli.captures DIRECTORY [NAME...]`.

The pictures of the docs: `python -m tests.cli.captures docs/terminal list-80 diff-80 audit-80`.
"""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from attrs import frozen
from rich.console import Console
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME
from rich.text import Text

from tests.cli.conftest import settings_of, started
from tests.cli.terminals import in_terminal, shown

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

PHONES: Final = 10_000
RELEASE: Final = ("--", "getprop ro.build.version.release")
COMMANDS: Final = {
    "list": ("instances", "list", "--limit", "8"),
    "group": ("exec", "--all", "--group", *RELEASE),
    "diff": ("exec", "--all", "--diff", *RELEASE),
    "failures": ("exec", "--all", "--failed-only", "--group", *RELEASE),
    "audit": ("apps", "list", "--where", 'id ~ "phone000*"', "--group"),
    "empty": ("instances", "list", "--id", "nope"),
    "column": ("instances", "list", "--columns", "id,nope"),
}
FAULTS: Final = [
    {"operation": "koophone.commands.run", "first": 1, "action": {"kind": "reset", "executed": True}},
    *(
        {"phone": f"phone{number:05}", "action": {"kind": "fail", "code": "CPS.0191"}}
        for number in range(150, PHONES, PHONES // 42)
    ),
]
_FONT: Final = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
DRAWN: Final = re.compile(r"\r([^\r\n]*)\x1b\[K")


@frozen
class Setting:
    """A terminal, or a pipe."""

    environ: Mapping[str, str]
    columns: int = 80
    piped: str = ""
    is_light: bool = False


SETTINGS: Final = {
    "80": Setting({"TERM": "xterm-256color"}),
    "160": Setting({"TERM": "xterm-256color"}, columns=160),
    "80-light": Setting({"TERM": "xterm-256color"}, is_light=True),
    "80-no-color": Setting({"TERM": "xterm-256color", "NO_COLOR": "1"}),
    "80-dumb": Setting({"TERM": "dumb"}),
    "piped": Setting({"TERM": "xterm-256color"}, piped="stdout"),
}


@contextmanager
def emulated() -> Generator[dict[str, str]]:
    """Start an emulator on which some phones fail, and one call has no answer each time it is healed."""
    with TemporaryDirectory() as directory:
        plan = Path(directory, "faults.json")
        plan.write_text(json.dumps(FAULTS))
        with started("emulator", "--phones", str(PHONES), "--faults", str(plan)) as process:
            assert process.stdout
            yield settings_of(json.loads(process.stdout.readline()))


def capture(line: tuple[str, ...], environ: Mapping[str, str], setting: Setting) -> tuple[str, str]:
    """Return what a command leaves in a terminal or pipe, and the last progress that it showed."""
    with in_terminal(
        *line, environ={**environ, **setting.environ}, columns=setting.columns, piped=setting.piped
    ) as (process, controller):
        piped = process.stdout.read() if process.stdout else ""
        seen = shown(controller)
    frames = [text for text in DRAWN.findall(seen) if text]
    return piped + DRAWN.sub("", seen), frames[-1] if frames else ""


def svg(text: str, title: str, setting: Setting) -> str:
    """Return a picture of a terminal."""
    console = Console(record=True, width=setting.columns, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text), soft_wrap=True)
    theme = DEFAULT_TERMINAL_THEME if setting.is_light else SVG_EXPORT_THEME
    # Without the fonts, which a page would load from another site.
    return _FONT.sub("", console.export_svg(title=title, theme=theme, unique_id="capture"))


def main(directory: Path, names: Sequence[str]) -> None:
    """Write captures to a directory: those with the names, or all."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, line in COMMANDS.items():
        for label, setting in SETTINGS.items():
            if names and f"{name}-{label}" not in names:
                continue
            with emulated() as environ:
                text, progress = capture(line, environ, setting)
            command = shlex.join(("koophone", *line))
            file = directory / f"{name}-{label}"
            file.with_suffix(".txt").write_text(f"$ {command}\n{text}")
            file.with_suffix(".svg").write_text(svg(text, command, setting))
            if progress:
                (directory / f"{name}-{label}-progress.txt").write_text(f"{progress}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
