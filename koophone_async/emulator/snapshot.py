"""Snapshots: the state of an emulator in a file.

Effects are written with the name of their class, and requests as on the wire; times need no conversion,
because the clock of a restored world continues from the time of the snapshot.
"""

from __future__ import annotations

import os
from datetime import datetime
from errno import EINVAL
from functools import partial
from pathlib import Path
from stat import S_IMODE
from tempfile import NamedTemporaryFile
from typing import Any, Final

import attrs
from attrs import frozen
from cattrs import Converter
from cattrs.strategies import configure_tagged_union, include_subclasses

from koophone_async.emulator.android.releases import MODELS, NEWER_RELEASES, RELEASES, Model, Release
from koophone_async.emulator.cph.state import CphState
from koophone_async.emulator.fleet import Fleet, FleetSnapshot
from koophone_async.emulator.gaming.library import Library
from koophone_async.emulator.jobs.engine import Effect, Job, Jobs
from koophone_async.emulator.world import Order
from koophone_async.file_access import open_bounded
from koophone_async.wire import Edition, decode, encode, from_wire, to_wire

_PACKAGE: Final = "koophone_async.emulator."
_MODELS: Final = {model.sku: model for model in MODELS}
_RELEASES: Final = {release.image: release for release in (*RELEASES, *NEWER_RELEASES)}


@frozen
class Snapshot:
    """Everything but the account, the quotas and the faults."""

    edition: Edition
    time: float
    fleet: FleetSnapshot
    cph: CphState
    library: Library
    orders: dict[str, Order]
    undelivered: set[str]
    sequences: dict[str, int]
    executions: dict[str, dict[str, int]]
    requests: int
    jobs: list[Job]


MAX_SIZE: Final = 2**30
"""Maximum size of a file in bytes; a million phones that all were changed need less."""

UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What the converter and the classes of the state raise for JSON that is no snapshot."""


def load(jobs: Jobs, file: Path) -> None:
    """Restore state from a file.

    Raises:
        OSError: The file cannot be read, or is a device, which has no end.
        ValueError: It has no snapshot, or one of another edition or fleet.
    """
    if not file.is_file():
        raise OSError(EINVAL, "Not a regular file", str(file))
    try:
        with open_bounded(file, MAX_SIZE) as opened:
            data = opened.read()
    except OSError as error:
        error.filename = str(file)  # missing where opening succeeded
        raise
    restore(jobs, data)


def save(jobs: Jobs, file: Path) -> None:
    """Write a snapshot to a new file, which then replaces the one before: a full disk destroys nothing.

    Raises:
        OSError: The snapshot cannot be written; the file is what it was.
    """
    data, target = write(jobs), file.resolve()  # the target of a link, which stays a link
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as new:
            if target.exists():
                unfinished.chmod(S_IMODE(target.stat().st_mode))
            new.write(data)
            new.flush()
            os.fsync(new.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def check_place(file: Path) -> None:
    """Check that a snapshot can be saved in a place, by creating and removing an empty file beside it.

    Raises:
        OSError: It cannot.
    """
    with NamedTemporaryFile(dir=file.resolve().parent, prefix=f".{file.name}."):
        pass


def write(jobs: Jobs) -> bytes:
    """Return a snapshot as JSON."""
    world, time = jobs.world, jobs.settle()
    snapshot = Snapshot(
        world.edition,
        time,
        world.fleet.snapshot(),
        world.cph,
        world.library,
        world.orders,
        world.undelivered,
        world.sequences,
        **world.ledger.to_json(),
        jobs=jobs.snapshot,
    )
    return encode(converter(world.fleet).unstructure(snapshot))


def restore(jobs: Jobs, data: bytes) -> None:
    """Restore state from a snapshot.

    Raises:
        ValueError: This is not a snapshot, or one of another edition or fleet.
    """
    world = jobs.world
    try:
        # Checked when they came; a lenient emulator accepts more than the classes do.
        with attrs.validators.disabled():
            snapshot = converter(world.fleet).structure(decode(data), Snapshot)
    except UNREADABLE as error:
        raise ValueError(f"cannot be read: {type(error).__name__}: {error}") from error
    if snapshot.edition is not world.edition:
        raise ValueError("the snapshot is of another edition")
    world.fleet.restore(snapshot.fleet)
    world.clock.set(snapshot.time)
    world.cph, world.library, world.orders = snapshot.cph, snapshot.library, snapshot.orders
    world.undelivered, world.sequences = snapshot.undelivered, snapshot.sequences
    world.ledger.restore({"executions": snapshot.executions, "requests": snapshot.requests})
    jobs.restore(snapshot.jobs, snapshot.time)


def converter(fleet: Fleet) -> Converter:
    """Return the converter between state and JSON; what belongs to a fleet is attached to this one."""
    result = Converter(detailed_validation=False, prefer_attrib_converters=True)
    result.register_unstructure_hook(datetime, datetime.isoformat)
    result.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    result.register_unstructure_hook(Model, lambda model: model.sku)
    result.register_structure_hook(Model, lambda sku, _: _MODELS[sku])
    result.register_unstructure_hook(Release, lambda release: release.image)
    result.register_structure_hook(Release, lambda image, _: _RELEASES[image])
    result.register_unstructure_hook_func(_is_fleet, lambda _: None)
    result.register_structure_hook_func(_is_fleet, lambda _, __: fleet)
    result.register_unstructure_hook_func(_is_of_wire, to_wire)
    result.register_structure_hook_func(_is_of_wire, lambda value, model: from_wire(model, value))
    include_subclasses(
        Effect, result, union_strategy=partial(configure_tagged_union, tag_generator=_tag, tag_name="effect")
    )
    return result


def _is_fleet(kind: Any) -> bool:  # noqa: ANN401 - any annotation
    return kind is Fleet


def _is_of_wire(model: Any) -> bool:  # noqa: ANN401 - any annotation
    return attrs.has(model) and model.__module__.startswith("koophone_async.services.")


def _tag(effect: type[Effect]) -> str:
    return f"{effect.__module__.removeprefix(_PACKAGE)}.{effect.__name__}"
