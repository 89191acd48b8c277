"""What the library's docstrings and checks say, for the help of options."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from functools import cache
from textwrap import dedent
from typing import Any

import attrs


def about(method: Callable[..., Any], verb: Callable[..., Any] | None = None) -> str:
    """Give what a docstring says before its sections, with the source after it.

    Where a verb goes on to the end of what the method starts, the first paragraph is the verb's.
    """
    first, _, more = _prose(method).partition("\n\n")
    if verb is not None:
        first = _prose(verb).partition("\n\n")[0]
    source = re.search(r"^API: (.+)$", inspect.getdoc(method) or "", re.MULTILINE)
    return "\n\n".join(filter(None, (first, more, source and source[1])))


def _prose(method: Callable[..., Any]) -> str:
    text = inspect.getdoc(method) or ""
    return re.split(r"^(?:Args|Raises|Returns|API):", text, maxsplit=1, flags=re.MULTILINE)[0].strip()


def arguments(method: Callable[..., Any]) -> dict[str, str]:
    """Give what the Args of a docstring say, by parameter."""
    found = re.search(r"^Args:\n((?: .*\n?|\n)+)", inspect.getdoc(method) or "", re.MULTILINE)
    entries = re.findall(r"^(\w+): (.+(?:\n +.+)*)", dedent(found[1]) if found else "", re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


@cache
def fields(model: type) -> dict[str, str]:
    """Give what the docstrings under a model's fields say. They are in the source only."""
    said: dict[str, str] = {}
    for parent in reversed(model.__mro__[:-1]):
        (tree,) = ast.parse(dedent(inspect.getsource(parent))).body
        said |= _under_fields(tree) if isinstance(tree, ast.ClassDef) else {}
    return said


def _under_fields(tree: ast.ClassDef) -> dict[str, str]:
    return {
        above.target.id: " ".join(str(below.value.value).split())
        for above, below in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(above, ast.AnnAssign)
        and isinstance(above.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
    }


def checks(attribute: attrs.Attribute[Any]) -> tuple[Any, ...]:
    """Give the checks of a field that can say themselves in words."""
    validator = attribute.validator
    several = getattr(validator, "_validators", (validator,))
    return tuple(check for check in several if hasattr(check, "limit"))


def limit(attribute: attrs.Attribute[Any]) -> str:
    """Give the limit of a field in words; empty where it has none."""
    return "; ".join(check.limit for check in checks(attribute))


def sentence(*parts: str) -> str:
    """Put parts together as sentences, leaving out what an earlier one says already."""
    said: list[str] = []
    for part in filter(None, (part.strip().rstrip(".") for part in parts)):
        if not any(part.lower() in earlier.lower() for earlier in said):
            said.append(part[0].upper() + part[1:])
    return escaped(". ".join(said))


def escaped(text: str) -> str:
    """Keep brackets from being read as markup."""
    return text.replace("[", r"\[")
