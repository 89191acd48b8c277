"""The commands that ask a phone about itself, and those that set it up."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Final, TypeAlias

from koophone_async.emulator.android.parser import Failed
from koophone_async.emulator.android.shell import Call, Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from koophone_async.emulator.android.system import Android

Act: TypeAlias = "Callable[[Android, Call], Ran]"
"""A command of one phone."""

_LONGEST_PROPERTY: Final = 91
_NAMESPACES: Final = frozenset({"system", "secure", "global"})
_FORCED: Final = {"size": "global/display_size_forced", "density": "secure/display_density_forced"}
_GROUPS: Final = (
    "2000(shell),1004(input),1007(log),1011(adb),1015(sdcard_rw),1028(sdcard_r),3001(net_bt_admin),"
    "3002(net_bt),3003(inet),3006(net_bw_stats),3009(readproc),3011(uhid)"
)
_IDENTITY: Final = f"uid=2000(shell) gid=2000(shell) groups={_GROUPS} context=u:r:shell:s0"
_BATTERY: Final = """Current Battery Service state:
  AC powered: true
  USB powered: false
  Wireless powered: false
  Max charging current: 0
  Max charging voltage: 0
  Charge counter: 10000
  status: 2
  health: 2
  present: true
  level: 100
  scale: 100
  voltage: 5000
  temperature: 250
  technology: Li-ion
