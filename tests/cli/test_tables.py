"""The command tables follow the operations and the fleet verbs."""

from __future__ import annotations

from inspect import signature
from typing import Final

import pytest

from koophone_async.catalogue import OPERATIONS
from koophone_async.cli.services import Entry, entries, service

SERVICES: Final = ("koophone", "cph", "gaming", "iam")


@pytest.mark.parametrize("name", SERVICES)
def test_the_resources_are_those_of_the_operations(name: str) -> None:
    resources = {operation.name.split(".")[1] for operation in OPERATIONS.of(name)}

    missing = sorted(resources - set(service(name).resources))
    assert missing == [], "add the class of each to the table in koophone_async/cli/ (cph.py, koophone.py)"


@pytest.mark.parametrize("entry", tuple(entries(*SERVICES)), ids=lambda entry: entry.operation.name)
def test_a_single_call_has_the_arguments_of_the_fleet_verb(entry: Entry) -> None:
    if entry.verb is None or not entry.verb.waits or entry.verb.single_call is not None:
        return
    own, verb = set(signature(entry.method).parameters), set(signature(entry.verb.run).parameters)

    assert verb <= own, "give it a `single_call` in the details of its table in koophone_async/cli/"
