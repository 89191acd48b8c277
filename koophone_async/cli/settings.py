"""Settings of a command: options before the environment, the environment before a profile."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import typer
from attrs import field, frozen

from koophone_async.cli.errors import NoCredentials, print_stderr
from koophone_async.credentials import Chain, Credentials, Password, ProfileFile, default_chain
from koophone_async.errors import InvalidRequest
from koophone_async.session import Session

PROJECT: Final = "HUAWEICLOUD_SDK_PROJECT_ID"
PROFILE: Final = "KOOPHONE_PROFILE"
IAM_ENDPOINT: Final = "HUAWEICLOUD_SDK_IAM_ENDPOINT"
_KEY: Final = ("HUAWEICLOUD_SDK_AK", "HUAWEICLOUD_SDK_SK")
_OF_THE_KEY: Final = (*_KEY, "HUAWEICLOUD_SDK_SECURITY_TOKEN", "HUAWEICLOUD_SDK_DOMAIN_ID", PROJECT)
"""Variables that belong to the account of the key in the environment."""


@frozen
class Setting:
    """A setting in effect, and where it is from."""

    value: str | None
    source: str


UNKNOWN_PROJECT: Final = Setting(None, "looked up by the name of the region")


@frozen
class Account:
    """The credentials in effect, and the settings that depend on them."""

    credentials: Credentials
    chain: Chain
    """Where they are looked up again when they expire."""

    project: Setting
    environ: Mapping[str, str] = field(repr=False)
    """The environment of the session that uses them."""

    profile: str | None = None
    """The profile that an option or a variable names, if the credentials are from it."""

    conflict: str | None = None
    """What is set but not used, because something else goes first."""

    @property
    def source(self) -> str:
        """The place of the credentials."""
        return str(self.chain.providers[0])  # a chain moves the provider that had credentials to the front

    def __str__(self) -> str:
        """Identify the account without secrets."""
        domain = getattr(self.credentials, "domain_id", None) or getattr(self.credentials, "domain", None)
        known = {"profile": self.profile, "account": domain, "project": self.project.value}
        details = ", ".join(f"{name} {value}" for name, value in known.items() if value)
        return describe(self.credentials) + (f" ({details})" if details else "")


@frozen
class Settings:
    """Source of credentials, region, edition and endpoints."""

    environ: Mapping[str, str] = field(repr=False)
    overridden: frozenset[str] = frozenset()
    """Variables set by a command-line option."""

    @classmethod
    def of(cls, environ: Mapping[str, str], **options: str | None) -> Settings:
        """Return the environment overridden by options, which are named like its variables."""
        overridden = {name: value for name, value in options.items() if value is not None}
        return cls(dict(environ) | overridden, frozenset(overridden))

    @property
    def chain(self) -> Chain:
        """Providers of credentials: only the profile, if an option names one."""
        if self._explicit_profile:
            return Chain(ProfileFile(environ=self.environ))
        return default_chain(self.environ)

    @property
    def profile(self) -> str | None:
        """The profile that an option or the environment names."""
        return self.environ.get(PROFILE) or None

    @property
    def _explicit_profile(self) -> str | None:
        return self.environ[PROFILE] or None if PROFILE in self.overridden else None

    async def account(self) -> Account:
        """Resolve the credentials.

        Raises:
            NoCredentials: No valid credentials were found.
        """
        chain = self.chain
        found = await credentials(chain)
        environ = self._environ_of(found)
        if project := environ.get(PROJECT):
            setting = Setting(project, self.source(PROJECT, "default"))
        elif project := getattr(found, "project_id", None):
            setting = Setting(project, str(chain.providers[0]))
        else:
            setting = UNKNOWN_PROJECT
        named = self.profile
        profile = named if isinstance(chain.providers[0], ProfileFile) else None
        return Account(found, chain, setting, environ, profile, self._conflict(named, profile, environ))

    def _conflict(self, named: str | None, used: str | None, environ: Mapping[str, str]) -> str | None:
        if named and not used:
            return f"{PROFILE}={named} is ignored, because {_KEY[0]} is set; --profile {named} uses it"
        ignored = [name for name in (_KEY[0], PROJECT) if self.environ.get(name) and name not in environ]
        if not ignored:
            return None
        be = "is" if len(ignored) == 1 else "are"
        return f"--profile {named} is used; {' and '.join(ignored)} in the environment {be} ignored"

    def _environ_of(self, found: Credentials) -> Mapping[str, str]:
        """Return the environment without what belongs to another account than that of the credentials."""
        environ, iam = dict(self.environ), getattr(found, "iam_endpoint", None)
        if self._explicit_profile:
            if environ.get(_KEY[0]) or getattr(found, "project_id", None):
                for name in _OF_THE_KEY:
                    if name not in self.overridden:
                        environ.pop(name, None)
            if iam:
                environ[IAM_ENDPOINT] = iam
        elif iam and not environ.get(IAM_ENDPOINT):
            environ[IAM_ENDPOINT] = iam
        return environ

    def source(self, variable: str, default: str) -> str:
        """Return where the value of a variable is from."""
        if variable in self.overridden:
            return "command-line option"
        return f"environment {variable}" if self.environ.get(variable) else default

    @asynccontextmanager
    async def session(self, *, anonymous: bool = False) -> AsyncGenerator[Session]:
        """Open a session, after resolving the credentials.

        Raises:
            NoCredentials: No valid credentials were found.
            InvalidRequest: An endpoint or the edition is malformed.
        """
        if anonymous:
            chain, environ = self.chain, self.environ
        else:
            account = await self.account()
            if account.conflict:
                print_stderr(f"koophone: {account.conflict}")
            chain, environ = account.chain, account.environ
        async with Session(chain, environ=environ) as session:
            yield session


def describe(used: Credentials) -> str:
    """Identify credentials without their secrets."""
    if isinstance(used, Password):
        return f"password of {used.user}"
    return f"{'temporary' if used.security_token else 'permanent'} access key {used.access_key[:4]}…"


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
    """Return the settings of the running command; `context.obj` has the global options."""
    options: dict[str, Any] = context.find_root().obj
    return Settings.of(os.environ, **options)
