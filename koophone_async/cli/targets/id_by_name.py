"""`--name` instead of the id that a single call takes: `koophone cph phones show --name shop-1`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import Parameter
from typing import Self, get_args

from attrs import frozen

from koophone_async.cli.commands.fleet_commands import Client, Inventory
from koophone_async.cli.commands.services import Entry
from koophone_async.cli.parameters.values import Arguments, create_parameter, label
from koophone_async.cli.targets.selection import Names, Selection, option
from koophone_async.errors import InvalidRequest


@frozen
class IdByName:
    """The parameter of a call that takes an id, or several."""

    parameter: str
    inventory: Inventory
    label: str
    """The parameter as typed."""

    is_list: bool

    @classmethod
    def of(cls, entry: Entry, parameters: Sequence[Parameter]) -> Self | None:
        """Return the parameter of an operation; None if it takes no id, or has a `--name`."""
        inventories = entry.service.inventories_by_parameter
        required = [each for each in parameters if each.default is Parameter.empty]
        found = next((each for each in required if each.name in inventories), None)
        if found is None or any(each.name == "name" for each in parameters):
            return None
        is_list = get_args(found.annotation)[0] == list[str]
        return cls(found.name, inventories[found.name], label(found), is_list)

    def parameters(self, own: Sequence[Parameter]) -> Iterator[Parameter]:
        """Yield the parameters of the command: that of the id is optional, because `--name` replaces it."""
        for parameter in own:
            if parameter.name == self.parameter:
                hint, info = get_args(parameter.annotation)
                yield create_parameter(parameter.name, hint, info, required=False)
            else:
                yield parameter
        yield option("names", Names)

    def check(self, args: Arguments) -> None:
        """Check that there is an id or a name.

        Raises:
            InvalidRequest: There is neither, or there are both.
        """
        if not (args[self.parameter] or args["names"]):
            raise InvalidRequest("", self.label, "is missing; --name NAME can replace it")
        if args[self.parameter] and args["names"]:
            raise InvalidRequest("", "--name", f"cannot be combined with {self.label}")

    async def resolve(self, names: Sequence[str], client: Client) -> str | tuple[str, ...]:
        """Return the id of what has a name, or the ids.

        Raises:
            InvalidRequest: Nothing has the name, or more than the call takes.
        """
        selection = Selection.filtered(self.inventory, {"where": None, "names": names})
        ids = await selection.list_ids(client)
        selection.check_names()
        if ids and self.is_list:
            return ids
        if len(ids) == 1:
            return next(iter(ids))
        one = self.inventory.noun.removesuffix("s")
        count = f"{len(ids)} {self.inventory.noun}; the call takes one" if ids else f"no {one}"
        raise InvalidRequest("", f"--name {' --name '.join(names)}", f"is the name of {count}")
