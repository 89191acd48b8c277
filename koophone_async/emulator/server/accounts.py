"""Who may call: one account with a user, access keys, projects, and the tokens that were given out."""

from __future__ import annotations

import random
import string
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from koophone_async.credentials import AccessKey
from koophone_async.services.iam import Project, Token, TokenFacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TOKEN_LIFE: Final = timedelta(hours=24)


@frozen
class Account:
    """Names and secrets, all of them made up from the seed."""

    user: str
    password: str = field(repr=False)
    domain: str
    domain_id: str
    projects: tuple[Project, ...]
    """One a region, and named like it."""


@define(eq=False)
class Accounts:
    """The account, its keys and its tokens."""

    account: Account
    now: Callable[[], datetime] = field(repr=False)
    rng: random.Random = field(repr=False)
    access_key: AccessKey = field(init=False)
    """A permanent one."""

    _keys: dict[str, AccessKey] = field(factory=dict[str, AccessKey], init=False, repr=False)
    _tokens: dict[str, datetime] = field(factory=dict[str, datetime], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make the permanent key."""
        project = self.account.projects[0]
        self.access_key = self._add(
            AccessKey(*self._pair(), project_id=project.id, domain_id=self.account.domain_id)
        )

    @classmethod
    def of(cls, seed: int, regions: Iterable[str], now: Callable[[], datetime]) -> Accounts:
        """Make up an account."""
        rng = random.Random(f"{seed}/accounts")  # noqa: S311 - made up, so that a seed gives the same ones
        domain_id = rng.randbytes(16).hex()
        projects = tuple(
            Project(
                rng.randbytes(16).hex(), region, domain_id, domain_id, "", is_domain=False, is_enabled=True
            )
            for region in regions
        )
        return cls(Account("emulator", rng.randbytes(12).hex(), "emulated", domain_id, projects), now, rng)

    def _pair(self) -> tuple[str, str]:
        letters = string.ascii_uppercase + string.digits
        return "".join(self.rng.choices(letters, k=20)), "".join(self.rng.choices(string.ascii_letters, k=40))

    def _add(self, key: AccessKey) -> AccessKey:
        self._keys[key.access_key] = key
        return key

    def temporary_key(self, seconds: float) -> AccessKey:
        """Give out a temporary key with its security token."""
        ends = self.now() + timedelta(seconds=seconds)
        return self._add(AccessKey(*self._pair(), self.rng.randbytes(64).hex(), expires_at=ends))

    def key(self, access_key: str) -> AccessKey | None:
        """Find an access key."""
        return self._keys.get(access_key)

    def sign_in(self, user: str, password: str, domain: str, project: str) -> Token | None:
        """Give out a token for 24 hours; None where anything about the user is wrong."""
        account = self.account
        if (user, password, domain) != (account.user, account.password, account.domain):
            return None
        if project not in (one.name for one in account.projects):
            return None
        ends = (self.now() + TOKEN_LIFE).astimezone(UTC)
        token = Token(TokenFacts(ends, ("password",)), "MII" + self.rng.randbytes(96).hex())
        self._tokens[token.value] = ends
        return token

    def accepts(self, token: str) -> bool:
        """Whether a token was given out and has not ended."""
        return token in self._tokens and self.now() < self._tokens[token]

    def end(self, token: str) -> None:
        """Let a token end before its time."""
        self._tokens.pop(token, None)

    def end_all(self) -> None:
        """Let all tokens end, as they do when the user's password changes."""
        self._tokens.clear()
