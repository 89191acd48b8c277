"""Games: applications, their versions, and where they are deployed."""

from __future__ import annotations

from datetime import datetime

from attrs import define, field

from koophone_async.emulator.fleet import Fleet


@define
class Application:
    """A game."""

    id: str
    project: str
    name: str
    package: str
    description: str | None
    created: datetime
    updated: datetime
    """When a version was last added or deleted."""


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
    created: datetime


@define(eq=False)
class Library:
    """The games of all projects, and the servers and phones on which their versions are deployed."""

    fleet: Fleet = field(repr=False)
    max_applications: int = 10_000
    """Of one project (CPH 5.1.5, 2020-07-30)."""

    max_versions: int = 100_000
    """Of one project (CPH 5.2.2, 2020-07-30)."""

    applications: dict[str, Application] = field(factory=dict[str, Application])
    versions: dict[str, Version] = field(factory=dict[str, Version])
    on_servers: dict[str, list[str]] = field(factory=dict[str, list[str]])
    """The versions whose packages a server has, oldest first."""

    on_phones: dict[str, dict[str, str]] = field(factory=dict[str, dict[str, str]])
    """The version of each application that was last installed, by CPH's id of the phone."""

    def of_project(self, project: str) -> list[Application]:
        """Return the applications of a project, newest first."""
        return [one for one in reversed(self.applications.values()) if one.project == project]

    def versions_of(self, application: str) -> list[Version]:
        """Return the versions of an application, oldest first."""
        return [version for version in self.versions.values() if version.application == application]

    def put(self, server: str, version: str) -> None:
        """Put the package of a version on a server."""
        if version not in self.on_servers.setdefault(server, []):
            self.on_servers[server].append(version)

    def remove(self, server: str, version: str) -> bool:
        """Delete the package of a version from a server, and return whether it was there."""
        versions = self.on_servers.get(server, [])
        if version not in versions:
            return False
        versions.remove(version)
        return True

    def has(self, server: str, version: str) -> bool:
        """Return whether a server has the package of a version."""
        return version in self.on_servers.get(server, ())

    def record(self, phone: str, version: Version) -> None:
        """Record that a version was installed on a phone, replacing the one before."""
        self.on_phones.setdefault(phone, {})[version.application] = version.id

    def uninstall(self, phone: str, version: Version) -> None:
        """Uninstall a version from a phone and end its process."""
        if version not in self.installed(phone):
            return
        android, package = self.fleet.by_cph_id(phone).android, self.applications[version.application].package
        android.processes.pop(package, None)
        del android.apps[package], self.on_phones[phone][version.application]

    def installed(self, phone: str) -> list[Version]:
        """Return the versions on a phone; one that a reset or another install removed is not among them."""
        try:
            apps = self.fleet.by_cph_id(phone).android.apps
        except KeyError:
            return []
        found = [self.versions[version] for version in self.on_phones.get(phone, {}).values()]
        return [one for one in found if apps.get(self.applications[one.application].package) == one.name]

    def is_deployed(self, version: Version) -> bool:
        """Return whether a version is on any server or phone."""
        return any(version.id in versions for versions in self.on_servers.values()) or any(
            version in self.installed(phone) for phone in self.on_phones
        )

    def forget(self, version: Version) -> None:
        """Delete a version, also from the records of phones that once had it."""
        del self.versions[version.id]
        for versions in self.on_phones.values():
            if versions.get(version.application) == version.id:
                del versions[version.application]
