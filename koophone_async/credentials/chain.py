"""Providers of credentials: functions of the user with checks, and the chain of places."""

from __future__ import annotations

import asyncio
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, Protocol, cast

from attrs import define, frozen

from koophone_async.credentials.environment import VARIABLES, Environment
from koophone_async.credentials.errors import UnreadableDefault
from koophone_async.credentials.keys import AccessKey, Credentials, Password
from koophone_async.errors import InvalidRequest, KooPhoneError, NotConnected, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping


class Provider(Protocol):
    """Looks for credentials in one place. `str(provider)` names the place."""

    async def __call__(self) -> Credentials | None:
        """Return the credentials, or None if there are none.

        Raises:
            InvalidRequest: There are some, but they are invalid or incomplete.
        """
        ...


_NOT_ASYNC: Final = object()


def _name(provider: object) -> str:
    return str(getattr(provider, "__qualname__", provider))


@frozen
class CheckedProvider:
    """A provider, which may be any callable of the user; its failures and wrong answers are clear errors."""

    provider: Provider

    def __str__(self) -> str:
        """Return the name of the place."""
        return _name(self.provider)

    async def __call__(self) -> Credentials | None:
        """Return the credentials, or None if there are none.

        Raises:
            KooPhoneError: As raised by the provider.
            NotConnected: The provider failed to reach the place: its OSError or TimeoutError is the cause.
            InvalidRequest: It failed in another way, is not async, or returned something else.
        """
        try:
            answer = cast("object", self.provider())
            found = cast("object", await answer) if isawaitable(answer) else _NOT_ASYNC
        except KooPhoneError:
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise InvalidRequest("", "credentials", f"{self} was cancelled from within") from None
        except OSError as error:  # a TimeoutError is one too
            raise NotConnected("credentials", f"{self} raised {type(error).__name__}") from error
        except Exception as error:
            # Its text is not repeated: it may quote what the provider read.
            raise InvalidRequest("", "credentials", f"{self} raised {type(error).__name__}") from error
        if found is None or isinstance(found, AccessKey | Password):
            return found
        if found is _NOT_ASYNC:
            raise InvalidRequest("", "credentials", f"{self} must be an async function")
        problem = f"{self} returned {type(found).__name__}; it must return an AccessKey, a Password or None"
        raise InvalidRequest("", "credentials", problem, Rule.WRONG_TYPE)


def source_of(credentials: object) -> Credentials | CheckedProvider:
    """Return credentials as they are, and a provider with checks.

    Raises:
        InvalidRequest: It is neither.
    """
    if isinstance(credentials, AccessKey | Password):
        return credentials
    if not callable(credentials) or isinstance(credentials, type):
        shown = credentials.__name__ if isinstance(credentials, type) else type(credentials).__name__
        problem = f"is {shown}; it must be an AccessKey, a Password or an async function that returns one"
        raise InvalidRequest("", "credentials", problem, Rule.WRONG_TYPE)
    return CheckedProvider(cast("Provider", credentials))


@define(eq=False, init=False)
class Chain:
    """Tries providers one after the other; next time it begins with the one that succeeded.

    A provider without credentials lets the next one try. One with invalid or incomplete credentials ends the
    search, and its error says why.
    """

    providers: tuple[Provider, ...]

    def __init__(self, *providers: Provider) -> None:
        self.providers = providers

    def __str__(self) -> str:
        """Return the names of all places."""
        return "; ".join(map(_name, self.providers))

    async def __call__(self) -> Credentials:
        """Return the first credentials found.

        Raises:
            InvalidRequest: There are none, or some are invalid or incomplete.
        """
        unreadable = {}
        for provider in self.providers:
            try:
                credentials = await CheckedProvider(provider)()
            except UnreadableDefault as error:
                unreadable[_name(provider)] = error.problem
                continue
            if credentials is not None:
                others = (other for other in self.providers if other is not provider)
                self.providers = (provider, *others)
                return credentials
        names = map(_name, self.providers)
        places = "; ".join(
            f"{name}, which {unreadable[name]}" if name in unreadable else name for name in names
        )
        advice = f"Set {' and '.join(VARIABLES[:2])}, or write ak and sk below [basic] in the file"
        raise InvalidRequest("", "credentials", f"not found in {places}. {advice}")


def default_chain(environ: Mapping[str, str] | None = None) -> Chain:
    """Return the default chain: environment, profile file, metadata service."""
    from koophone_async.credentials.metadata import Metadata  # noqa: PLC0415 - only the default chain needs it
    from koophone_async.credentials.profile_file import ProfileFile  # noqa: PLC0415 - as above

    return Chain(Environment(environ), ProfileFile(environ=environ), Metadata())
