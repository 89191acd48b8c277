"""Tags of servers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from koophone_async.emulator.cph import error_table
from koophone_async.emulator.cph.project import Resource, page
from koophone_async.emulator.cph.server_inventory import Server
from koophone_async.emulator.server.errors import cph_refusal
from koophone_async.emulator.server.routing import serves
from koophone_async.services.cph import tags
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.services.cph.tags import CountTagged, ServerTag, TaggedServer, TagValues

MAX_TAGS: Final = 20
"""How many tags a server can have; the documents mention a limit without its value (CPS.0307)."""


class Tags(Resource):
    """Tags servers, and finds servers by their tags."""

    @serves(tags.LIST)
    async def list(self, request: tags.TagQuery) -> tags.TagPage:
        """List every key of the project, with its values."""
        found: dict[str, dict[str, None]] = {}
        for server in self.project.servers():
            for key, value in server.tags.items():
                found.setdefault(key, {})[value] = None
        rows = [TagValues(key, tuple(sorted(values))) for key, values in sorted(found.items())]
        return tags.TagPage(page(rows, request.offset, request.limit), len(rows))

    @serves(tags.SHOW)
    async def show(self, request: tags.ServerTagsRequest) -> tags.ServerTags:
        return tags.ServerTags(_seen(self._server(request.server)))

    @serves(tags.FIND)
    async def find(self, request: tags.FindTagged) -> tags.TaggedPage:
        """Return one page of the matching servers."""
        found = self._matching(request)
        rows = page(found, request.offset, request.limit)
        return tags.TaggedPage(
            tuple(TaggedServer(one.id, one.name, None, _seen(one)) for one in rows), len(found)
        )

    @serves(tags.COUNT)
    async def count(self, request: CountTagged) -> tags.TaggedCount:
        """Count the matching servers."""
        return tags.TaggedCount(len(self._matching(request)))

    @serves(tags.ADD, counted=False)
    async def add(self, request: tags.AddTags) -> Accepted:
        """Tag a server; the value of an existing key is replaced."""
        server = self._server(request.server)
        new = {tag.key: tag.value for tag in request.tags}
        if len({**server.tags, **new}) > MAX_TAGS:
            raise cph_refusal(error_table.TOO_MANY_TAGS)
        server.tags.update(new)
        self.project.world.ledger.executed(tags.ADD.name, [server.id])
        return Accepted()

    @serves(tags.REMOVE, counted=False)
    async def remove(self, request: tags.RemoveTags) -> Accepted:
        server = self._server(request.server)
        for tag in request.tags:
            if server.tags.get(tag.key) == tag.value:
                del server.tags[tag.key]
        self.project.world.ledger.executed(tags.REMOVE.name, [server.id])
        return Accepted()

    def _server(self, server: str) -> Server:
        return self.project.server(server, error_table.NO_RESOURCE)

    def _matching(self, query: CountTagged) -> Sequence[Server]:
        return [server for server in self.project.servers() if _matches(server, query)]


def _matches(server: Server, query: CountTagged) -> bool:
    if query.is_untagged:
        return not server.tags and _is_named(server, query)
    has_tags = all(
        one.key in server.tags and (not one.values or server.tags[one.key] in one.values)
        for one in query.tags
    )
    return has_tags and _is_named(server, query)


def _is_named(server: Server, query: CountTagged) -> bool:
    return all(match.value == server.name for match in query.matches)


def _seen(server: Server) -> tuple[ServerTag, ...]:
    return tuple(ServerTag(key, value) for key, value in server.tags.items())
