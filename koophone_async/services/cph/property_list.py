"""Documented phone properties: names, meanings and allowed values.

The list is that of 2025-02-08 (A.1). Properties that it calls out of use, or that only the list of
2020-07-30 has, may still be sent, with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias, TypedDict, get_type_hints

from attrs import evolve, frozen

from koophone_async.errors import InvalidRequest, Rule

_CHINESE: Final = "\u3400-\u4dbf\u4e00-\u9fff"


@frozen
class PropertyRule:
    """Meaning and allowed values of a property."""

    meaning: str
    limit: str
    pattern: str
    former: tuple[str, ...] = ()
    """Former names, from older documents and from tables that disagree with their examples."""

    is_deprecated: bool = False

    def check(self, name: str, value: str) -> None:
        """Raise `InvalidRequest` for a value that the documents do not allow."""
        if not re.fullmatch(self.pattern, value):
            raise InvalidRequest("", name, f"is {value!r}; it must be {self.limit}", Rule.BAD_FORMAT)


def _flag(meaning: str, *former: str) -> PropertyRule:
    return PropertyRule(meaning, "0 (no) or 1 (yes)", "[01]", former)


def _text(
    meaning: str, max_length: int, characters: str, words: str, *former: str, min_length: int = 0
) -> PropertyRule:
    return PropertyRule(
        meaning,
        f"{min_length} to {max_length} {words}",
        f"[{characters}]{{{min_length},{max_length}}}",
        former,
    )


def _digits(meaning: str, max_length: int, *former: str, min_length: int = 0) -> PropertyRule:
    return _text(meaning, max_length, "0-9", "digits", *former, min_length=min_length)


def _url(meaning: str) -> PropertyRule:
    limit = "at most 256 characters, from http or https on: letters, digits and _ . / : -"
    return PropertyRule(meaning, limit, r"(?=.{4,256}\Z)https?[A-Za-z0-9_./:-]*")


def _port(meaning: str) -> PropertyRule:
    return PropertyRule(meaning, "a port from 10000 to 11000", "10[0-9]{3}|11000")


def _country(meaning: str, former: str) -> PropertyRule:
    return _text(meaning, 10, "A-Za-z,", "letters and commas", former)


def _network(meaning: str, former: str) -> PropertyRule:
    # Documented as letters and commas, which the documented default 46000 does not match.
    return _text(meaning, 10, "0-9A-Za-z,", "digits, letters and commas", former)


def _carrier(meaning: str, former: str) -> PropertyRule:
    words = r"letters, digits, Chinese characters, spaces and - _ @ # . , : / \ ( )"
    return _text(meaning, 90, rf"0-9A-Za-z{_CHINESE}_@#.,:/\\() -", words, former)


def _deprecated(meaning: str, *former: str) -> PropertyRule:
    limit = r"1 to 32 letters, digits, spaces and - _ @ # . : / \ ( )"
    return PropertyRule(meaning, limit, r"[A-Za-z0-9_@#.:/\\() -]{1,32}", former, is_deprecated=True)


def _deprecated_flag(meaning: str, *former: str) -> PropertyRule:
    return evolve(_flag(meaning, *former), is_deprecated=True)


def _sound(meaning: str) -> PropertyRule:
    return PropertyRule(meaning, "1 to 10 letters", "[A-Za-z]{1,10}", is_deprecated=True)


Switch: TypeAlias = bool | Literal[0, 1, "0", "1"]
Number: TypeAlias = int | str

Properties = TypedDict(
    "Properties",
    {
        "com.cph.mainkeys": Annotated[Switch, _flag("hide the virtual keys", "hide_navigate")],
        "disable.status.bar": Annotated[Switch, _flag("hide the status bar")],
        "ro.permission.changed": Annotated[
            Switch, _flag("grant apps all requested permissions on installation")
        ],
        "ro.install.auto": Annotated[Switch, _flag("install apps without confirmation")],
        "ro.com.cph.non_root": Annotated[Switch, _flag("run as a user who is not root; 1 by default")],
        "ro.com.cph.notification_disable": Annotated[Switch, _flag("show no notifications")],
        "ro.com.cph.toast_enable": Annotated[Switch, _flag("show toasts, where ro.com.cph.non_root is 1")],
        "com.cph.disable_fb_permission": Annotated[Switch, _flag("allow protected screens to be captured")],
        "ro.horizontal.screen": Annotated[Switch, _flag("show everything in landscape")],
        "ro.com.cph.cloud_app_engine": Annotated[Switch, _flag("stream by the engine for cloud apps")],
        "com.cph.bandwidth_limit": Annotated[
            Number,
            PropertyRule(
                "maximum download rate from the internet in kbit/s",
                "-1 (no limit) or 1 to 99,999,999 kbit/s",
                "-1|[1-9][0-9]{0,7}",
            ),
        ],
        "com.cph.cam_local_pic_path": Annotated[
            str,
            _text(
                "the picture that the camera shows",
                90,
                rf"0-9A-Za-z{_CHINESE}_@#.:/ -",
                "letters, digits, Chinese characters, spaces and - _ @ # . : /",
                min_length=1,
            ),
        ],
        "persist.sys.locale": Annotated[
            str,
            _text("the language at the first start", 64, "0-9A-Za-z-", "letters, digits and -", min_length=1),
        ],
        "sys.prop.writeimsi": Annotated[str, _digits("IMSI", 15, "sys.prop.write_imsi", "imsi")],
        "sys.prop.writephonenum": Annotated[
            str,
            _digits(
                "telephone number", 20, "sys.prop.writephonenumber", "sys.prop.write_phonenum", "phone_num"
            ),
        ],
        "sys.prop.writewifissid": Annotated[
            str,
            _text(
                "name of the wireless network",
                64,
                "A-Za-z0-9_./-",
                "letters, digits and - _ . /",
                "sys.prop.write_wifissid",
                "wifi_name",
                min_length=1,
            ),
        ],
        "gsm.sim.operator.iso-country": Annotated[str, _country("country of the SIM card", "sim_country")],
        "gsm.sim.operator.numeric": Annotated[Number, _network("number of the SIM's carrier", "sim_number")],
        "gsm.sim.operator.alpha": Annotated[str, _carrier("name of the SIM's carrier", "sim_operator")],
        "gsm.operator.iso-country": Annotated[str, _country("country of the network", "gsm_country")],
        "gsm.operator.numeric": Annotated[Number, _network("number of the network's carrier", "gsm_number")],
        "gsm.operator.alpha": Annotated[str, _carrier("name of the network's carrier", "gsm_operator")],
        "com.cph.cg.sign_check_url": Annotated[str, _url("where a gaming phone has an access verified")],
        "com.cph.cg.event_notify_url": Annotated[str, _url("where a gaming phone reports its events")],
        "com.cph.cg.heartbeat_url": Annotated[str, _url("where a gaming phone sends its heartbeats")],
        "com.cph.cg.heartbeat_interval": Annotated[
            Number, _digits("seconds between two heartbeats", 10, min_length=1)
        ],
        "com.cph.cg.app_port": Annotated[Number, _port("port of the game's own access")],
        "com.cph.cg.h5_port": Annotated[Number, _port("port of the game's access by browser")],
        "ro.hardware.gpurenderer": Annotated[
            str, _deprecated("model of the GPU", "ro.hardware.gpu.renderer")
        ],
        "ro.board.platform": Annotated[str, _deprecated("model of the platform")],
        "ro.build.product": Annotated[str, _deprecated("model of the product")],
        "ro.product.device": Annotated[str, _deprecated("model of the device")],
        "ro.product.manufacturer": Annotated[str, _deprecated("manufacturer")],
        "ro.product.name": Annotated[str, _deprecated("name of the product")],
        "ro.com.cph.audio_format": Annotated[str, _sound("sound: pcm, or opus for anything else")],
        "ro.com.cph.sfs_enable": Annotated[Switch, _deprecated_flag("use the shared file system")],
        "ro.com.cph.remote_input_method": Annotated[Switch, _deprecated_flag("use the remote input method")],
        "qemu.hw.mainkeys": Annotated[Switch, _deprecated_flag("hide the virtual keys", "qemu.hw.maikeys")],
    },
    total=False,
)
"""Names and values of properties, for editors to complete and type checkers to check."""


def _rules() -> dict[str, PropertyRule]:
    hints = get_type_hints(Properties, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


RULES: Final[Mapping[str, PropertyRule]] = _rules()
"""Rule of each property by its name."""

FORMER: Final[Mapping[str, str]] = {former: name for name, rule in RULES.items() for former in rule.former}
"""Current name of a property by each former name."""

UNEXPLAINED: Final = frozenset({
    "android_id", "build_id", "iccid", "imei", "mac_addresses", "os_version", "phone_brand", "phone_type",
    "serial_num",
})  # fmt: skip
"""Names of older versions, known from examples and error codes only; no list explains them."""
