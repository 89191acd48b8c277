"""Help texts of commands and options, derived from the library's docstrings and checks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from koophone_async.docstrings import prose

if TYPE_CHECKING:
    import attrs

HIDING: Final = "`-` reads it from stdin, `@FILE` from a file, so that no list of processes shows it"
"""Help of every option that takes a secret."""


def about(method: Callable[..., Any], verb: Callable[..., Any] | None = None) -> str:
    """Return the help of a command: the docstring of its method without sections, and the source document.

    If a fleet verb waits for the end of the work, the first paragraph is the one of the verb.
    """
    first, _, more = prose(method).partition("\n\n")
    if verb is not None:
        first = prose(verb).partition("\n\n")[0]
    first = re.sub("^Iterate over ", "List ", first)  # a command prints what a method iterates over
    source = re.search(r"^API: (.+)$", inspect.getdoc(method) or "", re.MULTILINE)
    return unwrap("\n\n".join(filter(None, (first, more, source and source[1]))))


def unwrap(text: str | None) -> str:
    """Join the lines of each paragraph of a docstring: rich would keep its line breaks."""
    paragraphs = inspect.cleandoc(text or "").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def checks(attribute: attrs.Attribute[Any]) -> tuple[Any, ...]:
    """Return the checks of a field that can describe their limit."""
    validator = attribute.validator
    validators = getattr(validator, "_validators", (validator,))
    return tuple(check for check in validators if hasattr(check, "limit"))


def limit(attribute: attrs.Attribute[Any], description: str = "") -> str:
    """Describe the limits of a field; empty if it has none.

    Regular expressions are left out if there is a description, and so is a maximum that it states already.
    """
    limits = (check.limit for check in checks(attribute))
    if not description:
        return "; ".join(limits)
    plain = (limit.partition(", matching ")[0] for limit in limits)
    return "; ".join(limit for limit in plain if not _is_stated(limit, description))


def _is_stated(limit: str, description: str) -> bool:
    maximum = re.match(r"at most [0-9,]+", limit)
    return maximum is not None and maximum[0] in description.lower()


def sentence(*parts: str) -> str:
    """Join parts as sentences, leaving out those contained in an earlier one."""
    sentences: list[str] = []
    for part in filter(None, (part.strip().rstrip(".") for part in parts)):
        if not any(part.lower() in earlier.lower() for earlier in sentences):
            sentences.append(part[0].upper() + part[1:])
    return ". ".join(sentences)


def epilog(examples: Iterable[str]) -> str:
    r"""Return the end of a help with examples; click does not wrap a paragraph that starts with `\b`."""
    return "Examples:\n\n\b\n" + "\n".join(examples)
