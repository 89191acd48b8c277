"""Phone properties on the command line: KEY=VALUE, or a JSON object for those newer than the list."""

from __future__ import annotations

from collections.abc import Sequence

from koophone_async.cli.errors import print_stderr
from koophone_async.cli.parameters.json_options import parse_json_object
from koophone_async.cli.parameters.key_value import parse_values
from koophone_async.errors import InvalidRequest
from koophone_async.services.cph.properties import check_properties, is_documented, json_text


def parse_properties(option: str, texts: Sequence[str]) -> object:
    """Parse properties: pairs, whose names must be documented, or one JSON object, which may have others.

    Raises:
        InvalidRequest: A pair or the JSON is malformed, or a documented property has a wrong value.
    """
    if not texts[0].startswith(("{", "@")):
        return parse_values(option, texts)
    if len(texts) > 1:
        raise InvalidRequest("", option, "is a JSON object, which must have all properties")
    properties = parse_json_object(texts[0], option)
    check_properties({name: value for name, value in properties.items() if is_documented(name)})
    for name in properties:
        if not is_documented(name):
            print_stderr(f"koophone: the property {name} is not documented; it is sent unchecked")
    return json_text(properties)
