"""What one operation of the service is, said once.

Session, batches, awaiter, emulator, command line and documentation read these constants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Protocol, TypeVar

import attrs
from attrs import frozen
from attrs.validators import gt

if TYPE_CHECKING:
    from datetime import datetime

    from yarl import URL

    from koophone_async.call import SendTracker
    from koophone_async.polling import PollScheduler
    from koophone_async.wire import Edition

Request = TypeVar("Request")
Answer = TypeVar("Answer")

UNSTATED: Final = 100
"""The most ids of a call where no document states a maximum: that of the calls which have one."""


@frozen
class Quota:
    """At most `permits` calls in any window of `seconds`, for one user of the service."""

    permits: int = attrs.field(validator=gt(0))
    seconds: float = attrs.field(validator=gt(0))

    @property
    def counts_from_answer(self) -> bool:
        """Whether a permit's window starts when its answer is back, not when it is granted.

        The service counts when a request arrives, which may be later than the grant by any network delay. For
        windows of a minute a late start costs nothing and rules that error out; for windows of
        a second it would cost throughput, and a margin is enough.
        """
        return self.seconds >= 10


@frozen
class Batch:
    """Which field of the request is the list, and how many items the service takes at once."""

    field: str
    max: int = attrs.field(validator=gt(0))
    one_region: bool = False
    """Whether all ids of one call must be of one region (KOOPHONE.API.1002)."""


@frozen
class Operation(Generic[Request, Answer]):
    """One documented request.

    `name` is `service.resource.method` and serves four places: the constant, the method, the
    command line and the catalogue. Fields of `request` that the path names go into the path;
    those of GET and DELETE into the query; all others into the JSON body, unless the field
    says otherwise.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    request: type[Request]
    answer: type[Answer]
    source: str = attrs.field(kw_only=True)
    """Document, section and date, as the docstring of the method gives it."""

    repeatable: bool = attrs.field(kw_only=True)
    """Whether doing it twice is the same as doing it once; for each write a person's judgement."""

    order: bool = attrs.field(default=False, kw_only=True)
    """Whether it costs money. An order is never sent again by any rule."""

    anonymous: bool = attrs.field(default=False, kw_only=True)
    """Whether it is sent without credentials, which only the request for a token is."""

    batch: Batch | None = attrs.field(default=None, kw_only=True)
    quotas: tuple[Quota, ...] = attrs.field(default=(), kw_only=True)
    success: int = attrs.field(default=200, kw_only=True)
    """The status of a success; the emulator answers with it, the client takes any 2xx."""

    @property
    def service(self) -> str:
        """The first part of the name: `koophone`, `cph`, `iam`."""
        return self.name.partition(".")[0]


AnyOperation = Operation[Any, Any]


class Sender(Protocol):
    """What services, fleets and waits need of a session; it may be bound to an edition, region and project."""

    @property
    def edition(self) -> Edition:
        """The edition in whose words states are read."""
        ...

    @property
    def poll_scheduler(self) -> PollScheduler:
        """The scheduler that polls jobs for all clients of the session."""
        ...

    def now(self) -> datetime:
        """Return the time of the wall clock."""
        ...

    def estimate(self, operation: AnyOperation, calls: int) -> float:
        """Return the least seconds that the quotas leave for this many calls."""
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
        """Return the address of a service; raises `InvalidRequest` where it is not known."""
        ...

    async def project_id(self) -> str:
        """Return the id of the project that calls are made in."""
        ...

    async def send(
        self, operation: Operation[Request, Answer], request: Request, *, tracker: SendTracker | None = None
    ) -> Answer:
        """Send one request and read its answer.

        Args:
            operation: The constant that states how.
            request: An instance of its request class.
            tracker: Records whether the request was sent, for callers that may be cancelled.

        Raises:
            KooPhoneError: There is no answer, or it is a refusal.
        """
        ...