"""


def _getprop(android: Android, call: Call) -> Ran:
    if call.words:
        default = call.words[1] if call.words[1:] else ""
        return Ran(f"{android.properties.get(call.words[0], '') or default}\n")
    return Ran("".join(f"[{name}]: [{value}]\n" for name, value in sorted(android.properties.items())))


def _setprop(android: Android, call: Call) -> Ran:
    if len(call.words) != 2:
        raise Failed('setprop: Needs 2 arguments (see "setprop --help")')
    name, value = call.words
    if name.startswith("ro.") or len(value.encode(errors="replace")) > _LONGEST_PROPERTY:
        raise Failed(f"Failed to set property '{name}' to '{value}'.\nSee dmesg for error reason.")
    android.properties[name] = value
    return Ran()


def _settings(android: Android, call: Call) -> Ran:
    action, namespace, *rest = [*call.words, "", ""][: max(2, len(call.words))]
    if namespace not in _NAMESPACES:
        raise Failed(f"Invalid namespace '{namespace}'", 255)
    match action, rest:
        case "list", []:
            return Ran("".join(_listed(android, f"{namespace}/")))
        case "get", [key]:
            return Ran(f"{android.settings.get(f'{namespace}/{key}', 'null')}\n")
        case "put", [key, value]:
            android.settings[f"{namespace}/{key}"] = value
            return Ran()
        case "delete", [key]:
            gone = android.settings.pop(f"{namespace}/{key}", None)
            return Ran(f"Deleted {0 if gone is None else 1} rows\n")
        case _:
            raise Failed("Bad arguments", 255)


def _listed(android: Android, prefix: str) -> list[str]:
    found = sorted((key, value) for key, value in android.settings.items() if key.startswith(prefix))
    return [f"{key.removeprefix(prefix)}={value}\n" for key, value in found]


def _id(_: Android, call: Call) -> Ran:
    letters, _operands = call.options("Ggnu")
    if "G" in letters:
        return Ran(" ".join(re.findall(r"\w+(?=\()", _GROUPS)) + "\n")
    if letters & {"u", "g"}:
        return Ran("shell\n" if "n" in letters else "2000\n")
    return Ran(f"{_IDENTITY}\n")


def _whoami(_: Android, __: Call) -> Ran:
    return Ran("shell\n")


def _date(_: Android, call: Call) -> Ran:
    _letters, operands = call.options("u")
    now = call.shell.now.astimezone(UTC)
    form = operands[0] if operands else f"+%a %b {now.day:>2} %H:%M:%S UTC %Y"
    if not form.startswith("+"):
        raise Failed("date: cannot set date: Operation not permitted")
    return Ran(now.strftime(form[1:].replace("%s", str(call.shell.clock))) + "\n")


def _uname(android: Android, call: Call) -> Ran:
    letters, _operands = call.options("amnrsv")
    parts = {
        "s": "Linux",
        "n": "localhost",
        "r": android.factory.release.kernel,
        "v": "#1 SMP PREEMPT",
        "m": "aarch64",
    }
    asked = set(parts) if "a" in letters else letters or {"s"}
    return Ran(" ".join(text for letter, text in parts.items() if letter in asked) + "\n")


def _wm(android: Android, call: Call) -> Ran:
    match call.words:
        case [("size" | "density") as what]:
            return Ran(_screen(android, what))
        case [("size" | "density") as what, "reset"]:
            android.settings.pop(_FORCED[what], None)
        case ["size", wanted] if re.fullmatch(r"[1-9]\d*x[1-9]\d*", wanted):
            android.settings[_FORCED["size"]] = wanted.replace("x", ",")
        case ["density", wanted] if re.fullmatch(r"[1-9]\d+", wanted):
            android.settings[_FORCED["density"]] = wanted
        case ["size" | "density", *wanted]:
            raise Failed(f"Error: bad {call.words[0]} {' '.join(wanted)}", 255)
        case _:
            raise Failed(f"Unknown command: {' '.join(call.words)}", 255)
    return Ran()


def _screen(android: Android, what: str) -> str:
    model = android.factory.model
    physical = f"{model.width}x{model.height}" if what == "size" else str(model.density)
    forced = android.settings.get(_FORCED[what])
    override = f"Override {what}: {forced.replace(',', 'x')}\n" if forced else ""
    return f"Physical {what}: {physical}\n{override}"


def _input(android: Android, call: Call) -> Ran:
    match call.words:
        case ["tap", *points]:
            fits = len(points) == 2 and _numbers(points)
        case ["swipe", *points]:
            fits = len(points) in {4, 5} and _numbers(points)
        case [("text" | "keyevent"), *words]:
            fits = bool(words)
        case _:
            raise Failed(f"Error: Unknown command: {' '.join(call.words[:1])}", 255)
    if not fits:
        raise Failed(f"Error: Invalid arguments for command: {call.words[0]}", 255)
    android.touched(" ".join(call.words))
    return Ran()


def _numbers(words: list[str]) -> bool:
    return all(re.fullmatch(r"-?\d+(\.\d+)?", word) for word in words)


def _df(android: Android, call: Call) -> Ran:
    letters, operands = call.options("hk")
    size = android.factory.model.storage * 1024 * 1024
    written = sum(len(text) for text in android.files.values()) // 1024
    whole = (("/dev/root", 3145728, 2202009, "/"), ("/dev/block/dm-0", size, size // 8 + written, "/data"))
    shared = ("/data/media", size, size // 8 + written, "/storage/emulated")
    mounts = [mount for mount in (*whole, shared) if not operands or mount[3] in operands] or whole[:1]
    rows = [_mounted(*mount, readable="h" in letters) for mount in mounts]
    return Ran(_columns([("Filesystem", "Size" if "h" in letters else "1K-blocks", *_HEADS), *rows]))


_HEADS: Final = ("Used", "Available", "Use%", "Mounted on")


def _mounted(device: str, size: int, used: int, path: str, *, readable: bool) -> tuple[str, ...]:
    shown = [f"{kilobytes / 1024 / 1024:.1f}G" if readable else str(kilobytes) for kilobytes in (size, used)]
    left = f"{(size - used) / 1024 / 1024:.1f}G" if readable else str(size - used)
    return device, *shown, left, f"{100 * used // size}%", path


def _columns(rows: list[tuple[str, ...]]) -> str:
    width = [max(len(row[at]) for row in rows) for at in range(5)]
    return "".join(
        f"{row[0]:<{width[0]}} " + " ".join(f"{row[at]:>{width[at]}}" for at in range(1, 5)) + f" {row[5]}\n"
        for row in rows
    )


def _dumpsys(android: Android, call: Call) -> Ran:
    match call.words:
        case ["battery", *_]:
            return Ran(_BATTERY)
        case ["package", package, *_] if version := android.apps.get(package):
            return Ran(f"Packages:\n  Package [{package}]:\n    versionName={version}\n")
        case ["package", package, *_]:
            return Ran(f"Unable to find package: {package}\n")
        case _:
            return Ran(f"Can't find service: {' '.join(call.words[:1])}\n")


DEVICE: Final[Mapping[str, Act]] = {
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
"""The commands by name."""
