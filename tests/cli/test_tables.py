"""The command tables follow the operations and the fleet verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import attrs
import pytest
from typer.main import get_command

from koophone_async.catalogue import OPERATIONS
from koophone_async.checks import OneOf
from koophone_async.cli import help_text
from koophone_async.cli.app import app
from koophone_async.cli.commands.services import Entry, entries, service
from koophone_async.cli.parameters.options import MethodOptions, ModelOptions
from koophone_async.wire import spelling
from tests.wire.documented import REQUEST_FIELDS

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


SUPERSEDED: Final = {"cph.jobs.list": {"request_id"}}
"""Fields in whose place the newer document has another one, which does the same: request_ids with one id."""


def wire_paths(model: type, above: str = "") -> Iterator[str]:
    """Yield the wire names of the fields of a model and of those in it, joined by dots."""
    for attribute in attrs.fields(attrs.resolve_types(model)):
        spelt = spelling(attribute)
        for name in (spelt.name, *spelt.also):
            yield f"{above}{name}"
            for inner in models_in(attribute.type):
                yield from wire_paths(inner, f"{above}{name}.")


def models_in(hint: Any) -> Iterator[type]:  # noqa: ANN401 - annotations are of any type
    """Yield the models in an annotation, such as the items of a list."""
    if isinstance(hint, type) and attrs.has(hint):
        yield hint
    for inner in get_args(hint):
        yield from models_in(inner)


@pytest.mark.parametrize("name", REQUEST_FIELDS)
def test_every_documented_field_is_one_of_the_request(name: str) -> None:
    documented = {*REQUEST_FIELDS[name]} - SUPERSEDED.get(name, set())

    assert sorted(documented - {*wire_paths(OPERATIONS[name].request)}) == []


@pytest.mark.parametrize(
    "entry",
    [entry for entry in entries(*SERVICES) if not entry.operation.name.startswith("cph.undocumented.")],
    ids=lambda entry: entry.operation.name,
)
def test_every_field_of_a_documented_request_has_an_option(entry: Entry) -> None:
    assert sorted(fields(entry) - {*reachable(entry)}) == []
