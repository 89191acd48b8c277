"""Create tokens of IAM, and list the projects that CPH paths need."""

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
class PasswordIdentity:
    """The user that signs in."""

    user: User


@frozen
class Identity:
    """Method of signing in; the documents show only the password."""

    password: PasswordIdentity
    methods: tuple[str, ...] = field(default=("password",), validator=Listed(each=OneOf(("password",))))


@frozen
class ProjectName:
    """Name of a project, which is that of its region."""

    name: str = field(validator=Text(64))


@frozen
class Scope:
    """Scope of the token. Later calls refuse any scope but a project, with CPS.0001."""

    project: ProjectName


@frozen
class Auth:
    """Who signs in, and the scope of the token."""

    identity: Identity
    scope: Scope


@frozen
class CreateToken:
    """A request for a token."""

    auth: Auth

    @classmethod
    def of(cls, user: str, password: str, domain: str, project: str) -> CreateToken:
        """Build the nested body from its four values."""
        identity = PasswordIdentity(User(user, password, Domain(domain)))
        return cls(Auth(Identity(identity), Scope(ProjectName(project))))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@frozen
class TokenDetails:
    """Body of the answer. The token itself is in a header."""

    expires_at: datetime = field(metadata=wire("expires_at", as_text=_iso))
    methods: tuple[str, ...] = ()


@frozen
class Token:
    """A token and its expiry."""

    details: TokenDetails = field(metadata=wire("token"))
    value: str = field(repr=False, metadata=wire("X-Subject-Token", place="header"))
    """A secret: the response header `X-Subject-Token`, not part of the body."""

    @property
    def expires_at(self) -> datetime:
        """When the token expires: 24 hours after it was created."""
        return self.details.expires_at


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
    """Filter of the list of projects."""

    name: str | None = None


@frozen
class ProjectList:
    """All projects; there are no pages."""

    projects: tuple[Project, ...] = ()


@frozen
class AccessibleQuery:
    """No parameters: the credentials determine the projects."""


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
    """Create tokens for IAM users."""

    _session: Sender

    async def create(self, user: str, password: str, domain: str, project: str) -> Token:
        """Create a token for one project, valid for 24 hours or until 30 minutes after a password change.

        A session whose credentials are a `Password` does this by itself.

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
    """List the projects of the account."""

    _session: Sender

    async def list(self, name: str | None = None) -> ProjectList:
        """Return the projects of the account, with their ids.

        Args:
            name: Only the project of this name, such as `cn-north-4`.

        API: CPH 8.3 (2025-02-08)
        """
        return await self._session.send(LIST_PROJECTS, ProjectQuery(name))

    async def accessible(self) -> ProjectList:
        """Return the projects that the credentials have access to.

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
        """Create a client that sends through a session."""
        self.tokens: Tokens = Tokens(session)
        self.projects: Projects = Projects(session)
