"""Steps whose jobs the servers of phones run one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koophone_async.rollouts.plans.verbs import verbs_of

if TYPE_CHECKING:
    from koophone_async.rollouts.plans.plan import Plan

_ADB: Final = "cph.commands."
"""Operations whose jobs a server runs one after the other."""


def needs_servers_apart(plan: Plan) -> bool:
    """Return whether servers run jobs of a plan one after the other, so that one worker has each."""
    verbs = verbs_of(plan.service, plan.resource)
    return any(verbs[step.verb].operation.name.startswith(_ADB) for step in plan.steps)
