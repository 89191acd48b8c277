"""Commands that install, uninstall, start and stop apps."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Final

from koophone_async.emulator.android.device_commands import AndroidCommand
from koophone_async.emulator.android.parser import CommandError
from koophone_async.emulator.android.shell import Invocation, Result
from koophone_async.emulator.android.state import Android

_PACKAGE: Final = r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+"
_APK: Final = re.compile(rf"(?P<package>{_PACKAGE}?)(?:-(?P<version>[\w.]+))?\.apk")
_LAST_SYSTEM_PROCESS: Final = 4000
"""Process ID before that of the first started app; those of the system are lower."""

_SYSTEM: Final = (
    ("root", 1, 0, "init"),
    ("logd", 212, 1, "logd"),
    ("root", 231, 1, "zygote64"),
    ("system", 238, 1, "surfaceflinger"),
    ("system", 512, 231, "system_server"),
    ("u0_a12", 640, 231, "com.android.systemui"),
    ("radio", 655, 231, "com.android.phone"),
    ("u0_a20", 702, 231, "com.android.launcher3"),
)
_OWN: Final = (("shell", 3990, 233, "sh"), ("shell", 3991, 3990, "ps"))


def _pm(android: Android, call: Invocation) -> Result:
    match call.words:
        case ["list", "packages", *words]:
            return _list(android, words)
        case ["install", *words]:
            return _install(android, call, _operands(words))
        case [("path" | "uninstall" | "clear") as action, *words] if operands := _operands(words):
            return {"path": _path, "uninstall": _uninstall, "clear": _clear}[action](android, operands[0])
        case ["path" | "uninstall" | "clear", *_]:
            raise CommandError("Error: package name not specified", 255)
        case _:
            raise CommandError(f"Unknown command: {' '.join(call.words)}", 255)


def _operands(words: list[str]) -> list[str]:
    """Return the words without options, of which `--user` and `-i` have values."""
    kept = re.sub(r"(^|\0)(?:(?:--user|-i)\0[^\0]*|-[^\0]*)(?=\0|$)", "", "\0".join(words))
    return [word for word in kept.split("\0") if word]


def _list(android: Android, words: list[str]) -> Result:
    parts = _operands(words)
    packages = [
        package
        for package in sorted(android.apps)
        if not ("-3" in words and android.is_system(package))
        and not ("-s" in words and not android.is_system(package))
        and all(part in package for part in parts)
    ]
    where = [f"{_file(android, package)}=" if "-f" in words else "" for package in packages]
    return Result(
        "".join(f"package:{path}{package}\n" for path, package in zip(where, packages, strict=True))
    )


def _file(android: Android, package: str) -> str:
    if package == "android":
        return "/system/framework/framework-res.apk"
    if not android.is_system(package):
        return f"/data/app/{package}-1/base.apk"
    name = package.rpartition(".")[2].capitalize()
    return f"/system/app/{name}/{name}.apk"


def _path(android: Android, package: str) -> Result:
    if package not in android.apps:
        return Result(status=1)
    return Result(f"package:{_file(android, package)}\n")


def _install(android: Android, call: Invocation, operands: list[str]) -> Result:
    """Install the app that the name of the file states: `package.apk` or `package-version.apk`."""
    if not operands:
        raise CommandError("Error: failed to write; Must specify APK", 255)
    path = call.path(operands[0])
    if not call.shell.disk.exists(path):
        raise CommandError(f"Error: Unable to open file: {path}\nError: Can't open file: {path}")
    match = _APK.fullmatch(posixpath.basename(path))
    if not match:
        raise CommandError(f"Failure [INSTALL_PARSE_FAILED_NOT_APK: Failed to parse {path}]")
    android.apps[match["package"]] = match["version"] or "1.0"
    return Result("Success\n")


def _uninstall(android: Android, package: str) -> Result:
    if package not in android.apps or android.is_system(package):
        return Result("Failure [DELETE_FAILED_INTERNAL_ERROR]\n", 1)
    del android.apps[package]
    android.processes.pop(package, None)
    return Result("Success\n")


def _clear(android: Android, package: str) -> Result:
    if package not in android.apps:
        return Result("Failed\n", 1)
    android.processes.pop(package, None)
    return Result("Success\n")


def _am(android: Android, call: Invocation) -> Result:
    match call.words:
        case [("start" | "start-activity"), *words]:
            return _start(android, words)
        case [("force-stop" | "kill"), *words] if operands := _operands(words):
            android.processes.pop(operands[0], None)
            return Result()
        case _:
            raise CommandError(f"Unknown command: {' '.join(call.words)}", 255)


def _start(android: Android, words: list[str]) -> Result:
    values = {option: value for option, value in pairwise(words) if option in {"-a", "-d", "-n"}}
    component = values.get("-n") or next((word for word in _operands(words) if "/" in word), "")
    if "-d" in values and "-n" not in values:
        component = ""
    fields = {"act": values.get("-a"), "dat": values.get("-d"), "cmp": component}
    intent = " ".join(f"{name}={value}" for name, value in fields.items() if value)
    starting = f"Starting: Intent {{ {intent} }}\n"
    package, _, activity = component.partition("/")
    if not component:
        return Result(starting)
    if package not in android.apps:
        class_name = package + activity if activity.startswith(".") else activity
        problem = f"Error: Activity class {{{package}/{class_name}}} does not exist.\n"
        return Result(f"{starting}Error type 3\n{problem}", 1)
    if package not in android.processes:
        android.processes[package] = max(android.processes.values(), default=_LAST_SYSTEM_PROCESS) + 1
    return Result(starting)


def _ps(android: Android, call: Invocation) -> Result:
    letters, _operands = call.options("Aef")
    apps = [(f"u0_a{number % 1000 + 100}", number, 231, app) for app, number in android.processes.items()]
    rows = [*_SYSTEM, *apps, *_OWN] if letters & {"A", "e"} else _OWN
    head = "USER           PID  PPID     VSZ    RSS WCHAN            ADDR S NAME\n"
    return Result(head + "".join(_row(*row) for row in rows))


def _row(user: str, number: int, parent: int, name: str) -> str:
    return f"{user:<12} {number:>5} {parent:>5} {1024 * 900:>7} {24000:>6} {'0':<16} {'0':>4} S {name}\n"


PACKAGE_COMMANDS: Final[Mapping[str, AndroidCommand]] = {"am": _am, "pm": _pm, "ps": _ps}
"""Commands by name."""
