"""Factory images: the models of phones, the Android releases, and what each of them ships.

All phones of one model and one release share an image; a phone keeps only its own changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from attrs import frozen


@frozen
class Release:
    """One Android release."""

    number: str
    sdk: str
    build: str
    patch: str
    """Date of the security patch level."""

    kernel: str
    utc: int
    """When the image was built, in seconds since 1970; also the modification time of its files."""

    @property
    def image(self) -> str:
        """The name of the release in orders, such as `AOSP9`."""
        return f"AOSP{self.number}"


@frozen
class Model:
    """A model of phones, bought by its SKU."""

    sku: str
    edition: str
    name: str
    vcpus: int
    memory: int
    """GB."""

    storage: int
    """GB."""

    width: int
    height: int
    density: int

    @property
    def text(self) -> str:
        """The description of the SKU in lists of instances."""
        return (
            f"{self.edition} edition | {self.vcpus} vCPUs | {self.memory} GB | {self.storage} GB storage"
            f" | Maximum resolution: {self.width}p"
        )


RELEASES: Final = (
    Release("9", "28", "PQ3A.190801.002", "2019-08-01", "4.14.117", 1564617600),
    Release("10", "29", "QQ3A.200805.001", "2020-08-05", "4.19.95", 1596585600),
    Release("11", "30", "RQ3A.210805.001.A1", "2021-08-05", "5.4.61", 1628121600),
)

NEWER_RELEASES: Final = (Release("14", "34", "UQ1A.240205.004", "2024-02-05", "6.1.25", 1707091200),)
"""What the vendor's pages sell since 2026, and no document."""

# The SKU ids are from the examples of KooPhone 4.2.1 (2025-08-27).
MODELS: Final = (
    Model("kp.professional.xlarge.32g.2", "Professional", "KP-P4", 4, 8, 32, 720, 1280, 320),
    Model("kp.professional.2xlarge.128g.2", "Professional", "KP-P8", 8, 16, 128, 1080, 1920, 480),
    Model("kp.enterprise.xlarge.32g.2", "Enterprise", "KP-E4", 4, 8, 32, 720, 1280, 320),
)

_PACKAGES: Final = """
com.android.bluetooth com.android.calculator2 com.android.calendar com.android.camera2 com.android.contacts
com.android.deskclock com.android.documentsui com.android.gallery3d com.android.inputmethod.latin
com.android.launcher3 com.android.packageinstaller com.android.phone com.android.providers.contacts
com.android.providers.downloads com.android.providers.media com.android.providers.settings
com.android.settings com.android.shell com.android.systemui com.android.webview
""".split()

_DIRECTORIES: Final = """
/acct /apex /bin /config /d /data /data/app /data/data /data/local /data/local/tmp /data/system /dev /etc
/mnt /mnt/sdcard /odm /proc /product /sdcard /storage /storage/emulated /storage/emulated/0
/storage/emulated/0/Alarms /storage/emulated/0/Android /storage/emulated/0/Android/data
/storage/emulated/0/DCIM /storage/emulated/0/Download /storage/emulated/0/Movies /storage/emulated/0/Music
/storage/emulated/0/Notifications /storage/emulated/0/Pictures /storage/emulated/0/Podcasts
/storage/emulated/0/Ringtones /storage/self /storage/self/primary /sys /system /system/app /system/bin
/system/etc /system/fonts /system/framework /system/lib /system/lib64 /system/media /system/priv-app
/system/usr /system/xbin /vendor /vendor/app /vendor/bin /vendor/etc /vendor/lib64
""".split()


@frozen(eq=False)
class FactoryImage:
    """The immutable contents that all phones of one model and one release share."""

    model: Model
    release: Release
    properties: Mapping[str, str]
    settings: Mapping[str, str]
    """Values by `namespace/key`."""

    apps: Mapping[str, str]
    """Versions of the system packages, by package name."""

    files: Mapping[str, str]
    """Texts by absolute path; the path of a directory ends with a slash."""


@cache
def factory_image(model: Model, release: Release) -> FactoryImage:
    """Return the image of a model and a release."""
    device = model.name.lower().replace("-", "")
    properties = _read_properties("build.prop", model=model, release=release, device=device)
    settings = _read_properties("settings.prop")
    apps = {"android": release.number} | dict.fromkeys(_PACKAGES, release.number)
    return FactoryImage(model, release, properties, settings, apps, _files(model, release, properties))


def _read_properties(name: str, **values: object) -> Mapping[str, str]:
    """Read a file with lines of the form `name=value`, and replace its placeholders."""
    text = files("koophone_async.emulator.android").joinpath(name).read_text("utf-8").format(**values)
    return MappingProxyType(dict(line.split("=", 1) for line in text.splitlines()))


def _files(model: Model, release: Release, properties: Mapping[str, str]) -> dict[str, str]:
    built = "".join(f"{name}={value}\n" for name, value in properties.items() if name.startswith("ro."))
    processors = "".join(f"processor\t: {number}\nBogoMIPS\t: 200.00\n\n" for number in range(model.vcpus))
    kilobytes = model.memory * 1024 * 1024
    texts = {
        "/proc/cpuinfo": processors,
        "/proc/meminfo": f"MemTotal: {kilobytes:>14} kB\nMemFree: {kilobytes // 2:>15} kB\n",
        "/proc/stat": f"btime {release.utc}\n",
        "/proc/version": f"Linux version {release.kernel} (build@koophone) #1 SMP PREEMPT\n",
        "/system/bin/sh": "\x7fELF",
        "/system/bin/toybox": "\x7fELF",
        "/system/build.prop": built,
        "/system/etc/hosts": "127.0.0.1       localhost\n::1             ip6-localhost\n",
        "/system/framework/framework-res.apk": "PK",
    }
    return {f"{path}/": "" for path in _DIRECTORIES} | texts
