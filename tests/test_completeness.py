"""Every documented operation and event is in the catalogue, the emulator and the flat modules."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import koophone_async
from koophone_async.catalogue import OPERATIONS
from koophone_async.emulator import Emulator
from koophone_async.events import INBOUND_CALLS
from tests.wire.documented import DOCUMENTED, FILE


def test_the_catalogue_has_the_documented_operations() -> None:
    documented = {row.name for row in DOCUMENTED}

    assert sorted(set(OPERATIONS) - documented) == [], f"add a line for each of these to {FILE}"
    assert sorted(documented - set(OPERATIONS)) == [], "state a constant for each in koophone_async/services/"


def test_every_event_of_the_service_is_received() -> None:
    assert {inbound.name for inbound in INBOUND_CALLS} == {
        "events.verify",
        "events.enter",
        "events.quit",
        "events.heartbeat",
    }


async def test_the_emulator_serves_every_operation(emulator: Emulator) -> None:
    async with Emulator(edition="international") as abroad:
        missing = sorted(set(OPERATIONS) - emulator.served - abroad.served)

    assert missing == [], "write a handler with @serves(...) for each in koophone_async/emulator/"


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_flat_module_has_request_and_answer(name: str) -> None:
    operation = OPERATIONS[name]
    flat = import_module(f"koophone_async.{operation.service}")
    models = {model.__name__ for model in (operation.request, operation.answer)}
    shared = set(import_module("koophone_async.cph").__all__)

    missing = sorted(models - set(flat.__all__) - shared)
    assert missing == [], f"import each in koophone_async/{operation.service}.py and add it to __all__"


def test_every_environment_variable_is_documented() -> None:
    root = Path(koophone_async.__file__).parent
    text = "".join(file.read_text("utf-8") for file in root.rglob("*.py"))
    variables = set(re.findall(r"\"((?:KOOPHONE|HUAWEICLOUD_SDK)_[A-Z_]+)\"", text))
    documented = (root.parent / "docs" / "configuration.md").read_text("utf-8")

    assert len(variables) > 10
    assert sorted(name for name in variables if f"`{name}" not in documented) == []
