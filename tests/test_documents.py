"""What the documentation shows runs as it is printed, and what it names is there."""

from __future__ import annotations

import ast
import asyncio
import json
import re
from inspect import isawaitable
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import pytest
import typer.main

import koophone_async
from koophone_async import CloudPhone, KooPhone, Report, Session
from koophone_async.cli.app import app
from koophone_async.emulator import Emulator, Fail
from koophone_async.emulator.server.faults import from_json
from koophone_async.session import utc_now

HERE: Final = Path(__file__).parents[1]
PAGES: Final = {
    path.relative_to(HERE).as_posix(): path.read_text("utf-8")
    for path in (
        HERE / "README.md",
        HERE / "CONTRIBUTING.md",
        HERE / "SECURITY.md",
        *sorted((HERE / "docs").glob("*.md")),
    )
}
BLOCKS: Final = [
    pytest.param(page, block, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, block in enumerate(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
]


@pytest.fixture
def names(
    emulator: Emulator, session: Session, koophone: KooPhone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, Any]:
    """Return the names that a reader has defined by the time that a block uses them."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "KOOPHONE_EDITION": "international",
        "KOOPHONE_ENDPOINT": emulator.endpoint,
        "KOOPHONE_CPH_ENDPOINT": emulator.cph_endpoint,
        "HUAWEICLOUD_SDK_IAM_ENDPOINT": emulator.iam_endpoint,
        "HUAWEICLOUD_SDK_AK": emulator.access_key.access_key,
        "HUAWEICLOUD_SDK_SK": emulator.access_key.secret_key,
    }.items():
        monkeypatch.setenv(name, value)

    async def our_nightly_reset(koophone: KooPhone) -> Report:
        return await koophone.fleet(phone.id for phone in emulator.phones).reset()

    public = {name: getattr(koophone_async, name) for name in koophone_async.__all__}
    return public | {
        "Emulator": Emulator,
        "Fail": Fail,
        "cph": CloudPhone(session, region="cn-north-4"),
        "koophone": koophone,
        "our_nightly_reset": our_nightly_reset,
        "pytest": pytest,
    }


@pytest.mark.virtual_time
@pytest.mark.emulator(phones=10, edition="international", regions=["cn-north-4"], now=utc_now)
@pytest.mark.parametrize("page, block", BLOCKS)
async def test_a_block_runs_as_it_is_printed(
    page: str, block: str, names: dict[str, Any], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(asyncio, "run", begun.append)
    ids = [phone.cph_id if page == "docs/cph.md" else phone.id for phone in emulator.phones]
    names |= {"ids": ids, "phones": ids, "thousand": [f"phone{n:04}" for n in range(1, 1001)]}

    code = compile(block, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    begun.append(eval(code, names))  # noqa: S307 - it is our own
    begun += [names[name](emulator, names["koophone"]) for name in names if name.startswith("test_")]
    for work in filter(isawaitable, begun):
        await work


def test_the_plan_of_faults_that_is_shown_can_be_read() -> None:
    (plan,) = re.findall(r"^ {4}(\[\{.*?\}\])$", PAGES["docs/emulator.md"], re.MULTILINE | re.DOTALL)

    assert len(from_json(json.loads(plan))) == 3


@pytest.mark.parametrize("page", PAGES)
def test_a_link_leads_to_what_is_there(page: str) -> None:
    links = re.findall(r"\]\((?!https:)([^)#]+)\)", PAGES[page])

    assert [link for link in links if not (HERE / page).parent.joinpath(link).exists()] == []


def test_every_page_is_in_the_index() -> None:
    links = set(re.findall(r"\]\(([a-z-]+\.md)\)", PAGES["docs/README.md"]))

    assert links == {path.name for path in (HERE / "docs").glob("*.md")} - {"README.md"}


def commands() -> set[tuple[str, ...]]:
    lines = [line for text in PAGES.values() for line in re.findall(r"(?:`|\$ )koophone ([^`\n]+)", text)]
    return {tuple(takewhile(re.compile("[a-z-]*[a-z]").fullmatch, line.split())) for line in lines}


@pytest.mark.parametrize("words", sorted(commands()), ids=" ".join)
def test_a_command_that_is_named_is_there(words: tuple[str, ...]) -> None:
    found: Any = typer.main.get_command(app)
    for word in words:
        if word.startswith("-"):
            assert word in {option for parameter in found.params for option in parameter.opts}
        else:
            found = found.commands[word]
