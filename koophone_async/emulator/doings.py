"""What CPH's jobs do to phones: first at their turn, then at their end."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from koophone_async.emulator.android import system
from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.object_storage import packed, unpack
from koophone_async.emulator.fleet import Phone, Running
from koophone_async.services.cph import commands, phones, properties, storage, traffic
from koophone_async.services.cph.phone import PhoneState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from koophone_async.emulator.works import Work
    from koophone_async.emulator.world import World

_APK: Final = re.compile(r"(?P<package>.+?)(?:-(?P<version>[\d.]+))?\.apk")


@frozen
class Job:
    """A job of one phone while something happens."""

    world: World
    work: Work
    phone: Phone
    at: datetime

    @property
    def details(self) -> Mapping[str, Any]:
        """What is to be done."""
        return self.work.details

    @property
    def clock(self) -> int:
        """The time in seconds since 1970, which files get."""
        return int(self.at.timestamp())


@frozen
class Doing:
    """What one kind of job does."""

    begin: Callable[[Job], float]
    """Answers how many seconds longer it takes; what is in the way is written into the job."""

    end: Callable[[Job], str | None]
    """Answers the code of what went wrong, or None."""

    holds: bool = False
    """Whether it is ADB work, which is done one after the other."""

    broken: PhoneState | None = None
    """The state of a phone whose job failed."""


def _nothing(job: Job) -> float:
    del job
    return 0.0


def _done(job: Job) -> None:
    del job


def _if_running(job: Job) -> float:
    if job.phone.running is not Running.RUNNING:
        job.work.failed(error_table.NOT_RUNNING, error_table.CPS[error_table.NOT_RUNNING][1])
    return 0.0


def _shell(job: Job) -> float:
    _if_running(job)
    if job.work.code == error_table.NOT_RUNNING:
        return 0.0
    ran = system.run(job.phone.android, job.details["content"], job.at)
    job.work.output = system.cut(ran.output)
    if ran.status and not job.work.code:
        job.work.failed(error_table.COMMAND_FAILED, error_table.CPS[error_table.COMMAND_FAILED][1])
    return ran.seconds


def _push(job: Job) -> None:
    place = job.details["content"].removeprefix("obs://")
    unpack(job.world.estate.storage.get(place, "/data/local/tmp"), job.phone.android, job.clock)


def _install(job: Job) -> str | None:
    """Install the app that the first package is named after: `package.apk` or `package-version.apk`."""
    first = next(word for word in job.details["content"].split() if word.startswith("obs://"))
    named = _APK.fullmatch(posixpath.basename(first))
    if named is None:
        job.work.output = "Failure [INSTALL_PARSE_FAILED_NOT_APK]\n"
        return error_table.COMMAND_FAILED
    job.phone.android.apps[named["package"]] = named["version"] or "1.0"
    job.work.output = "Success\n"
    return None


def _uninstall(job: Job) -> str | None:
    ran = system.run(job.phone.android, f"pm uninstall {job.details['content']}", job.at)
    job.work.output = ran.output
    return error_table.COMMAND_FAILED if ran.status else None


def _go_offline(job: Job) -> float:
    job.phone.running, job.phone.streaming = Running.GOING_OFFLINE, False
    return 0.0


def _stop(job: Job) -> None:
    job.phone.running = Running.STOPPED


def _start(job: Job) -> float:
    job.phone.running, job.phone.streaming = Running.STARTING, False
    return 0.0


def _restart(job: Job) -> None:
    _take_up(job)
    start_up(job.phone)


def _wipe(job: Job) -> float:
    job.phone.resetting = True
    return _start(job)


def _reset(job: Job) -> None:
    if job.details.get("clear_properties"):
        for name in ("property", "custom"):
            job.phone.drawer.pop(name, None)
    job.phone.reset()
    job.phone.resetting = False
    _take_up(job)
    start_up(job.phone)


def _take_up(job: Job) -> None:
    """Keep new properties, and change to another image."""
    _configure(job)
    image = job.details.get("image")
    release = image and job.world.estate.release_of(image, job.phone.region)
    if release:
        job.phone.release = release
        job.phone.drawer["image"] = image


def _configure(job: Job) -> None:
    """Keep properties; the phone takes them up when it starts next."""
    for name in ("property", "custom"):
        if given := job.details.get(name):
            job.phone.drawer[name] = {**job.phone.drawer.get(name, {}), **given}


def start_up(phone: Phone) -> None:
    """Let a phone run, with the properties that it was given."""
    phone.running = Running.RUNNING
    phone.drawer.pop("broken", None)
    given = {**phone.drawer.get("property", {}), **phone.drawer.get("custom", {})}
    for name, value in given.items():
        phone.android.properties[name] = value


def _export(job: Job) -> None:
    tar = packed(job.phone, job.details["include"], job.details["exclude"])
    job.world.estate.storage.put(job.details["bucket"], job.details["path"], tar)


def _restore(job: Job) -> str | None:
    tar = job.world.estate.storage.get(f"{job.details['bucket']}/{job.details['path']}", "/data")
    if tar.sdk > int(job.phone.release.sdk):
        return error_table.OTHER_ANDROID
    unpack(tar, job.phone.android, job.clock)
    return None


def _expand(job: Job) -> None:
    job.phone.drawer["disk"] = job.details["size"]


def _route(job: Job) -> None:
    job.phone.drawer["route"] = job.details["route"]


DOINGS: Final[Mapping[str, Doing]] = {
    commands.RUN.name: Doing(_shell, _done, holds=True),
    commands.RUN_SYNC.name: Doing(_shell, _done, holds=True),
    commands.PUSH.name: Doing(_if_running, _push, holds=True),
    commands.INSTALL.name: Doing(_if_running, _install, holds=True),
    commands.INSTALL_SPLIT.name: Doing(_if_running, _install, holds=True),
    commands.UNINSTALL.name: Doing(_if_running, _uninstall, holds=True),
    phones.STOP.name: Doing(_go_offline, _stop, broken=PhoneState.STOP_FAILED),
    phones.RESTART.name: Doing(_start, _restart, broken=PhoneState.RESTART_FAILED),
    phones.RESET.name: Doing(_wipe, _reset, broken=PhoneState.RESET_FAILED),
    properties.UPDATE_PROPERTIES.name: Doing(_nothing, _configure),
    storage.EXPORT.name: Doing(_if_running, _export),
    storage.RESTORE.name: Doing(_if_running, _restore),
    storage.EXPAND.name: Doing(_nothing, _expand),
    traffic.ROUTE.name: Doing(_nothing, _route),
}
"""What the jobs of phones do, by operation."""
