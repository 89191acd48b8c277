"""Tags of servers: list, add and remove them, and find servers by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import Attribute, field, frozen

from koophone_async.checks import MAX_ID_LENGTH, Between, Listed, OneOf, Text, ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.operation import UNSTATED, Batch, Operation, Sender
from koophone_async.rows import Items
from koophone_async.services.cph.paging import items_by_offset
from koophone_async.services.cph.started_jobs import Accepted
from koophone_async.wire import wire

_LETTERS: Final = r"[A-Za-z0-9_.:=+@\u0080-\U0010ffff -]"

KEY: Final = Text(127, pattern=rf"(?!_sys_){_LETTERS}+")
"""A tag's key: letters of any language, digits, space and `_ . : = + - @`, not starting with `_sys_`."""

VALUE: Final = Text(255, pattern=rf"(?! ){_LETTERS}+(?<! )")
"""A tag's value: the same characters, without a space at either end."""

SERVER: Final = "cph-server"
"""The only type of resource with tags."""


@frozen
class Tag:
    """A tag to add or remove."""

    key: str = field(validator=KEY)
    value: str = field(validator=VALUE)


@frozen
class ServerTag:
    """A tag of a server in an answer."""

    key: str
    value: str | None = None


@frozen
class ServerTags:
    """Tags of one server."""

    tags: tuple[ServerTag, ...] = ()


@frozen
class TagValues:
    """A key of tags, and all its values in the project."""

    key: str
    values: tuple[str, ...] = ()


@frozen
class TagPage:
    """One page of the project's tags; in the document of 2025 all of them, without a total."""

    items: tuple[TagValues, ...] = field(default=(), metadata=wire("tags"))
    total: int | None = field(default=None, metadata=wire("total_count"))


@frozen
class TagQuery:
    """Filter of the project's tags: where to start."""

    # Only the vendor's SDK has pages here.
    offset: int = field(default=0, validator=Between(0, 10**9))
    limit: int = field(default=100, validator=Between(1, 100))
    kind: str = field(default=SERVER, validator=OneOf((SERVER,)), metadata=wire("resource_type"))


