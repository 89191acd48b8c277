"""Tokens and projects."""

from __future__ import annotations

from attrs import frozen

from koophone_async.emulator.server.accounts import Accounts
from koophone_async.emulator.server.errors import unauthorized
from koophone_async.emulator.server.ledger import Ledger
from koophone_async.emulator.server.routing import serves
from koophone_async.services import iam


@frozen
class Iam:
    """Issues tokens, and lists the projects of the account."""

    accounts: Accounts
    ledger: Ledger

    @serves(iam.CREATE_TOKEN, counted=False)
    async def token(self, request: iam.CreateToken) -> iam.Token:
        """Issue a token."""
        user, project = request.auth.identity.password.user, request.auth.scope.project
        token = self.accounts.create_token(user.name, user.password, user.domain.name, project.name)
        if token is None:
            raise unauthorized()
        self.ledger.executed(iam.CREATE_TOKEN.name, [user.name])
        return token

    @serves(iam.LIST_PROJECTS)
    async def projects(self, request: iam.ProjectQuery) -> iam.ProjectList:
        """List the projects, or the one with a name."""
        return iam.ProjectList(
            tuple(one for one in self.accounts.account.projects if request.name in (None, one.name))
        )

    @serves(iam.LIST_ACCESSIBLE)
    async def accessible(self, request: iam.AccessibleQuery) -> iam.ProjectList:
        """List the projects, to all of which the user has access."""
        del request
        return iam.ProjectList(self.accounts.account.projects)
