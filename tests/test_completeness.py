"""Every documented operation and event is in the catalogue, the emulator and the flat modules."""

from __future__ import annotations

from importlib import import_module

import pytest

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