@frozen
class ServerTagsRequest:
    """Request for the tags of one server."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("resource_id"))
    kind: str = field(default=SERVER, validator=OneOf((SERVER,)), metadata=wire("resource_type"))


def _check_unique_values(_: object, attribute: Attribute[Any], values: tuple[str, ...]) -> None:
    if len(set(values)) < len(values):
        raise InvalidRequest("", attribute.name, "has a duplicate value", Rule.NOT_UNIQUE)


@frozen
class TagFilter:
    """Filter: a key that a server must have, with one of these values."""

    key: str = field(validator=Text(127))
    values: tuple[str, ...] = field(
        default=(),
        converter=ids,
        validator=[Listed(min=0, max=10, each=Text(255, min=0)), _check_unique_values],
    )
    """At most 10; empty means any value."""


@frozen
class FieldFilter:
    """Filter: a field that must have this value; only the name is supported."""

    value: str
    key: str = field(default="resource_name", validator=OneOf(("resource_name",)))


def _check_unique_keys(_: object, attribute: Attribute[Any], filters: tuple[TagFilter, ...]) -> None:
    if len({one.key for one in filters}) < len(filters):
        raise InvalidRequest("", attribute.name, "has a duplicate key", Rule.NOT_UNIQUE)


@frozen(kw_only=True)
class CountTagged:
    """Request to count the servers with these tags."""

    tags: tuple[TagFilter, ...] = field(default=(), validator=[Listed(min=0, max=10), _check_unique_keys])
    """At most 10 keys, all of which a server must have."""

    matches: tuple[FieldFilter, ...] = ()
    is_untagged: bool | None = field(default=None, metadata=wire("without_any_tag"))
    """True selects servers without any tag."""

    action: str = field(default="count", validator=OneOf(("count",)))
    kind: str = field(default=SERVER, validator=OneOf((SERVER,)), metadata=wire("resource_type"))


@frozen(kw_only=True)
class FindTagged(CountTagged):
    """Request for the servers with these tags."""

    action: str = field(default="filter", validator=OneOf(("filter",)))
    offset: int = field(default=0, validator=Between(0, 10**9), metadata=wire("offset", as_text=str))
    limit: int = field(default=1000, validator=Between(1, 1000), metadata=wire("limit", as_text=str))


@frozen
class TaggedServer:
    """A server in the result of a search."""

    id: str = field(metadata=wire("resource_id"))
    name: str | None = field(default=None, metadata=wire("resource_name"))
    detail: str | None = field(default=None, metadata=wire("resource_detail"))
    tags: tuple[ServerTag, ...] = ()


@frozen
class TaggedPage:
    """One page of the result of a search."""

    items: tuple[TaggedServer, ...] = field(default=(), metadata=wire("resources"))
    total: int | None = field(default=None, metadata=wire("total_count"))


@frozen
class TaggedCount:
    """Number of matching servers."""

    total: int = field(metadata=wire("total_count"))


@frozen
class AddTags:
    """Request to add tags to a server."""

    server: str = field(validator=Text(MAX_ID_LENGTH), metadata=wire("resource_id"))
    tags: tuple[Tag, ...] = field(validator=Listed())
    action: str = field(default="create", validator=OneOf(("create",)))
    kind: str = field(default=SERVER, validator=OneOf((SERVER,)), metadata=wire("resource_type"))


@frozen
class RemoveTags(AddTags):
    """Request to remove tags from a server. The values are required too."""

    action: str = field(default="delete", validator=OneOf(("delete",)))


LIST: Final = Operation(
    "cph.tags.list", "GET", "/v1/{project_id}/{resource_type}/tags",
    TagQuery, TagPage, source="CPH 5.8.1 (2025-02-08)", repeatable=True,
)  # fmt: skip

SHOW: Final = Operation(
    "cph.tags.show", "GET", "/v1/{project_id}/{resource_type}/{resource_id}/tags",
    ServerTagsRequest, ServerTags, source="CPH 5.8.2 (2025-02-08)", repeatable=True,
)  # fmt: skip

# A read by POST, with numbers as text. The document takes the offset from the previous answer, but no answer
# has one: it is counted here.
FIND: Final = Operation(
    "cph.tags.find", "POST", "/v1/{project_id}/{resource_type}/resource_instances/action",
    FindTagged, TaggedPage, source="CPH 5.8.3 (2025-02-08)", repeatable=True,
)  # fmt: skip

COUNT: Final = Operation(
    "cph.tags.count", "POST", "/v1/{project_id}/{resource_type}/resource_instances/action",
    CountTagged, TaggedCount, source="CPH 5.8.3 (2025-02-08)", repeatable=True,
)  # fmt: skip

# Not repeatable: no document states what happens to an existing key, and the repeat may be refused.
ADD: Final = Operation(
    "cph.tags.add", "POST", "/v1/{project_id}/{resource_type}/{resource_id}/tags/action",
    AddTags, Accepted, source="CPH 5.8.4 (2025-02-08)",
    batch=Batch("tags", max=UNSTATED), repeatable=False, success=204,
)  # fmt: skip

# The document's example omits the last part of the path.
REMOVE: Final = Operation(
    "cph.tags.remove", "POST", "/v1/{project_id}/{resource_type}/{resource_id}/tags/action",
    RemoveTags, Accepted, source="CPH 5.8.5 (2025-02-08)",
    batch=Batch("tags", max=UNSTATED), repeatable=False, success=204,
)  # fmt: skip


def _tag_filters(tags: Mapping[str, Iterable[str]]) -> tuple[TagFilter, ...]:
    return tuple(TagFilter(key, ids(values, "values")) for key, values in tags.items())


def _name_filters(name: str | None) -> tuple[FieldFilter, ...]:
    return () if name is None else (FieldFilter(name),)


def _tags(tags: Mapping[str, str]) -> tuple[Tag, ...]:
    return tuple(Tag(key, value) for key, value in tags.items())


@frozen
class Tags:
    """Tags of servers."""

    _session: Sender

    def list(self) -> Items[TagValues]:
        """Iterate over the keys of all tags of servers in the project, with their values.

        Raises:
            Refused: The service refused to list.

        API: CPH 5.8.1 (2025-02-08)
        """
        return items_by_offset(self._session, LIST, TagQuery())

    async def show(self, server: str) -> ServerTags:
        """Return the tags of one server.

        Args:
            server: Its id.

        Raises:
            NotFound: The server does not exist.

        API: CPH 5.8.2 (2025-02-08)
        """
        return await self._session.send(SHOW, ServerTagsRequest(server))

    def find(
        self,
        tags: Mapping[str, Iterable[str]] | None = None,
        name: str | None = None,
        *,
        untagged: bool = False,
    ) -> Items[TaggedServer]:
        """Iterate over the servers that have all of these tags.

        Args:
            tags: At most 10 keys, each with at most 10 values, any of which matches; no values match any.
            name: Exact name of the server.
            untagged: Select servers without any tag.

        Raises:
            Refused: The service refused the search.

        API: CPH 5.8.3 (2025-02-08)
        """
        query = FindTagged(
            tags=_tag_filters(tags or {}), matches=_name_filters(name), is_untagged=untagged or None
        )
        return items_by_offset(self._session, FIND, query)

    async def count(
        self,
        tags: Mapping[str, Iterable[str]] | None = None,
        name: str | None = None,
        *,
        untagged: bool = False,
    ) -> TaggedCount:
        """Count the servers that have all of these tags.

        Args:
            tags: At most 10 keys, each with at most 10 values, any of which matches; no values match any.
            name: Exact name of the server.
            untagged: Count servers without any tag.

        Raises:
            Refused: The service refused the search.

        API: CPH 5.8.3 (2025-02-08)
        """
        query = CountTagged(
            tags=_tag_filters(tags or {}), matches=_name_filters(name), is_untagged=untagged or None
        )
        return await self._session.send(COUNT, query)

    async def add(self, server: str, tags: Mapping[str, str]) -> Accepted:
        """Add tags to a server.

        Args:
            server: Its id.
            tags: Keys of at most 127 characters, which do not start with `_sys_`, and values of at most 255
                without a space at either end: letters of any language, digits, space, `_ . : = + - @`.
                The maximum number of tags of a server is not documented (CPS.0307).

        Raises:
            Refused: No tag was added.
            NoAnswer: No answer arrived; the tags may have been added.

        API: CPH 5.8.4 (2025-02-08)
        """
        return await self._session.send(ADD, AddTags(server, _tags(tags)))

    async def remove(self, server: str, tags: Mapping[str, str]) -> Accepted:
        """Remove tags from a server.

        Args:
            server: Its id.
            tags: Keys and values; the service requires the values too.

        Raises:
            Refused: No tag was removed.
            NoAnswer: No answer arrived; the tags may have been removed.

        API: CPH 5.8.5 (2025-02-08)
        """
        return await self._session.send(REMOVE, RemoveTags(server, _tags(tags)))
