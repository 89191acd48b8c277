"""Requests that change deployments. Four of them share a path."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from attrs import field, frozen

from koophone_async.checks import IDS, MAX_ID_LENGTH, Text, ids
from koophone_async.wire import wire


@frozen
class VersionsOnServers:
    """Versions and servers of a call; it applies to every pair of them."""

    versions: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("app_version_ids"))
    servers: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("server_ids"))


@frozen
class _OnServers:
    """Base of the four requests that share a path and differ in the key of the body."""

    action: VersionsOnServers

    @classmethod
    def of(cls, servers: Iterable[str], versions: Iterable[str]) -> Self:
        """Create the request."""
        return cls(VersionsOnServers(versions, servers))

    @property
    def servers(self) -> tuple[str, ...]:
        """Servers of the call."""
        return self.action.servers


@frozen
class DeployVersions(_OnServers):
    """Request to install versions on all phones of servers."""

    action: VersionsOnServers = field(metadata=wire("batch_deploy_app_version"))


@frozen
class RemoveVersions(_OnServers):
    """Request to delete the packages of versions from servers."""

    action: VersionsOnServers = field(metadata=wire("batch_remove_app_version"))


@frozen
class PushVersions(_OnServers):
    """Request to push the packages of versions to servers."""

    action: VersionsOnServers = field(metadata=wire("batch_push_app_version"))


@frozen
class UndeployVersions(_OnServers):
    """Request to uninstall versions from servers and all their phones."""

    action: VersionsOnServers = field(metadata=wire("batch_undeploy_app_version"))


@frozen
class VersionList:
    """Versions to install."""

    versions: tuple[str, ...] = field(converter=ids, validator=IDS, metadata=wire("app_version_ids"))


@frozen
class UpdateVersions:
    """Request to install versions on one phone."""

    phone: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("phone_id"))
    action: VersionList = field(metadata=wire("update_app_version"))

    @classmethod
    def of(cls, phone: str, versions: Iterable[str]) -> Self:
        """Create the request."""
        return cls(phone, VersionList(versions))
