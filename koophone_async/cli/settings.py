"""Settings of a command: the environment, overridden by global options."""

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
    """Source of credentials, region, edition and endpoints."""

    environ: Mapping[str, str] = field(repr=False)
    overridden: frozenset[str] = frozenset()
    """Variables set by a command-line option."""

    @classmethod
    def of(cls, environ: Mapping[str, str], **options: str | None) -> Settings:
        """Return the environment overridden by options, which are named like its variables."""
        return cls(environ).override(**options)

    def override(self, **options: str | None) -> Settings:
        """Return the settings overridden by further options."""
        overridden = {name: value for name, value in options.items() if value is not None}
        return Settings(dict(self.environ) | overridden, self.overridden | overridden.keys())

    @property
    def chain(self) -> Chain:
        """Providers of credentials."""
        return default_chain(self.environ)

    @asynccontextmanager
    async def session(self, *, anonymous: bool = False) -> AsyncGenerator[Session]:
        """Open a session, after resolving the credentials.

        Raises:
            NoCredentials: No valid credentials were found.
            InvalidRequest: An endpoint or the edition is malformed.
        """
        chain = self.chain
        async with Session(chain, environ=self.environ) as session:
            if not anonymous:
                await credentials(chain)
            yield session


async def credentials(chain: Chain) -> Credentials:
    """Resolve the credentials.

    Raises:
        NoCredentials: No credentials were found, or those found are malformed.
    """
    try:
        return await chain()
    except InvalidRequest as error:
        raise NoCredentials(error.operation, error.field, error.problem) from None


def current_settings(context: typer.Context) -> Settings:
    """Return the settings of the running command."""
    current: Settings = context.find_root().obj
    return current
