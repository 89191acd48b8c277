"""Operations: everything about a documented request, stated once.

Session, batches, polling, emulator, command line and documentation read these constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeVar

import attrs
from attrs import frozen
from attrs.validators import gt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from yarl import URL

    from koophone_async.call import SendTracker
    from koophone_async.polling import PollScheduler
    from koophone_async.wire import Edition

Request = TypeVar("Request")
Answer = TypeVar("Answer")

UNSTATED: Final = 100
"""The maximum of ids in a call where no document states one: the maximum of most other calls."""


@frozen
class Quota:
    """At most `permits` calls in any window of `seconds`, for one user of the service."""

    permits: int = attrs.field(validator=gt(0))
    seconds: float = attrs.field(validator=gt(0))

    @property
    def counts_from_answer(self) -> bool:
        """Whether a call counts from when its answer arrives, instead of from when it is sent.

        The service counts a request when it arrives, which is somewhere in between. For windows of a minute,
        counting from the answer costs nothing and is never too early. For windows of a second it would cost
        throughput; there a call counts from sending, and a margin is added to the window.
        """
        return self.seconds >= 10


@frozen
class Batch:
    """Which field of the request lists the ids, and how many a call may have."""

    field: str
    max: int = attrs.field(validator=gt(0))
    one_region: bool = False
    """Whether all ids of a call must be in one region (KOOPHONE.API.1002)."""


def _service_of(operation: AnyOperation) -> str:
    return operation.name.partition(".")[0]


@frozen
class Operation(Generic[Request, Answer]):
    """One documented request.

    `name` is `service.resource.method`, and identifies the operation as constant, method, command and
    catalogue entry. Fields of `request` that appear in the path go into the path, those of GET and DELETE
    into the query, and all others into the JSON body, unless the field's metadata says otherwise.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    request: type[Request]
    answer: type[Answer]
    source: str = attrs.field(kw_only=True)
    """Document, section and date, as in the docstring of the method."""

    repeatable: bool = attrs.field(kw_only=True)
    """Whether executing it twice has the same effect as once; judged by a person for each write."""

    order: bool = attrs.field(default=False, kw_only=True)
    """Whether it costs money. Orders are never retried."""

    anonymous: bool = attrs.field(default=False, kw_only=True)
    """Whether it is sent without credentials. Only the request for a token is."""

    batch: Batch | None = attrs.field(default=None, kw_only=True)
    answer_ids: Callable[[Answer], Iterable[str | None]] | None = attrs.field(default=None, kw_only=True)
    """The ids that an answer is about, where it names them. They must be ids of the request: those of
    `batch`, else those in the path. An answer that names only others belongs to another request.
    """

    quotas: tuple[Quota, ...] = attrs.field(default=(), kw_only=True)
    success: int = attrs.field(default=200, kw_only=True)
    """The HTTP status of a success; the emulator sends it, the client accepts any 2xx."""

    service: str = attrs.field(default=attrs.Factory(_service_of, takes_self=True), init=False, repr=False)
    """The first part of the name: `koophone`, `cph`, `iam`."""


AnyOperation = Operation[Any, Any]


class Sender(Protocol):
    """What services and fleets need of a session, which may be bound to an edition, region and project."""

    @property
    def edition(self) -> Edition:
        """The edition whose states answers use."""
        ...

    @property
    def poll_scheduler(self) -> PollScheduler:
        """The scheduler that polls jobs for all clients of the session."""
        ...

    def now(self) -> datetime:
        """Return the time of the wall clock."""
        ...

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Return the minimum seconds that this many calls take under the quotas."""
        ...

    def bind(
        self,
        *,
        edition: Edition | str | None = None,
        region: str | None = None,
        project_id: str | None = None,
    ) -> Sender:
        """Return a sender for all calls of one client."""
        ...

    def origin(self, service: str) -> URL:
        """Return the address of a service, or raise `InvalidRequest` if it is unknown."""
        ...

    async def project_id(self) -> str:
        """Return the id of the project that calls are made in."""
        ...

    async def send(
        self, operation: Operation[Request, Answer], request: Request, *, tracker: SendTracker | None = None
    ) -> Answer:
        """Send a request and return its answer.

        Args:
            operation: The operation to call.
            request: An instance of its request class.
            tracker: Records whether the request was sent, for callers that may be cancelled.

        Raises:
            KooPhoneError: There is no answer, or it is an error.
        """
        ...
