"""IAM: tokens, and the projects that a CPH path needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from attrs import field, frozen

from koophone_async.checks import Listed, OneOf, Text
from koophone_async.operation import Operation, Sender
from koophone_async.wire import wire


@frozen
class Domain:
    """An account."""

    name: str = field(validator=Text(128))


@frozen
class User:
    """An IAM user and their password."""

    name: str = field(validator=Text(128))
    password: str = field(repr=False, validator=Text(256))
    domain: Domain


@frozen
class PasswordProof:
    """Who signs in."""

    user: User


@frozen
class Identity:
    """How somebody signs in; the documents show the password only."""

    password: PasswordProof
    methods: tuple[str, ...] = field(default=("password",), validator=Listed(each=OneOf(("password",))))


@frozen
class ProjectName:
    """A project, which is named like its region."""

    name: str = field(validator=Text(64))


@frozen
class Scope:
    """What the token is good for. Anything but a project is refused later with CPS.0001."""

    project: ProjectName


@frozen
class Auth:
    """Who signs in, for what."""

    identity: Identity
    scope: Scope


@frozen
class CreateToken:
    """A request for a token."""

    auth: Auth

    @classmethod
    def of(cls, user: str, password: str, domain: str, project: str) -> CreateToken:
        """Build the nested body from its four values."""
        proof = PasswordProof(User(user, password, Domain(domain)))
        return cls(Auth(Identity(proof), Scope(ProjectName(project))))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@frozen
class TokenFacts:
    """What the body tells of a token. The token itself comes in a header."""

    expires_at: datetime = field(metadata=wire("expires_at", as_text=_iso))
    methods: tuple[str, ...] = ()


@frozen
class Token:
    """A token and when it ends."""

    facts: TokenFacts = field(metadata=wire("token"))
    value: str = field(repr=False, metadata=wire("X-Subject-Token", place="header"))
    """A secret: the response header `X-Subject-Token`, not part of the body."""

    @property
    def expires_at(self) -> datetime:
        """When it ends: 24 hours after it was made."""
        return self.facts.expires_at


@frozen
class Project:
    """A project of the account."""

    id: str
    """The `project_id` of all CPH paths."""

    name: str
    """Named like the region, such as `cn-north-4`."""

    domain_id: str | None = None
    parent_id: str | None = None
    description: str | None = None
    is_domain: bool | None = None
    is_enabled: bool | None = field(default=None, metadata=wire("enabled"))


@frozen
class ProjectQuery:
    """Which projects to list."""

    name: str | None = None


@frozen
class ProjectList:
    """All projects at once."""

    projects: tuple[Project, ...] = ()


@frozen
class AccessibleQuery:
    """Nothing to say: the token decides."""


CREATE_TOKEN: Final = Operation(
    "iam.tokens.create", "POST", "/v3/auth/tokens",
    CreateToken, Token, source="KooPhone 3.2 (2025-12-31)", repeatable=True, success=201, anonymous=True,
)  # fmt: skip

LIST_PROJECTS: Final = Operation(
    "iam.projects.list", "GET", "/v3/projects",
    ProjectQuery, ProjectList, source="CPH 8.3 (2025-02-08)", repeatable=True,
)  # fmt: skip

# The CPH documents print POST on this path, a misprint: KooPhone has GET.
LIST_ACCESSIBLE: Final = Operation(
    "iam.projects.accessible", "GET", "/v3/auth/projects",
    AccessibleQuery, ProjectList, source="KooPhone 3.2 (2025-12-31)", repeatable=True,
)  # fmt: skip


@frozen
class Tokens:
    """Tokens of IAM users."""

    _session: Sender

    async def create(self, user: str, password: str, domain: str, project: str) -> Token:
        """Get a token for one project. It lasts 24 hours, or 30 minutes after its credentials change.

        The session does this by itself where its credentials are a `Password`.

        Args:
            user: The IAM user.
            password: Their password.
            domain: The account that the user belongs to.
            project: The project's name, which is the region's, such as `cn-north-4`.

        Raises:
            AuthenticationFailed: User, password, account or project is wrong.

        API: KooPhone 3.2 (2025-12-31)
        """
        return await self._session.send(CREATE_TOKEN, CreateToken.of(user, password, domain, project))


@frozen
class Projects:
    """The account's projects."""

    _session: Sender

    async def list(self, name: str | None = None) -> ProjectList:
        """List the projects of the account, to find a project id.

        Args:
            name: Only the project of this name, such as `cn-north-4`.

        API: CPH 8.3 (2025-02-08)
        """
        return await self._session.send(LIST_PROJECTS, ProjectQuery(name))

    async def accessible(self) -> ProjectList:
        """List the projects that these credentials may see.

        API: KooPhone 3.2 (2025-12-31)
        """
        return await self._session.send(LIST_ACCESSIBLE, AccessibleQuery())


class Iam:
    """Client of IAM, as far as cloud phones need it.

    Attributes:
        projects: List the projects of the account.
        tokens: Create tokens for IAM users.
    """

    def __init__(self, session: Sender) -> None:
        """Speak to IAM through a session."""
        self.tokens = Tokens(session)
        self.projects = Projects(session)
