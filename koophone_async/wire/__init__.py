"""Models on the wire: JSON, and the parts of HTTP requests.

A model's field declares its name on the wire (`wire("job_id")`); everything else is derived from its type.
"""

from __future__ import annotations

from koophone_async.wire.conversion import from_wire, request_from_wire, to_wire
from koophone_async.wire.fields import (
    NULL_TEXTS,
    PAGE_SIZE,
    Edition,
    Place,
    Spelling,
    doc,
    doc_of,
    in_headers,
    json_texts,
    spelling,
    wire,
)
from koophone_async.wire.json_text import Json, decode, encode
from koophone_async.wire.requests import EncodedRequest, encode_request, not_encodable

__all__ = [
    "NULL_TEXTS",
    "PAGE_SIZE",
    "Edition",
    "EncodedRequest",
    "Json",
    "Place",
    "Spelling",
    "decode",
    "doc",
    "doc_of",
    "encode",
    "encode_request",
    "from_wire",
    "in_headers",
    "json_texts",
    "not_encodable",
    "request_from_wire",
    "spelling",
    "to_wire",
    "wire",
]
