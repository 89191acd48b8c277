"""Nothing that a phone, the service or a plan says drives the terminal of whoever looks at a rollout."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from koophone_async.cli.output.printing import Format
from koophone_async.cli.output.terminal import is_visible
from koophone_async.emulator import Fault, Refuse
from tests.cli.conftest import settings_of, started
from tests.cli.rollouts.conftest import PHONES, rollout
from tests.cli.terminals import PLAIN, in_terminal, run_in_terminal, shown
from tests.cli.test_terminal import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from pathlib import Path

    from tests.cli.conftest import Invoke

RUN = "koophone.commands.run"
HOSTILE_STEP = {"run": f"echo '{HOSTILE}'; exit 1"}
GATE = {"waves": ["1"], "between": {"approve": True}, "stop": "never"}


@pytest.fixture
def hostile_service(tmp_path: Path) -> Generator[dict[str, str]]:
    """Settings of an emulator that refuses a command with a hostile message."""
    refusal = {"kind": "refuse", "status": 400, "message": HOSTILE}
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"operation": RUN, "phone": PHONES[1], "action": refusal}]))
    with started("emulator", "--phones", "10", "--faults", str(faults)) as emulator:
        assert emulator.stdout
        yield settings_of(json.loads(emulator.stdout.readline())) | PLAIN


@pytest.mark.process
def test_a_rollout_is_visible_in_a_terminal(
    hostile_service: dict[str, str], plan: Callable[..., str]
) -> None:
    file = plan(steps=[HOSTILE_STEP], stop="never")
    lines = [("start", file), ("outcomes",), ("report",)]
    seen = [run_in_terminal(*rollout(*line), environ=hostile_service) for line in lines]
    with in_terminal(*rollout("retry"), environ=hostile_service) as (_, controller):
        seen.append(shown(controller, "[y/N]"))

    for text in seen:
        assert all(is_visible(character) or character == "\n" for character in text)
    assert all("cm0gLXJm" in text.replace("\n", "") for text in seen[:-1])


@pytest.mark.parametrize(
    "line",
    [
        ("check", "PLAN"),
        ("resume",),
        ("watch",),
        *((command, "-o", output) for command in ("list", "status", "outcomes") for output in Format),
        ("outcomes", "--all-attempts"),
        ("report",),
        ("report", "--format", "json"),
    ],
    ids=" ".join,
)
def test_each_command_shows_a_rollout_visibly(
    koophone: Invoke, plan: Callable[..., str], line: Sequence[str]
) -> None:
    file = plan(steps=[HOSTILE_STEP], **GATE)
    refusal = Fault(Refuse(400, message=HOSTILE), RUN, phone=PHONES[0])

    result = koophone(
        rollout("start", file),
        rollout(*(file if word == "PLAN" else word for word in line)),
        faults=[refusal],
    )

    printed = result.err if Format.CSV in line else result.out + result.err
    assert all(is_visible(character) or character == "\n" for character in printed)


@pytest.mark.parametrize("attack", ["\x1b[2J", "a\rb", "\u202efdp.exe", "a\u200bb", "\U000e0041"], ids=ascii)
def test_a_name_has_no_invisible_characters(koophone: Invoke, plan: Callable[..., str], attack: str) -> None:
    result = koophone(rollout("start", plan(name=attack)))

    assert result.code == 2
    assert "name" in result.err
    assert all(is_visible(character) or character == "\n" for character in result.err)


def test_what_is_wrong_in_a_plan_is_quoted_visibly(koophone: Invoke, plan: Callable[..., str]) -> None:
    lines = [
        rollout("check", plan(**fields))
        for fields in (
            {HOSTILE: 1},
            {"steps": [{HOSTILE: "id"}]},
            {"steps": [{"install": {"url": HOSTILE}}]},
            {"targets": {"ids": [HOSTILE]}},
            {"targets": {"where": HOSTILE}},
            {"targets": {"ids_file": HOSTILE}},
            {"window": HOSTILE},
            {"stop": HOSTILE},
            {"waves": [HOSTILE]},
        )
    ]

    result = koophone(*lines)

    assert result.err.count("\n") >= len(lines)
    assert all(is_visible(character) or character == "\n" for character in result.err)
