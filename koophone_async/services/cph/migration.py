"""Migration: overwrite the data of phones with that of other phones.

The vendor's reference of 2025-10-28 has the request. We have no page with the answer: it is read like that of
a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from attrs import Attribute, evolve, field, frozen
from attrs.validators import and_

from koophone_async.checks import MAX_ID_LENGTH, Listed, Text
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation
from koophone_async.services.cph.started_jobs import Started
from koophone_async.wire import wire


def _check_differs(migration: Migration, attribute: Attribute[Any], target: str) -> None:
    if target == migration.source:
        raise InvalidRequest(
            "",
            attribute.name,
            "is also the source; a phone cannot be migrated to itself (CPS.0231)",
            Rule.CONFLICT,
        )


@frozen
class Migration:
    """A pair of phones. The data of the target is overwritten with that of the source."""

    source: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("source_phone_id"))
    target: str = field(validator=and_(Text(MAX_ID_LENGTH), _check_differs), metadata=wire("target_phone_id"))
    with_properties: bool | None = field(default=None, metadata=wire("is_migrate_property"))
    """Whether the target gets the source's properties too. The default is not documented."""


def _check_unique_targets(_: object, attribute: Attribute[Any], migrations: tuple[Migration, ...]) -> None:
    if len({migration.target for migration in migrations}) < len(migrations):
        raise InvalidRequest("", attribute.name, "has a duplicate target", Rule.NOT_UNIQUE)


def _migrations(values: Iterable[Migration]) -> tuple[Migration, ...]:
    return tuple(values)


@frozen
class MigratePhones:
    """Request to migrate phones."""

    migrations: tuple[Migration, ...] = field(
        converter=_migrations, validator=and_(Listed(), _check_unique_targets), metadata=wire("migrate_infos")
    )


# Not repeatable: a repeat would overwrite what a target has written since the first call.
MIGRATE: Final = Operation(
    "cph.phones.migrate", "POST", "/v1/{project_id}/cloud-phone/phones/batch-migrate",
    MigratePhones, Started, source="CPH, published interface (2025-10-28), the request only",
    batch=Batch("migrations", max=UNSTATED), repeatable=False,
)  # fmt: skip


def by_target(started: Started, targets: Collection[str], sources: Mapping[str, str]) -> Started:
    """Return the answer to a migration with its entries named by target.

    No document states which phone of a pair an entry names. If any entry names no target, all are read as
    naming their sources.

    Args:
        started: The answer.
        targets: Targets of the call.
        sources: Source of each target.
    """
    if all(job.phone in targets for job in started.jobs if job.phone):
        return started
    target_of = {sources.get(target): target for target in targets}
    jobs = (evolve(job, phone=target_of.get(job.phone, job.phone)) for job in started.jobs)
    return evolve(started, jobs=tuple(jobs))
