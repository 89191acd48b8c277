"""What happens to a phone when something that was begun comes to its end."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.fleet import Copying, Running

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from koophone_async.emulator.agenda import Due
    from koophone_async.emulator.fleet import Phone


def _run(phone: Phone, due: Due, at: datetime) -> None:
    """It runs: after a start, a restart or a delivery, if no backup took it away meanwhile."""
    del due, at
    if phone.loaded:
        phone.running = Running.RUNNING


def _wipe(phone: Phone, due: Due, at: datetime) -> None:
    del due, at
    phone.reset()
    phone.running, phone.loaded, phone.resetting = Running.RUNNING, True, False


def _take_back(phone: Phone, due: Due, at: datetime) -> None:
    _wipe(phone, due, at)
    phone.user = None
    phone.logged_in = False


def _back_up(phone: Phone, due: Due, at: datetime) -> None:
    del due
    phone.backup, phone.backup_time = Copying.SUCCESSFUL, at
    phone.loaded = phone.streaming = phone.logged_in = False
    phone.running = Running.STOPPED


def _not_backed_up(phone: Phone, due: Due, at: datetime) -> None:
    del due
    phone.backup, phone.backup_time = Copying.FAILED, at
    phone.drawer.pop("wanted", None)  # it never went


def _restore(phone: Phone, due: Due, at: datetime) -> None:
    del due
    phone.restore, phone.restore_time = Copying.SUCCESSFUL, at
    phone.loaded = True
    phone.user = phone.user or phone.drawer.get("awaited_by")
    phone.running = Running.RUNNING


def _assign(phone: Phone, due: Due, at: datetime) -> None:
    del at
    phone.drawer.pop("awaited_by", None)
    phone.user = phone.user or due.details["user"]


def _install(phone: Phone, due: Due, at: datetime) -> str | None:
    """Install an app, or answer the code of what is in the way."""
    del at
    if problem := due.details.get("problem"):
        return str(problem)
    if phone.running is not Running.RUNNING:
        return error_table.NOT_RUNNING
    installed, version = phone.android.apps.get(due.details["package"]), due.details["version"]
    if installed is not None and _numbers(installed) > _numbers(version):
        return "KOOPHONE.API.62020"
    phone.android.apps[due.details["package"]] = version
    return None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


EFFECTS: Final[Mapping[str, Callable[[Phone, Due, datetime], str | None]]] = MappingProxyType(
    {
        "run": _run,
        "wipe": _wipe,
        "take back": _take_back,
        "back up": _back_up,
        "fail to back up": _not_backed_up,
        "restore": _restore,
        "assign": _assign,
        "install": _install,
    }
)
"""By name. An effect answers the error code of the job that ends with it, or None."""

FAILURES: Final[Mapping[str, str]] = MappingProxyType({"back up": "fail to back up"})
"""What happens instead where the job fails and the phone shows it; others stay as they are."""
