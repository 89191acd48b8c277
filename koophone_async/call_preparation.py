"""Prepare a call: check its request, and place the fields in a URL and a body."""

from __future__ import annotations

from functools import lru_cache
from secrets import token_hex
from typing import TYPE_CHECKING
from urllib.parse import unquote

from yarl import URL

from koophone_async import wire
from koophone_async.call import Call, SendTracker
from koophone_async.characters import HEADER, REGION
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.protocol.signing import target

if TYPE_CHECKING:
    from collections.abc import Collection

    from koophone_async.operation import Answer, AnyOperation, Operation, Request
    from koophone_async.wire import Edition


def check_batch(operation: AnyOperation, request: object) -> None:
    """Raise `InvalidRequest` if a request has more ids than one call may have."""
    batch = operation.batch
    if batch is not None:
        count = len(getattr(request, batch.field))
        if count > batch.max:
            problem = f"has {count:,} items; a call may have at most {batch.max:,} (a fleet has no maximum)"
            raise InvalidRequest(operation.name, batch.field, problem, Rule.TOO_MANY, batch.max)


@lru_cache(maxsize=64)
def check_scope(region: str | None, project_id: str | None) -> None:
    """Raise `InvalidRequest` if a region or project contains characters that cannot be sent.

    Cached, because every call checks those of its session.
    """
    if region:
        REGION.check("region", region)
    if project_id:
        HEADER.check("project_id", project_id)


def request_id_of(request: object) -> str:
    """Return the request id that a request states, else a new one.

    Raises:
        InvalidRequest: It contains characters that no header may contain.
    """
    stated = getattr(request, "request_id", None)
    if not stated:
        return token_hex(16)
    HEADER.check("request_id", stated)
    return str(stated)


def prepare(  # noqa: PLR0913 - all but three are named
    operation: Operation[Request, Answer],
    request: Request,
    origin: URL,
    *,
    request_id: str,
    edition: Edition,
    tracker: SendTracker,
    project_id: str | None,
) -> Call[Answer]:
    """Return the call of an operation at the address of its service.

    Raises:
        InvalidRequest: A value of the request is wrong.
    """
    try:
        encoded = wire.encode_request(operation, request, project_id=project_id)
        url = URL(f"{origin}{target(encoded.path, encoded.query)}", encoded=True)
    except UnicodeEncodeError:
        raise wire.not_encodable(operation, request) from None
    ids = _ids(operation, request, encoded.path) if operation.answer_ids else ()
    return Call(operation, encoded, request_id, edition, tracker, url, project_id, ids)


def _ids(operation: AnyOperation, request: object, path: str) -> Collection[str]:
    if operation.batch is not None:
        return frozenset(getattr(request, operation.batch.field))
    return frozenset(map(unquote, path.split("/")))
