"""Imports go down through the layers and never up."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import frozen

import koophone_async

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(koophone_async.__file__).parent

LAYERS: Final = (
    ("__init__",),
    ("koophone", "cph", "gaming", "iam"),
    ("rollouts",),
    ("fleet_methods",),
    ("catalogue",),
    ("session",),
    ("call_preparation", "call_sender"),
    ("authentication",),
    ("bound_session", "project_lookup"),
    ("services",),
    ("batches",),
    ("selection",),
    ("polling",),
    ("connection_pool",),
    ("call",),
    ("connection_errors",),
    ("limits", "retry"),
    ("credential_cache",),
    ("credentials",),
    ("proxies",),
    ("endpoints",),
    ("operation",),
    ("protocol",),
    ("wire",),
    ("rows",),
    ("characters", "checks", "clock"),
    ("virtual_time",),
    ("id_files",),
    (
        "docstrings",
        "drafts",
        "errors",
        "exception_groups",
        "file_access",
        "lazy_names",
        "sqlite_files",
        "text_input",
        "timers",
    ),
)
"""From top to bottom: a module imports from its own layer and from those below it."""

BESIDE: Final = {"emulator", "console", "cli", "events", "mocking", "pytest_plugin", "testing"}
"""These import from any layer, and no layer imports from them."""

UPWARD_TYPES: Final = {
    ("errors", "batches"): "an error holds the outcomes that it reports",
    ("protocol", "operation"): "an answer is decoded into the class that the operation names",
    ("wire", "operation"): "a request is encoded as the operation says",
    ("call", "services"): "a call may carry a token of IAM",
    ("operation", "call"): "a sender records in a tracker whether a call was sent",
    ("operation", "polling"): "a sender offers the poll scheduler of its session",
    ("bound_session", "session"): "it sends through a session",
    ("project_lookup", "session"): "it asks IAM through a session",
}
"""Imports that only type checkers follow, which may go up, and why each does."""


@frozen
class Import:
    """One import of a module of the package by another."""

    importer: str
    imported: str
    for_types: bool
    """It stands under `if TYPE_CHECKING`, so that nothing is imported at run time."""

    @property
    def layers(self) -> tuple[str, str]:
        return layer(self.importer), layer(self.imported)

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def layer(module: str) -> str:
    return (*module.split("."), "__init__")[1]


def imports(node: ast.AST, importer: str, *, for_types: bool = False) -> Iterator[Import]:
    """Yield every import of this package under a node of the syntax tree."""
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names):
                imported = [name.name for name in names]
            case ast.ImportFrom(module=str(source), names=names, level=0):
                whole = [f"{source}.{name.name}" for name in names]
                imported = [name if name in MODULES else source for name in whole]
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                imported = []
                yield from imports(child, importer, for_types=True)
            case _:
                imported = []
                yield from imports(child, importer, for_types=for_types)
        ours = (name for name in imported if name.partition(".")[0] == ROOT.name)
        yield from (Import(importer, name, for_types) for name in ours)


MODULES: Final = {module_of(file): file for file in sorted(ROOT.rglob("*.py"))}
ALL_IMPORTS: Final = [
    one for module, file in MODULES.items() for one in imports(ast.parse(file.read_text("utf-8")), module)
]
IMPORTS: Final = [
    one
    for one in ALL_IMPORTS
    if layer(one.importer) not in BESIDE and layer(one.importer) != layer(one.imported)
]
RANKS: Final = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def goes_up(one: Import) -> bool:
    importer, imported = one.layers
    return RANKS[imported] <= RANKS[importer]


def test_every_module_has_its_layer() -> None:
    assert {layer(module) for module in MODULES} <= RANKS.keys() | BESIDE


def test_no_layer_imports_what_stands_beside_it() -> None:
    assert [str(one) for one in IMPORTS if layer(one.imported) in BESIDE] == []


def test_no_import_goes_up_at_run_time() -> None:
    assert [str(one) for one in IMPORTS if not one.for_types and goes_up(one)] == []


def test_imports_for_types_that_go_up_are_those_with_a_reason() -> None:
    upward = {one.layers for one in IMPORTS if one.for_types and goes_up(one)}

    assert upward == UPWARD_TYPES.keys()


def loaded_by(one: Import) -> Iterator[str]:
    """Yield the imported module and its packages, which Python imports first, but for the importer's own."""
    parts = one.imported.split(".")
    for end in range(2, len(parts) + 1):
        module = ".".join(parts[:end])
        if module in MODULES and not f"{one.importer}.".startswith(f"{module}."):
            yield module


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for one in ALL_IMPORTS:
        if not one.for_types:
            graph.setdefault(one.importer, set()).update(loaded_by(one))

    TopologicalSorter(graph).prepare()  # raises a CycleError that names the modules
