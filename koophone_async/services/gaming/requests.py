"""The requests that change what is deployed where. Four of them share a path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Text, ids
from koophone_async.wire import wire


@frozen
class VersionsOnServers:
    """Every one of these versions, on every one of these servers."""

    versions: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("app_version_ids"))
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))


@frozen
class _OnServers:
    """One of the four requests that share a path: the one key of the body tells them apart."""

    action: VersionsOnServers

    @classmethod
    def of(cls, servers: Iterable[str], versions: Iterable[str]) -> Self:
        """Say what and where."""
        return cls(VersionsOnServers(versions, servers))

    @property
    def servers(self) -> tuple[str, ...]:
        """The servers of the call."""
        return self.action.servers


@frozen
class DeployVersions(_OnServers):
    """Versions to install on all phones of servers."""

    action: VersionsOnServers = field(metadata=wire("batch_deploy_app_version"))


@frozen
class RemoveVersions(_OnServers):
    """Versions whose packages to delete from servers."""

    action: VersionsOnServers = field(metadata=wire("batch_remove_app_version"))


@frozen
class PushVersions(_OnServers):
    """Versions whose packages to bring to servers."""

    action: VersionsOnServers = field(metadata=wire("batch_push_app_version"))


@frozen
class UndeployVersions(_OnServers):
    """Versions to take off servers and all their phones."""

    action: VersionsOnServers = field(metadata=wire("batch_undeploy_app_version"))


@frozen
class VersionList:
    """The versions that a phone is to have."""

    versions: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("app_version_ids"))


@frozen
class UpdateVersions:
    """Versions to put on one phone."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    action: VersionList = field(metadata=wire("update_app_version"))

    @classmethod
    def of(cls, phone: str, versions: Iterable[str]) -> Self:
        """Say what and where."""
        return cls(phone, VersionList(versions))
