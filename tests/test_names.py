"""Public names: importable from the package and the flat modules, at no cost before their first use."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import koophone_async
from koophone_async import CloudPhone, KooPhone, errors
from koophone_async.gaming import Gaming
from koophone_async.session import Session

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator

FLAT_MODULES = ("cph", "errors", "gaming", "iam", "koophone")
PUBLIC_MODULES = {
    "koophone_async",
    *(f"koophone_async.{name}" for name in FLAT_MODULES),
    *(f"koophone_async.{name}" for name in ("emulator", "events", "rollouts", "selection", "testing")),
}
ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT)
    for pattern in ("README.md", "docs/*.md", "examples/*.py")
    for path in ROOT.glob(pattern)
)


def test_a_name_is_the_object_of_its_module() -> None:
    assert koophone_async.Session is Session


def test_every_public_name_can_be_imported() -> None:
    for name in koophone_async.__all__:
        assert getattr(koophone_async, name).__name__ == name


def test_every_error_can_be_imported_from_the_package() -> None:
    assert set(errors.__all__) <= set(koophone_async.__all__)


def test_names_are_listed_before_their_first_use() -> None:
    assert set(koophone_async.__all__) <= set(dir(koophone_async))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'koophone_async' has no attribute 'Nobody'"):
        vars(koophone_async)["__getattr__"]("Nobody")


@pytest.mark.parametrize("module", FLAT_MODULES)
def test_a_flat_module_lists_exactly_what_it_offers(module: str) -> None:
    flat = import_module(f"koophone_async.{module}")
    ours = {
        name for name, value in vars(flat).items() if "koophone_async" in getattr(value, "__module__", "")
    }

    assert ours == set(flat.__all__)


CLIENTS = (KooPhone, CloudPhone, Gaming)


def resources(client: type) -> dict[str, cached_property[object]]:
    return {
        name: value
        for name, value in vars(client).items()
        if isinstance(value, cached_property) and not name.startswith("_")
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_help_describes_every_resource_of_a_client(client: type) -> None:
    text = pydoc.plain(pydoc.render_doc(client))

    assert resources(client)
    for name, resource in resources(client).items():
        assert f" {name} = " in text
        assert str(resource.__doc__) in text


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_resource_is_one_object_of_the_stated_type(client: type, emulator: Emulator) -> None:
    async with emulator.session() as session:
        of_session = client(session)

        for name, resource in resources(client).items():
            loaded = getattr(of_session, name)

            assert type(loaded).__name__ == resource.func.__annotations__["return"]
            assert getattr(of_session, name) is loaded


@pytest.mark.process
@pytest.mark.parametrize("path", PAGES, ids=str)
def test_examples_and_pages_import_from_public_modules(path: Path) -> None:
    modules = re.findall(
        r"^(?:from|import) (koophone_async\S*)", (ROOT / path).read_text("utf-8"), re.MULTILINE
    )

    assert set(modules) <= PUBLIC_MODULES


def test_the_package_alone_imports_no_other_package() -> None:
    code = "import sys, koophone_async; print({'aiohttp', 'attrs', 'anyio', 'cattrs'} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - ourselves

    assert done.stdout.strip() == "set()"


def test_clients_and_session_import_no_resource_and_no_converter() -> None:
    code = "import sys; from koophone_async import CloudPhone, KooPhone, Session; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, check=True, text=True)  # noqa: S603 - ourselves
    services = {name for name in done.stdout.split() if name.startswith("koophone_async.services.")}

    assert services == {
        "koophone_async.services.cph",
        "koophone_async.services.cph.client",
        "koophone_async.services.cph.quotas",
        "koophone_async.services.koophone",
        "koophone_async.services.koophone.client",
    }
    assert not {"cattrs", "koophone_async.batches", "koophone_async.polling.scheduler"} & set(
        done.stdout.split()
    )
