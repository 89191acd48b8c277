"""The command tables follow the operations and the fleet verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest
from typer.main import get_command

from koophone_async.catalogue import OPERATIONS
from koophone_async.checks import OneOf
from koophone_async.cli import help_text
from koophone_async.cli.app import app
from koophone_async.cli.options import MethodOptions, ModelOptions
from koophone_async.cli.services import Entry, entries, service

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES: Final = ("koophone", "cph", "gaming", "iam")


@pytest.mark.parametrize("name", SERVICES)
def test_the_resources_are_those_of_the_operations(name: str) -> None:
    resources = {operation.name.split(".")[1] for operation in OPERATIONS.of(name)}

    missing = sorted(resources - set(service(name).resources))
    assert missing == [], "add the class of each to the table in koophone_async/cli/ (cph.py, koophone.py)"


FOLLOWED: Final = {"limit", "marker", "offset", "page", "request_id", "size"}
"""Fields of the paging, which lists follow, and of the identity of a request."""

TYPED: Final = {
    "auth": "--password",
    "instance": "ids",
    "is_untagged": "--untagged",
    "matches": "--name",
    "phone": "ids",
    "server": "ids",
    "servers": "--server",
}
"""Options and arguments of fields that they are not named like."""

ONE_PER_METHOD: Final = {
    *(f"gaming.deployments.{method}" for method in ("deploy", "push", "remove", "undeploy", "update"))
}
"""Operations whose field `action` decides which of them it is."""


def fields(entry: Entry) -> set[str]:
    """Return the fields of a request that a person may choose."""
    attributes: tuple[Any, ...] = attrs.fields(entry.operation.request)
    constant = {
        attribute.name
        for attribute in attributes
        if any(len(check.values) == 1 for check in help_text.checks(attribute) if isinstance(check, OneOf))
    }
    action = {"action"} if entry.operation.name in ONE_PER_METHOD else set[str]()
    return {attribute.name for attribute in attributes} - constant - action - FOLLOWED


def reachable(entry: Entry) -> Iterator[str]:
    """Yield the fields of a request that a command has an option for."""
    for group in MethodOptions.of(entry.verb.run if entry.verb else entry.method, entry.operation).groups:
        yield group.name
        if isinstance(group, ModelOptions):  # all of its fields, by --body
            yield from (attribute.name for attribute in attrs.fields(group.model))
    yield from entry.details.labels
    if entry.operation.batch:
        yield entry.operation.batch.field
    command: Any = get_command(app)
    for word in entry.words:
        command = command.commands[word]
    typed = {name for parameter in command.params for name in (*parameter.opts, parameter.name)}
    yield from (name for name, option in TYPED.items() if option in typed)


@pytest.mark.parametrize(
    "entry",
    [entry for entry in entries(*SERVICES) if not entry.operation.name.startswith("cph.undocumented.")],
    ids=lambda entry: entry.operation.name,
)
def test_every_field_of_a_documented_request_has_an_option(entry: Entry) -> None:
    assert sorted(fields(entry) - {*reachable(entry)}) == []
