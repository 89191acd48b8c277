"""Games: applications, their versions, and where these are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, define, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from koophone_async.emulator.fleet import Fleet


@define
class Application:
    """A game."""

    id: str
    project: str
    name: str
    package: str
    description: str | None
    created: str
    updated: str
    """When it last got or lost a version."""


@define
class Version:
    """A package of a game in object storage."""

    id: str
    application: str
    code: str
    name: str
    activity: str
    bucket: str
    path: str
    created: str


@define(eq=False)
class Library:
    """All games of all projects, and on which servers and phones which versions are."""

    fleet: Fleet = field(repr=False)
    most_applications: int = 10_000
    """Of one project (CPH 5.1.5, 2020-07-30)."""

    most_versions: int = 100_000
    """Of one project (CPH 5.2.2, 2020-07-30)."""

    applications: dict[str, Application] = field(factory=dict[str, Application])
    versions: dict[str, Version] = field(factory=dict[str, Version])
    on_servers: dict[str, list[str]] = field(factory=dict[str, list[str]])
    """The versions whose packages a server has, in the order of their coming."""

    on_phones: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]])
    """The version that was last installed on a phone by CPH's id, by application."""

    def of_project(self, project: str) -> list[Application]:
        """The applications of a project, the newest first."""
        return [one for one in reversed(self.applications.values()) if one.project == project]

    def versions_of(self, application: str) -> list[Version]:
        """The versions of an application, the oldest first."""
        return [version for version in self.versions.values() if version.application == application]

    def put(self, server: str, version: str) -> None:
        """Bring the package of a version to a server."""
        if version not in self.on_servers.setdefault(server, []):
            self.on_servers[server].append(version)

    def take(self, server: str, version: str) -> bool:
        """Delete the package of a version from a server; answers whether it was there."""
        held = self.on_servers.get(server, [])
        if version not in held:
            return False
        held.remove(version)
        return True

    def has(self, server: str, version: str) -> bool:
        """Whether a server has the package of a version."""
        return version in self.on_servers.get(server, ())

    def install(self, phone: str, version: Version) -> None:
        """Install a version on a phone, in the place of the one before."""
        package = self.applications[version.application].package
        self.fleet.by_cph_id(phone).android.apps[package] = version.name
        self.on_phones.setdefault(phone, {})[version.application] = version.id

    def uninstall(self, phone: str, version: Version) -> None:
        """Remove a version from a phone, with the process that it runs in."""
        if version not in self.installed(phone):
            return
        android, package = self.fleet.by_cph_id(phone).android, self.applications[version.application].package
        android.processes.pop(package, None)
        del android.apps[package], self.on_phones[phone][version.application]

    def installed(self, phone: str) -> list[Version]:
        """The versions that are on a phone still: it may have been wiped since, or given something else."""
        try:
            apps = self.fleet.by_cph_id(phone).android.apps
        except KeyError:
            return []
        found = [self.versions[version] for version in self.on_phones.get(phone, {}).values()]
        return [one for one in found if apps.get(self.applications[one.application].package) == one.name]

    def is_somewhere(self, version: Version) -> bool:
        """Whether a version is on any server or phone."""
        return any(version.id in held for held in self.on_servers.values()) or any(
            version in self.installed(phone) for phone in self.on_phones
        )

    def forget(self, version: Version) -> None:
        """Delete a version, also from what phones once had."""
        del self.versions[version.id]
        for held in self.on_phones.values():
            if held.get(version.application) == version.id:
                del held[version.application]

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "applications": [asdict(one) for one in self.applications.values()],
            "versions": [asdict(one) for one in self.versions.values()],
            "on_servers": self.on_servers,
            "on_phones": self.on_phones,
        }

    def restore(self, said: Mapping[str, Any]) -> None:
        """Become what `to_json` said."""
        self.applications = _by_id(Application, said["applications"])
        self.versions = _by_id(Version, said["versions"])
        self.on_servers, self.on_phones = dict(said["on_servers"]), dict(said["on_phones"])


def _by_id(kind: Any, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: ANN401 - either of the above
    return {row["id"]: kind(**row) for row in rows}
