"""The emulated account: its user, projects, access keys and tokens."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from attrs import define, field, frozen

from koophone_async.credentials import AccessKey
from koophone_async.services.iam import Project, Token, TokenDetails

TOKEN_LIFETIME: Final = timedelta(hours=24)


@frozen
class Account:
    """Names and secrets, all of them generated, from the seed if there is one."""

    user: str
    password: str = field(repr=False)
    domain: str
    domain_id: str
    projects: tuple[Project, ...]
    """One for each region, with the region's name."""


@define(eq=False)
class Accounts:
    """The account with its access keys and tokens."""

    account: Account
    now: Callable[[], datetime] = field(repr=False)
    rng: random.Random = field(repr=False)
    access_key: AccessKey = field(init=False)
    """The permanent one."""

    _keys: dict[str, AccessKey] = field(factory=dict[str, AccessKey], init=False, repr=False)
    _tokens: dict[str, datetime] = field(factory=dict[str, datetime], init=False, repr=False)
    """Expiry times, by token."""

    def __attrs_post_init__(self) -> None:
        """Generate the permanent access key."""
        project = self.account.projects[0]
        self.access_key = self._add(
            AccessKey(*self._generate_pair(), project_id=project.id, domain_id=self.account.domain_id)
        )

    @classmethod
    def generate(cls, seed: int | None, regions: Iterable[str], now: Callable[[], datetime]) -> Accounts:
        """Generate an account from a seed; without one, its secrets cannot be guessed."""
        # The same seed must generate the same secrets.
        rng = random.SystemRandom() if seed is None else random.Random(f"{seed}/accounts")  # noqa: S311
        domain_id = rng.randbytes(16).hex()
        projects = tuple(
            Project(
                rng.randbytes(16).hex(), region, domain_id, domain_id, "", is_domain=False, is_enabled=True
            )
            for region in regions
        )
        return cls(Account("emulator", rng.randbytes(12).hex(), "emulated", domain_id, projects), now, rng)

    def _generate_pair(self) -> tuple[str, str]:
        letters = string.ascii_uppercase + string.digits
        return "".join(self.rng.choices(letters, k=20)), "".join(self.rng.choices(string.ascii_letters, k=40))

    def _add(self, key: AccessKey) -> AccessKey:
        self._keys[key.access_key] = key
        return key

    def temporary_key(self, seconds: float) -> AccessKey:
        """Create a temporary access key with its security token."""
        expires_at = self.now() + timedelta(seconds=seconds)
        pair, security_token = self._generate_pair(), self.rng.randbytes(64).hex()
        return self._add(AccessKey(*pair, security_token, expires_at=expires_at))

    def key(self, access_key: str) -> AccessKey | None:
        """Return the access key with this id, if there is one."""
        return self._keys.get(access_key)

    def create_token(self, user: str, password: str, domain: str, project: str) -> Token | None:
        """Create a token that is valid for 24 hours; return None if any of the arguments is wrong."""
        account = self.account
        if (user, password, domain) != (account.user, account.password, account.domain):
            return None
        if project not in (one.name for one in account.projects):
            return None
        expires_at = (self.now() + TOKEN_LIFETIME).astimezone(UTC)
        token = Token(TokenDetails(expires_at, ("password",)), "MII" + self.rng.randbytes(96).hex())
        self._tokens[token.value] = expires_at
        return token

    def is_valid(self, token: str) -> bool:
        """Whether a token was issued and has neither expired nor been revoked."""
        return token in self._tokens and self.now() < self._tokens[token]

    def revoke(self, token: str) -> None:
        """Make a token invalid before it expires."""
        self._tokens.pop(token, None)

    def revoke_all(self) -> None:
        """Revoke all tokens, as a change of the user's password does."""
        self._tokens.clear()
