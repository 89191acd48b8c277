"""No text of a phone, the service or a person is markup in a report, nor a link, a mention or a reference."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from koophone_async.rollouts.reports.markdown import to_markdown
from koophone_async.rollouts.reports.report import Cause, Failure, Happened, LogLine, RolloutReport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

NOW: Final = datetime(2026, 1, 31, tzinfo=UTC)
HARMLESS: Final = "x"
ATTACKS: Final = (
    "https://evil.example/?a=1",
    "www.evil.example",
    "someone@evil.example",
    "mailto:a@evil.example",
    "@everyone #1 GH-1 !1",
    "[a](https://evil.example)",
    "![a](https://evil.example/pixel.png)",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<!-- -->",
    "&#60;b&#62;",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "    code",
    "***",
    "---",
    "a\n\n# heading",
    "a\u2028# heading",
    "a\n```\n<b>",
    "~~~",
    "`",
    "``` `",
    "a`b``c",
    "\\",
    "\\`",
    "a|b",
    "a\\|b",
    "a\\\\|b`|`",
    "[ref]: https://evil.example",
    "\x1b]8;;https://evil.example\x07\u202e",
    "$x$ ~~a~~ ^[a]",
)
TEXT: Final = st.text(st.sampled_from("`|\\~<>&*_[]()#!-+.: \n\t@x1")).filter(str.strip)


def report(text: str) -> RolloutReport:
    """Return a report in which a text is everything that others have written."""
    failure = Failure(text, "failed", 1, 1, 1, text, text, text)
    return RolloutReport(
        *("r1", text, "plan", "koophone", "stopped", text, NOW, text, NOW, None, text),
        targets=1,
        attempts=1,
        counts={"failed": 1},
        forecast=None,
        happened=Happened(1, 1, None),
        causes=[Cause("failed", text, 1)],
        waves=[],
        failures=[failure],
        failure_count=1,
        log=[LogLine(NOW, text, "stop", {"reason": text})],
        plan={"name": text},
    )


def tokens(markdown: str) -> Iterator[Token]:
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(markdown):
        yield token
        yield from token.children or ()


def layout(markdown: str) -> list[tuple[str, str, int]]:
    return [(token.type, token.tag, token.level) for token in tokens(markdown)]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_does_not_change_the_layout(attack: str) -> None:
    assert layout(to_markdown(report(attack))) == layout(to_markdown(report(HARMLESS)))


@given(TEXT)
def test_no_text_changes_the_layout(text: str) -> None:
    assert layout(to_markdown(report(text))) == layout(to_markdown(report(HARMLESS)))


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_in_code(attack: str) -> None:
    outside = [t.content for t in tokens(to_markdown(report(attack))) if t.type == "text"]

    assert not any(re.search(r"[@#<>&\\\[\]!$^|`*_~]|://|www", text) for text in outside), outside


@given(TEXT)
def test_a_message_can_be_read_in_the_report(text: str) -> None:
    line = " ".join(text.split())

    shown = [t.content for t in tokens(to_markdown(report(text))) if t.type == "code_inline"]

    assert shown.count(line) >= 5
