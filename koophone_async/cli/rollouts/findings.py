"""`rollout resume --reconcile`: print what was found out about unknown phones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from koophone_async.cli.errors import print_stderr
from koophone_async.cli.output.id_ranges import shorten
from koophone_async.rollouts.execution.reconciliation import reconcile

if TYPE_CHECKING:
    from koophone_async.rollouts import Journal
    from koophone_async.session import Session

_WIDTH: Final = 60
"""Characters of the ids that are shown."""


async def print_findings(run: str, journal: Journal, session: Session) -> None:
    """Settle unknown phones that have executed their step, and print what was found and why."""
    findings = await reconcile(journal, run, session)
    groups = dict[tuple[bool, int, str, str], list[str]]()
    for finding in findings:
        key = finding.is_settled, finding.step, finding.verb, finding.reason
        groups.setdefault(key, []).append(finding.id)
    for (is_settled, step, verb, reason), ids in groups.items():
        state = "has succeeded" if is_settled else "stays unknown"
        print_stderr(f"koophone: step {step} ({verb}) {state} on {shorten(ids, _WIDTH)}: {reason}")
    if not findings:
        print_stderr("koophone: no phone is unknown")
