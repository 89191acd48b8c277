"""One name for constant, method, catalogue and docstring; and every operation of the documents is there."""

from __future__ import annotations

import inspect
import json
import re
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from koophone_async import AccessKey, CloudPhone, Iam, KooPhone, Session
from koophone_async.catalogue import OPERATIONS
from koophone_async.wire import Spelling, spelling

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

DOCUMENTED: Final = json.loads(Path(__file__).with_name("koophone-operations.json").read_text("utf-8"))
SESSION: Final = Session(AccessKey("A", "B"), environ={})
CPH: Final = CloudPhone(SESSION, region="cn-north-4")
CLIENTS: Final = {"koophone": KooPhone(SESSION), "iam": Iam(SESSION), "cph": CPH, "gaming": CPH.gaming}
OURS: Final = [operation for operation in OPERATIONS.values() if operation.service in CLIENTS]
KOOPHONE: Final = [operation for operation in OURS if operation.service == "koophone"]
BATCHES: Final = [operation for operation in OPERATIONS.values() if operation.batch]


def by_name(operation: AnyOperation) -> str:
    return operation.name


def spellings(model: type) -> dict[str, Spelling]:
    return {a.name: spelling(a) for a in attrs.fields(model)}


every = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=by_name)
ours = pytest.mark.parametrize("operation", OURS, ids=by_name)
koophone = pytest.mark.parametrize("operation", KOOPHONE, ids=by_name)


def test_every_documented_operation_exists_and_no_other() -> None:
    documented = {(row["method"], row["path"]) for row in DOCUMENTED}

    assert len(documented) == 21
    assert {(operation.method, operation.path) for operation in KOOPHONE} == documented


@koophone
def test_its_section_list_and_maximum_are_documented(operation: AnyOperation) -> None:
    (row,) = (r for r in DOCUMENTED if (r["method"], r["path"]) == (operation.method, operation.path))
    stated = (
        f"KooPhone {row['section']} (2025-12-31)"
        if row["section"]
        else "KooPhone, published interface (2026-03)"
    )

    assert operation.source == stated
    assert (operation.batch is None) is (row["list"] is None)
    if operation.batch is not None:
        assert spellings(operation.request)[operation.batch.field].name == row["list"]
        assert operation.batch.max == (row["most"] or 100)


def test_the_catalogue_has_every_operation_once() -> None:
    assert len(OPERATIONS) == len({*OPERATIONS}) == len(OURS)
    assert [*OPERATIONS] == sorted(OPERATIONS)
    assert "other.phones.list" not in OPERATIONS


@every
def test_the_catalogue_has_it_by_its_name(operation: AnyOperation) -> None:
    assert OPERATIONS[operation.name] is operation
    assert re.fullmatch(r"[a-z]+\.[a-z_]+\.[a-z_]+[a-z0-9]", operation.name)


@koophone
def test_its_constant_is_in_its_resources_module(
    operation: AnyOperation,
) -> None:
    service, resource, method = operation.name.split(".")
    module = import_module(f"koophone_async.services.{service}.{resource}")

    assert getattr(module, method.upper()) is operation


@ours
def test_a_method_has_the_name_and_source_of_its_operation(operation: AnyOperation) -> None:
    service, path = operation.name.split(".", 1)
    method = attrgetter(path)(CLIENTS[service])

    assert callable(method)
    assert (inspect.getdoc(method) or "").splitlines()[-1] == f"API: {operation.source}"


@ours
def test_no_method_lacks_its_operation(operation: AnyOperation) -> None:
    service, resource, _ = operation.name.split(".")
    held: object = getattr(CLIENTS[service], resource)
    beside = {"koophone.jobs.wait", "cph.jobs.wait", "gaming.deployments.wait"}
    public = {name for name in vars(type(held)) if name[0] != "_"}

    assert {f"{service}.{resource}.{name}" for name in public} - beside <= set(OPERATIONS)


@every
def test_every_path_slot_is_a_field_or_the_project(
    operation: AnyOperation,
) -> None:
    slots = set(re.findall(r"{([^}]+)}", operation.path))
    fields = {spelt.name for spelt in spellings(operation.request).values()}

    assert slots - fields <= {"project_id"}


@every
def test_its_models_are_frozen_and_documented(operation: AnyOperation) -> None:
    for model in (operation.request, operation.answer):
        assert attrs.has(model)
        assert model.__doc__
        with pytest.raises((attrs.exceptions.FrozenInstanceError, TypeError)):
            model().x = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", BATCHES, ids=by_name)
def test_its_list_is_a_part_of_its_request(operation: AnyOperation) -> None:
    batch: Any = operation.batch

    assert hasattr(operation.request, batch.field)
    assert batch.max > 0


@every
def test_no_order_is_repeatable(operation: AnyOperation) -> None:
    assert not (operation.order and operation.repeatable)
    assert operation.order is (operation.name == "koophone.orders.buy") or operation.service != "koophone"


@every
def test_every_read_is_repeatable(operation: AnyOperation) -> None:
    assert operation.method != "GET" or operation.repeatable


def test_only_the_request_for_a_token_is_anonymous() -> None:
    assert [name for name, operation in OPERATIONS.items() if operation.anonymous] == ["iam.tokens.create"]
