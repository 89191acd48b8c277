"""What one operation of the service is, said once.

Session, batches, awaiter, emulator, command line and documentation read these constants.
"""

from __future__ import annotations

from typing import Any, Final, Generic, Literal, Protocol, TypeVar

import attrs
from attrs import frozen
from attrs.validators import gt

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


class Sender(Protocol):
    """What carries a request to the service and its answer back."""

    async def send(self, operation: Operation[Request, Answer], request: Request) -> Answer:
        """Send one request and read its answer, or raise a `KooPhoneError`."""
        ...


AnyOperation = Operation[Any, Any]
