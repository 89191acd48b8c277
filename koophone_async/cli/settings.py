"""What holds for the whole command: the environment, with what the options say instead of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import typer
from attrs import field, frozen

from koophone_async.cli.errors import NoCredentials
from koophone_async.credentials import Chain, Credentials, default_chain
from koophone_async.errors import InvalidRequest
from koophone_async.session import Session


@frozen
class Settings:
    """Where credentials, region, edition and endpoints come from."""

    environ: Mapping[str, str] = field(repr=False)
    given: frozenset[str] = frozenset()
    """The variables that an option of the command line has set."""

    @classmethod
    def of(cls, environ: Mapping[str, str], **options: str | None) -> Settings:
        """Put options over the environment, by the names of its variables."""
        return cls(environ).over(**options)

    def over(self, **options: str | None) -> Settings:
        """Put more options over what holds so far."""
        given = {name: value for name, value in options.items() if value is not None}
        return Settings(dict(self.environ) | given, self.given | given.keys())

    @property
    def chain(self) -> Chain:
        """Where credentials are looked for."""
        return default_chain(self.environ)

    @asynccontextmanager
    async def session(self, *, anonymous: bool = False) -> AsyncGenerator[Session]:
        """Open a session, and look for credentials before anything else is done.

        Raises:
            NoCredentials: There are none.
            InvalidRequest: An endpoint or the edition is wrong as written.
        """
        chain = self.chain
        async with Session(chain, environ=self.environ) as session:
            if not anonymous:
                await credentials(chain)
            yield session


async def credentials(chain: Chain) -> Credentials:
    """Look for credentials.

    Raises:
        NoCredentials: There are none, or what was found is wrong as written.
    """
    try:
        return await chain()
    except InvalidRequest as error:
        raise NoCredentials(error.operation, error.field, error.problem) from None


def settings(context: typer.Context) -> Settings:
    """Give the settings of the command that runs."""
    found: Settings = context.find_root().obj
    return found
