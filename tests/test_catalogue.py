"""Operations: one name for constant, method and catalogue, and statements as in the documents."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import attrs
import pytest

from koophone_async import AccessKey, CloudPhone, Iam, KooPhone, Session
from koophone_async.catalogue import OPERATIONS
from koophone_async.operation import UNSTATED
from koophone_async.wire import Spelling, spelling
from tests.wire.documented import DOCUMENTED, Documented

if TYPE_CHECKING:
    from koophone_async.operation import AnyOperation

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
documented = pytest.mark.parametrize("row", DOCUMENTED, ids=lambda row: row.name)


@documented
def test_its_statement_is_that_of_its_document(row: Documented) -> None:
    operation = OPERATIONS[row.name]
    stated = (operation.source, operation.method, _without_names(operation.path))

    assert stated == (row.source, row.method, _without_names(row.path))
    assert (operation.batch is None) is (row.list is None)
    if operation.batch is not None:
        assert operation.batch.max == (row.max or UNSTATED)


def _without_names(path: str) -> str:
    return re.sub("{[^}]*}", "{}", path)


@documented
def test_its_list_is_spelled_as_in_its_document(row: Documented) -> None:
    operation = OPERATIONS[row.name]
    spelled = spellings(operation.request)

    if operation.batch is not None and operation.batch.field in spelled:
        assert spelled[operation.batch.field].name == row.list


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
    of_resource: object = getattr(CLIENTS[service], resource)
    methods = {name for name in vars(type(of_resource)) if name[0] != "_"}
    names = {f"{service}.{resource}.{name}" for name in methods - {"wait"}}

    assert sorted(names - set(OPERATIONS)) == [], "state a constant of this name beside the method's models"


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
