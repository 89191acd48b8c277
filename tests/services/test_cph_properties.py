"""Properties of phones: known names, allowed values, deprecated names."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import pytest

from koophone_async.cph import PhoneChange, PropertyUpdate
from koophone_async.errors import InvalidRequest
from koophone_async.services.cph.properties import check_properties, parse_properties
from koophone_async.services.cph.property_list import RULES

if TYPE_CHECKING:
    from collections.abc import Callable

    from koophone_async.services.cph.properties import PropertyValues

GOOD: Final[dict[str, tuple[Any, str]]] = {
    "com.cph.mainkeys": (True, "1"),
    "ro.com.cph.non_root": (False, "0"),
    "com.cph.bandwidth_limit": (-1, "-1"),
    "gsm.operator.numeric": (46000, "46000"),
    "gsm.operator.alpha": ("中国移动 (CMCC)", "中国移动 (CMCC)"),
    "com.cph.cg.app_port": ("10000", "10000"),
    "com.cph.cg.heartbeat_url": ("https://a.b/c", "https://a.b/c"),
    "persist.sys.locale": ("en-US", "en-US"),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_property_is_sent_as_text(name: str) -> None:
    value, text = GOOD[name]

    assert check_properties({name: value}) == {name: text}


BAD: Final[dict[str, tuple[Any, str]]] = {
    "com.cph.mainkeys": (2, "must be 0 (no) or 1 (yes)"),
    "com.cph.bandwidth_limit": (0, "must be -1 (no limit) or 1 to 99,999,999 kbit/s"),
    "sys.prop.writeimsi": ("4600216246171131", "must be 0 to 15 digits"),
    "sys.prop.writewifissid": ("", "must be 1 to 64 letters, digits and - _ . /"),
    "com.cph.cg.h5_port": (11001, "must be a port from 10000 to 11000"),
    "com.cph.cg.event_notify_url": ("http" + "a" * 253, "must be at most 256 characters"),
    "persist.sys.locale": (["en"], "is a list; it must be text, a number or a boolean"),
    "com.cph.mainkey": (1, "not a documented property; did you mean com.cph.mainkeys?"),
    "quite.another": (1, "is not a documented property"),
}


@pytest.mark.parametrize("name", BAD)
def test_an_invalid_property_is_named_with_its_limit(name: str) -> None:
    value, problem = BAD[name]

    with pytest.raises(InvalidRequest) as raised:
        check_properties({name: value})

    assert str(raised.value).startswith(f"{name}: ")
    assert problem in str(raised.value)


OUT_OF_USE: Final[dict[str, tuple[str | int, str]]] = {
    "ro.product.name": ("monbox", "the property ro.product.name is deprecated"),
    "qemu.hw.mainkeys": (1, "the property qemu.hw.mainkeys is deprecated"),
    "ro.com.cph.audio_format": ("pcm", "the property ro.com.cph.audio_format is deprecated"),
    "imsi": ("460", "the property imsi is deprecated; use sys.prop.writeimsi"),
    "sys.prop.write_phonenum": (1, "use sys.prop.writephonenum"),
    "iccid": ("42947a38410b137c", "the property iccid is deprecated"),
}


@pytest.mark.parametrize("name", OUT_OF_USE)
def test_a_deprecated_property_is_sent_with_a_warning(name: str) -> None:
    value, words = OUT_OF_USE[name]

    with pytest.warns(DeprecationWarning, match=words):
        assert check_properties({name: value}) == {name: str(value)}


@pytest.mark.parametrize("create", [PropertyUpdate, PhoneChange])
def test_the_warning_names_the_callers_line(create: Callable[[str, PropertyValues], object]) -> None:
    with pytest.warns(DeprecationWarning, match="deprecated") as caught:
        create("p1", {"ro.product.name": "monbox"})

    assert [warning.filename for warning in caught] == [__file__]


def test_a_rule_covers_former_names_too() -> None:
    with pytest.raises(InvalidRequest, match="imsi: is 'x'; it must be 0 to 15 digits"):
        check_properties({"imsi": "x"})


def test_properties_as_text_are_sent_unchanged() -> None:
    with warnings.catch_warnings(action="error"):
        assert parse_properties('{"a.newer.one": true, "imsi": "x"}') == {"a.newer.one": "true", "imsi": "x"}


def test_custom_properties_count_with_the_others() -> None:
    others: PropertyValues = {"com.cph.mainkeys": 1}
    full = {"mine": "x" * (7800 - len('{"com.cph.mainkeys":"1"}{"mine":""}'))}

    assert PropertyUpdate("p1", others, full).custom == full
    with pytest.raises(
        InvalidRequest, match=r"custom: is 7,801 bytes of JSON long with the other .* at most 7,800"
    ):
        PropertyUpdate("p1", others, {"mine": full["mine"] + "x"})


def test_every_rule_describes_its_limit() -> None:
    assert all(rule.meaning and rule.limit for rule in RULES.values())
    assert len(RULES) == 38
