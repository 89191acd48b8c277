"""Public names: importable from the package and the flat modules, at no cost before their first use."""

from __future__ import annotations

import pydoc
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import koophone_async
from koophone_async import CloudPhone, Iam, KooPhone, errors
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


async def test_help_describes_every_resource_of_a_client(emulator: Emulator) -> None:
    async with emulator.session() as session:
        for client in (KooPhone(session), CloudPhone(session, project_id="p"), Iam(session)):
            text = pydoc.plain(pydoc.render_doc(type(client)))

            for resource in vars(client):
                assert resource.startswith("_") or f" {resource}: " in text


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
