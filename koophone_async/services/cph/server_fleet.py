"""Fleets of servers and of encoding servers: run one operation on any number of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import frozen

from koophone_async.batches import Run, Verb
from koophone_async.checks import ids
from koophone_async.services.cph import encoding_servers, keypairs, servers, shared_apps, shared_files
from koophone_async.services.cph.completion import read_accepted, read_listing
from koophone_async.services.cph.encoding_servers import RestartEncodingServers
from koophone_async.services.cph.fleet import Fleet
from koophone_async.services.cph.keypairs import ServerKeypair, UpdateKeypairs
from koophone_async.services.cph.servers import ServersRequest
from koophone_async.services.cph.shared_apps import DeleteApp, PushApp
from koophone_async.services.cph.shared_files import DeleteFiles, ListFiles, PushFiles
from koophone_async.services.cph.started_jobs import Accepted, Started
from koophone_async.services.cph.tags import ADD, REMOVE, AddTags, RemoveTags, Tag


@frozen
class ServerFleet(Fleet):
    """Any number of servers to run one operation on."""

    def restart(self) -> Run[ServersRequest, Started]:
        """Restart servers, and with them every phone on them."""
        return self._start(servers.RESTART, ServersRequest)

    def update_keypair(self, keypair: str | Mapping[str, str]) -> Run[UpdateKeypairs, Started]:
        """Replace the key pair of each server, which gives ADB access to its phones.

        Args:
            keypair: Its name, at most 64 bytes: one for all, or a mapping from server id to name.
        """

        def of(server: str) -> str:
            return keypair if isinstance(keypair, str) else keypair.get(server, "")

        return self._start(
            keypairs.UPDATE,
            lambda servers: UpdateKeypairs(tuple(ServerKeypair(id, of(id)) for id in servers)),
            sample=("any",) if isinstance(keypair, str) else tuple(keypair)[:1],
        )

    def push_files(self, bucket: str, path: str) -> Run[PushFiles, Started]:
        """Unpack a tar file from object storage in the shared storage of each server.

        Args:
            bucket: 3 to 63 lower-case letters, digits, `-` and `.`.
            path: Path of the tar file in the bucket, at most 1,024 characters. Its content must be under
                `/data` or `/cache`.
        """
        return self._start(shared_files.PUSH, lambda servers: PushFiles(bucket, path, servers))

    def list_files(self, path: str, offset: int = 0, limit: int = 50) -> Run[ListFiles, Started]:
        """List a directory in the shared storage of each server: the outcome's `value` is a `Listing`.

        Args:
            path: Such as `/data/data`.
            offset: Number of files to skip.
            limit: At most 50 files. A longer listing than the 1,024 bytes of an output is truncated;
                then it `is_cut`.
        """
        return self._start(
            shared_files.LIST, lambda servers: ListFiles(path, servers, offset, limit), value=read_listing
        )

    def delete_files(self, paths: Iterable[str]) -> Run[DeleteFiles, Started]:
        """Delete files from the shared storage of each server.

        Args:
            paths: Absolute paths of at most 4,096 bytes each.
        """
        files = ids(paths, "paths")
        return self._start(shared_files.DELETE, lambda servers: DeleteFiles(files, servers))

    def push_app(
        self, package: str, bucket: str, path: str, *, preinstall: bool = False
    ) -> Run[PushApp, Started]:
        """Unpack an app from object storage in the shared storage of each server.

        Args:
            package: At most 128 letters, digits, `_` and `.`, such as `com.example.game`.
            bucket: 3 to 63 lower-case letters, digits, `-` and `.`.
            path: Path of the tar file in the bucket, at most 1,024 characters.
            preinstall: Whether to install it on the phones too.
        """
        also = 1 if preinstall else None
        return self._start(shared_apps.PUSH, lambda servers: PushApp(package, bucket, path, servers, also))

    def delete_app(self, package: str) -> Run[DeleteApp, Started]:
        """Delete an app from the shared storage of each server.

        Args:
            package: At most 128 letters, digits, `_` and `.`, such as `com.example.game`.
        """
        return self._start(shared_apps.DELETE, lambda servers: DeleteApp(package, servers))

    def add_tags(self, tags: Mapping[str, str]) -> Run[AddTags, Accepted]:
        """Add tags to each server, in calls of one server.

        Args:
            tags: Keys of at most 127 characters, and values of at most 255.
        """
        pairs = _tags(tags)
        return self._run(Verb(ADD, lambda servers: AddTags(servers[0], pairs), read_accepted, is_single=True))

    def remove_tags(self, tags: Mapping[str, str]) -> Run[RemoveTags, Accepted]:
        """Remove tags from each server, in calls of one server.

        Args:
            tags: Keys and values; the service requires the values too.
        """
        pairs = _tags(tags)
        return self._run(
            Verb(REMOVE, lambda servers: RemoveTags(servers[0], pairs), read_accepted, is_single=True)
        )


@frozen
class EncodingFleet(Fleet):
    """Any number of encoding servers to run one operation on."""

    def restart(self) -> Run[RestartEncodingServers, Started]:
        """Restart encoding servers."""
        return self._start(encoding_servers.RESTART, RestartEncodingServers)


def _tags(tags: Mapping[str, str]) -> tuple[Tag, ...]:
    return tuple(Tag(key, value) for key, value in tags.items())
