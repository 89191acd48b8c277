"""Selection by the output of a command: `--where-output 'getprop ro.build.version.release == 10'`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, TypeAlias

import typer
from attrs import frozen

from koophone_async.batches import Estimate
from koophone_async.cli.errors import print_stderr
from koophone_async.errors import InvalidRequest

OPTION: Final = "--where-output"

_TESTS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "==": lambda output, value: output == value,
    "!=": lambda output, value: output != value,
    "~": fnmatchcase,
    "!~": lambda output, value: not fnmatchcase(output, value),
}
_split: Final = re.compile(r"(.+?)\s+(==|!=|~|!~)\s+(.*)", re.DOTALL).fullmatch

WhereOutput: TypeAlias = Annotated[
    str | None,
    typer.Option(
        OPTION,
        metavar="'COMMAND == TEXT'",
        help="Of those selected, keep the phones whose output of a shell command equals a text (==, !=) or "
        "matches it (~, !~). The command runs on each of them first.",
    ),
]


def _cost(estimate: Estimate) -> str:
    """Return the number of requests, such as `1 call and about 5 polls`."""
    calls = f"{estimate.calls:,} call{'' if estimate.calls == 1 else 's'}"
    return f"{calls} and about {estimate.polls:,} polls"


@frozen
class OutputCondition:
    """A condition on the output of a shell command."""

    command: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> OutputCondition:
        """Parse a condition.

        Raises:
            InvalidRequest: It has no operator between a command and a text.
        """
        match = _split(text)
        if match is None:
            operators = ", ".join(_TESTS)
            problem = f"is {text!r}; expected COMMAND, one of {operators} with spaces around it, and a text"
            raise InvalidRequest("", OPTION, problem)
        command, operator, value = match.groups()
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        return cls(command, operator, value[1:-1] if is_quoted else value)

    def matches(self, output: str) -> bool:
        """Whether an output meets the condition, apart from space at its ends."""
        return _TESTS[self.operator](output.strip(), self.value)

    async def filter(
        self,
        fleet: Any,  # noqa: ANN401 - of either service
        ids: Sequence[str],
        *,
        dry_run: bool = False,
    ) -> tuple[str, ...]:
        """Run the command, and return the ids whose output meets the condition; report what it costs.

        Args:
            fleet: Fleet of the ids.
            ids: The ids to ask.
            dry_run: Whether to report the cost alone, and to return all ids.
        """
        run = fleet.run(self.command)
        cost = _cost(run.estimate())
        if dry_run:
            run.discard()
            print_stderr(f"koophone: {OPTION}: {cost} would ask {len(ids):,} phones; all of them are counted")
            return tuple(ids)
        print_stderr(f"koophone: {OPTION}: {cost} ask {len(ids):,} phones")
        report = await run
        asked = {outcome.id: outcome.output or "" for outcome in report if outcome.ok}
        kept = tuple(id for id in ids if id in asked and self.matches(asked[id]))
        lost = (
            f"; {len(ids) - len(asked):,} did not answer, and are left out" if len(asked) < len(ids) else ""
        )
        print_stderr(f"koophone: {OPTION}: {len(kept):,} of {len(ids):,} phones match{lost}")
        return kept
