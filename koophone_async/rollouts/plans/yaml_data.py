"""Read YAML as plain data in which scalars are as written, with the position of every value.

What YAML offers beyond plain data is refused: a key that comes twice, merge keys, tags, several documents.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn, TypeAlias

import yaml
from attrs import define, field, frozen

from koophone_async.rollouts.plans.context import Plain
from koophone_async.text_input import MAX_DEPTH

MAX_VALUES: Final = 1_500_000
"""Keys and values of a plan, which take up half a kilobyte each; more ids can be in a file of their own."""

MAX_ALIASED: Final = 10_000
"""Values that aliases may repeat; nested aliases could stand for more than any memory holds."""

_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Position: TypeAlias = tuple[int, int]
"""Line and column, counted from 1."""


@define(eq=False)
class InvalidYaml(ValueError):
    """A text is no YAML, or none that is accepted."""

    problem: str
    position: Position = (1, 1)


@frozen
class YamlData:
    """The data of a document."""

    value: object
    values: dict[str, Position]
    """Positions of values, by path."""

    keys: dict[str, Position]
    """Positions of keys, by the path of their value."""

    def has(self, path: str) -> bool:
        """Return whether a value stands in the text, which may write a list of one without brackets."""
        return bool(path) and not self.values.keys().isdisjoint((path, path.replace("[0]", "")))

    def position(self, path: str, *, of_key: bool = False) -> Position:
        """Return where a value or its key stands, else the nearest value around it."""
        if of_key and path in self.keys:
            return self.keys[path]
        while path:
            for known in (path, path.replace("[0]", "")):  # a list of one may be written without brackets
                if known in self.values:
                    return self.values[known]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.values.get("", (1, 1))


def parse_yaml(text: str) -> YamlData:
    """Return the data of the only document of a text.

    Raises:
        InvalidYaml: The text is no YAML, or has what is refused.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.add(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise InvalidYaml(
            f"is no YAML: {problem}", (mark.line + 1, mark.column + 1) if mark else (1, 1)
        ) from None
    except yaml.reader.ReaderError as error:
        raise InvalidYaml(f"is no YAML: {error.reason}", _position(text, error.position)) from None
    except UnicodeEncodeError as error:
        raise InvalidYaml(
            "contains a lone surrogate, which is no character", _position(text, error.start)
        ) from None
    if not builder.documents or builder.documents[0] == "":
        raise InvalidYaml("is empty")
    return YamlData(builder.documents[0], builder.values, builder.keys)


@define(eq=False)
class _Open:
    """A list or mapping whose end is not reached."""

    path: str
    value: list[Any] | dict[str, Any]
    anchor: str | None
    key: str | None = None
    """Key of the next value of a mapping."""


@define(eq=False)
class _Builder:
    """Builds plain data from the events of a YAML parser, without recursion."""

    documents: list[Any] = field(factory=list[Any])
    values: dict[str, Position] = field(factory=dict[str, Position])
    keys: dict[str, Position] = field(factory=dict[str, Position])
    _anchors: dict[str | None, Any] = field(factory=dict["str | None", Any])
    _open: list[_Open] = field(factory=list[_Open])
    _aliased: int = 0

    def add(self, event: yaml.Event) -> None:
        """Add an event."""
        mark = event.start_mark
        position = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if len(self.values) + len(self.keys) > MAX_VALUES:
            _refuse(f"has more than {MAX_VALUES:,} keys and values; write ids into an ids_file", position)
        if isinstance(event, yaml.DocumentStartEvent) and self.documents:
            _refuse("has a second document; a plan is a single one", position)
        if isinstance(event, yaml.CollectionEndEvent):
            ended = self._open.pop()
            self._anchor(ended.anchor, ended.value)
        elif isinstance(event, yaml.AliasEvent):
            self._begin(self._alias(event.anchor, position), position)
        elif isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            if event.tag is not None:
                _refuse(f"has the tag {event.tag}; tags are refused", position)
            if isinstance(event, yaml.ScalarEvent):
                self._add_scalar(event, position)
            else:
                self._add_collection(event, position)

    def _add_scalar(self, event: yaml.ScalarEvent, position: Position) -> None:
        value = event.value if event.style else Plain(event.value)
        if self._open and isinstance(self._open[-1].value, dict) and self._open[-1].key is None:
            self._add_key(self._open[-1], value, position)
        else:
            self._begin(value, position)
        self._anchor(event.anchor, value)

    def _add_collection(self, event: yaml.CollectionStartEvent, position: Position) -> None:
        if len(self._open) >= MAX_DEPTH:
            _refuse(f"is nested more than {MAX_DEPTH} levels deep", position)
        value: list[Any] | dict[str, Any] = [] if isinstance(event, yaml.SequenceStartEvent) else {}
        self._open.append(_Open(self._begin(value, position), value, event.anchor))

    def _add_key(self, parent: _Open, key: str, position: Position) -> None:
        if key == "<<" and isinstance(key, Plain):
            _refuse("has a merge key; write the entries out", position)
        if key in parent.value:
            _refuse(f"has the key {str(key)!r} twice", position)
        parent.key = str.__str__(key)
        self.keys[_join(parent.path, parent.key)] = position

    def _begin(self, value: object, position: Position) -> str:
        """Add a value to what is open, and return its path."""
        path = ""
        if not self._open:
            self.documents.append(value)
        else:
            parent = self._open[-1]
            if isinstance(parent.value, list):
                path = f"{parent.path}[{len(parent.value)}]"
                parent.value.append(value)
            elif parent.key is None:
                _refuse("has a list or mapping as a key; keys are texts", position)
            else:
                path = _join(parent.path, parent.key)
                parent.value[parent.key] = value
                parent.key = None
        self.values[path] = position
        return path

    def _anchor(self, name: str | None, value: object) -> None:
        if name is not None:
            self._anchors[name] = value

    def _alias(self, name: str | None, position: Position) -> object:
        if name not in self._anchors:
            _refuse(f"has the alias *{name} for nothing that has ended before it", position)
        value = self._anchors[name]
        self._aliased += _count(value)
        if self._aliased > MAX_ALIASED:
            _refuse(f"has aliases for more than {MAX_ALIASED:,} values", position)
        return value


def _position(text: str, index: int) -> Position:
    """Return the line and column of a character."""
    before = text[:index]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _count(value: object) -> int:
    """Return how many values a value has in it."""
    count, level = 0, [value]
    while level and count <= MAX_ALIASED:
        item = level.pop()
        count += 1
        level += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    return count


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _refuse(problem: str, position: Position) -> NoReturn:
    raise InvalidYaml(problem, position)
