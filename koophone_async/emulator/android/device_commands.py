"""Commands that show and change the properties and settings of a phone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC
from importlib.resources import files
from typing import Final, TypeAlias

from koophone_async.emulator.android.parser import CommandError
from koophone_async.emulator.android.shell import Invocation, Result
from koophone_async.emulator.android.state import Android

AndroidCommand: TypeAlias = "Callable[[Android, Invocation], Result]"
"""A command that needs the phone beside its shell."""

_MAX_PROPERTY: Final = 91
_NAMESPACES: Final = frozenset({"system", "secure", "global"})
_FORCED: Final = {"size": "global/display_size_forced", "density": "secure/display_density_forced"}
_GROUPS: Final = (
    "2000(shell),1004(input),1007(log),1011(adb),1015(sdcard_rw),1028(sdcard_r),3001(net_bt_admin),"
    "3002(net_bt),3003(inet),3006(net_bw_stats),3009(readproc),3011(uhid)"
)
_IDENTITY: Final = f"uid=2000(shell) gid=2000(shell) groups={_GROUPS} context=u:r:shell:s0"
_BATTERY: Final = files("koophone_async.emulator.android").joinpath("battery.txt").read_text("utf-8")


def _getprop(android: Android, call: Invocation) -> Result:
    if call.words:
        default = call.words[1] if call.words[1:] else ""
        return Result(f"{android.properties.get(call.words[0], '') or default}\n")
    return Result("".join(f"[{name}]: [{value}]\n" for name, value in sorted(android.properties.items())))


def _setprop(android: Android, call: Invocation) -> Result:
    if len(call.words) != 2:
        raise CommandError('setprop: Needs 2 arguments (see "setprop --help")')
    name, value = call.words
    if name.startswith("ro.") or len(value.encode(errors="replace")) > _MAX_PROPERTY:
        raise CommandError(f"Failed to set property '{name}' to '{value}'.\nSee dmesg for error reason.")
    android.properties[name] = value
    return Result()


def _settings(android: Android, call: Invocation) -> Result:
    action, namespace, *rest = [*call.words, "", ""][: max(2, len(call.words))]
    if namespace not in _NAMESPACES:
        raise CommandError(f"Invalid namespace '{namespace}'", 255)
    match action, rest:
        case "list", []:
            return Result("".join(_listed(android, f"{namespace}/")))
        case "get", [key]:
            return Result(f"{android.settings.get(f'{namespace}/{key}', 'null')}\n")
        case "put", [key, value]:
            android.settings[f"{namespace}/{key}"] = value
            return Result()
        case "delete", [key]:
            deleted = android.settings.pop(f"{namespace}/{key}", None)
            return Result(f"Deleted {0 if deleted is None else 1} rows\n")
        case _:
            raise CommandError("Bad arguments", 255)


def _listed(android: Android, prefix: str) -> list[str]:
    rows = sorted((key, value) for key, value in android.settings.items() if key.startswith(prefix))
    return [f"{key.removeprefix(prefix)}={value}\n" for key, value in rows]


def _id(_: Android, call: Invocation) -> Result:
    letters, _operands = call.options("Ggnu")
    if "G" in letters:
        return Result(" ".join(re.findall(r"\w+(?=\()", _GROUPS)) + "\n")
    if letters & {"u", "g"}:
        return Result("shell\n" if "n" in letters else "2000\n")
    return Result(f"{_IDENTITY}\n")


def _whoami(_: Android, __: Invocation) -> Result:
    return Result("shell\n")


def _date(_: Android, call: Invocation) -> Result:
    _letters, operands = call.options("u")
    now = call.shell.now.astimezone(UTC)
    form = operands[0] if operands else f"+%a %b {now.day:>2} %H:%M:%S UTC %Y"
    if not form.startswith("+"):
        raise CommandError("date: cannot set date: Operation not permitted")
    return Result(now.strftime(form[1:].replace("%s", str(call.shell.clock))) + "\n")


def _uname(android: Android, call: Invocation) -> Result:
    letters, _operands = call.options("amnrsv")
    parts = {
        "s": "Linux",
        "n": "localhost",
        "r": android.factory.release.kernel,
        "v": "#1 SMP PREEMPT",
        "m": "aarch64",
    }
    shown = set(parts) if "a" in letters else letters or {"s"}
    return Result(" ".join(text for letter, text in parts.items() if letter in shown) + "\n")


def _wm(android: Android, call: Invocation) -> Result:
    match call.words:
        case [("size" | "density") as metric]:
            return Result(_screen(android, metric))
        case [("size" | "density") as metric, "reset"]:
            android.settings.pop(_FORCED[metric], None)
        case ["size", size] if re.fullmatch(r"[1-9]\d*x[1-9]\d*", size):
            android.settings[_FORCED["size"]] = size.replace("x", ",")
        case ["density", density] if re.fullmatch(r"[1-9]\d+", density):
            android.settings[_FORCED["density"]] = density
        case ["size" | "density", *values]:
            raise CommandError(f"Error: bad {call.words[0]} {' '.join(values)}", 255)
        case _:
            raise CommandError(f"Unknown command: {' '.join(call.words)}", 255)
    return Result()


def _screen(android: Android, metric: str) -> str:
    model = android.factory.model
    physical = f"{model.width}x{model.height}" if metric == "size" else str(model.density)
    forced = android.settings.get(_FORCED[metric])
    override = f"Override {metric}: {forced.replace(',', 'x')}\n" if forced else ""
    return f"Physical {metric}: {physical}\n{override}"


def _input(android: Android, call: Invocation) -> Result:
    match call.words:
        case ["tap", *points]:
            is_valid = len(points) == 2 and _are_numbers(points)
        case ["swipe", *points]:
            is_valid = len(points) in {4, 5} and _are_numbers(points)
        case [("text" | "keyevent"), *words]:
            is_valid = bool(words)
        case _:
            raise CommandError(f"Error: Unknown command: {' '.join(call.words[:1])}", 255)
    if not is_valid:
        raise CommandError(f"Error: Invalid arguments for command: {call.words[0]}", 255)
    android.record_input(" ".join(call.words))
    return Result()


def _are_numbers(words: list[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.\d+)?", word) for word in words)


def _df(android: Android, call: Invocation) -> Result:
    letters, operands = call.options("hk")
    size = android.factory.model.storage * 1024 * 1024
    written = sum(len(text) for text in android.files.values()) // 1024
    partitions = (
        ("/dev/root", 3145728, 2202009, "/"),
        ("/dev/block/dm-0", size, size // 8 + written, "/data"),
    )
    shared = ("/data/media", size, size // 8 + written, "/storage/emulated")
    mounts = [mount for mount in (*partitions, shared) if not operands or mount[3] in operands] or partitions[
        :1
    ]
    rows = [_mount_row(*mount, readable="h" in letters) for mount in mounts]
    return Result(_columns([("Filesystem", "Size" if "h" in letters else "1K-blocks", *_HEADS), *rows]))


_HEADS: Final = ("Used", "Available", "Use%", "Mounted on")


def _mount_row(device: str, size: int, used: int, path: str, *, readable: bool) -> tuple[str, ...]:
    shown = [f"{kilobytes / 1024 / 1024:.1f}G" if readable else str(kilobytes) for kilobytes in (size, used)]
    left = f"{(size - used) / 1024 / 1024:.1f}G" if readable else str(size - used)
    return device, *shown, left, f"{100 * used // size}%", path


def _columns(rows: list[tuple[str, ...]]) -> str:
    width = [max(len(row[at]) for row in rows) for at in range(5)]
    return "".join(
        f"{row[0]:<{width[0]}} " + " ".join(f"{row[at]:>{width[at]}}" for at in range(1, 5)) + f" {row[5]}\n"
        for row in rows
    )


def _dumpsys(android: Android, call: Invocation) -> Result:
    match call.words:
        case ["battery", *_]:
            return Result(_BATTERY)
        case ["package", package, *_] if version := android.apps.get(package):
            return Result(f"Packages:\n  Package [{package}]:\n    versionName={version}\n")
        case ["package", package, *_]:
            return Result(f"Unable to find package: {package}\n")
        case _:
            return Result(f"Can't find service: {' '.join(call.words[:1])}\n")


DEVICE_COMMANDS: Final[Mapping[str, AndroidCommand]] = {
    "date": _date,
    "df": _df,
    "dumpsys": _dumpsys,
    "getprop": _getprop,
    "id": _id,
    "input": _input,
    "setprop": _setprop,
    "settings": _settings,
    "uname": _uname,
    "whoami": _whoami,
    "wm": _wm,
}
"""Commands by name."""
