"""Selections: which phones or servers a plan is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Self

from attrs import Attribute, evolve, field, frozen

from koophone_async.checks import ids
from koophone_async.errors import InvalidRequest, Rule
from koophone_async.rollouts.plans.model_types import OneOrManyType
from koophone_async.rollouts.plans.value_types import PathType, TextType
from koophone_async.selection import parse
from koophone_async.wire import doc

_MAX_KEPT: Final = 1_000
"""Ids that a plan keeps once the journal has them: a million are 11 MB that every process would read."""


def _ids(values: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if values is None else ids(values)


def _tags(tags: Mapping[str, str | Iterable[str]] | None) -> dict[str, tuple[str, ...]] | None:
    if tags is None:
        return None
    return {key: (values,) if isinstance(values, str) else tuple(values) for key, values in tags.items()}


def _check_where(_: object, __: object, where: str | None) -> None:
    if where is not None:
        try:
            parse(where)
        except InvalidRequest as error:
            error.field = "where"
            raise


def refuse_empty(_: object, attribute: Attribute[Any], name: str | None) -> None:
    """Refuse an empty name of an account, a project or a region: its default is another one.

    Raises:
        InvalidRequest: It is.
    """
    if name == "":
        raise InvalidRequest("", attribute.name, "is empty; leave it out for the default", Rule.TOO_SHORT)


@frozen(kw_only=True)
class Selection:
    """Phones or servers of one account, project and region, selected in one way.

    Only `where` and `tag` go together.
    """

    ids: tuple[str, ...] | None = field(
        default=None, converter=_ids, repr=lambda ids: f"<{len(ids or ()):,}>"
    )
    ids_file: Annotated[str, PathType()] | None = field(
        default=None, metadata=doc("A file with ids: one a line, CSV or JSON.")
    )
    all: bool = field(default=False, metadata=doc("Whether all are selected."))
    where: str | None = field(
        default=None,
        validator=_check_where,
        metadata=doc("An expression over the fields of the list, such as `running == running`."),
    )
    tag: Mapping[str, Annotated[tuple[str, ...], OneOrManyType(TextType())]] | None = field(
        default=None, converter=_tags, metadata=doc("Tags of servers, with one value or several.")
    )
    profile: str | None = field(
        default=None,
        validator=refuse_empty,
        metadata=doc("Profile of the credentials; default: that of the plan."),
    )
    project_id: str | None = field(
        default=None, validator=refuse_empty, metadata=doc("Default: that of the plan.")
    )
    region: str | None = field(
        default=None, validator=refuse_empty, metadata=doc("Default: that of the plan.")
    )
    recorded: int | None = field(
        default=None,
        metadata=doc("Number of ids of a rollout that was started, which its journal has; in no other plan."),
    )

    @property
    def is_listed(self) -> bool:
        """Whether the phones are those in the list that match, and not ids that are stated."""
        return self.ids is None and self.ids_file is None and self.recorded is None

    def without_ids(self) -> Self:
        """Return the selection with the number of its ids in the place of many of them."""
        if self.ids is None or len(self.ids) <= _MAX_KEPT:
            return self
        return evolve(self, ids=None, recorded=len(self.ids))

    def __attrs_post_init__(self) -> None:
        """Refuse a selection that is made in no way, or in more than one.

        Raises:
            InvalidRequest: It is.
        """
        ways = {
            "ids": self.ids is not None,
            "ids_file": self.ids_file is not None,
            "all": self.all,
            "recorded": self.recorded is not None,
            "where": self.where is not None or self.tag is not None,
        }
        chosen = [way for way, is_used in ways.items() if is_used]
        if len(chosen) != 1:
            problem = f"selects by {' and by '.join(chosen)}" if chosen else "selects nothing"
            raise InvalidRequest(
                "", "", f"{problem}; use one of ids, ids_file, all, where, tag", Rule.CONFLICT
            )
        if self.ids is not None and not self.ids:
            raise InvalidRequest("", "ids", "is empty", Rule.TOO_FEW, 1)
