"""JSON as text."""

from __future__ import annotations

from typing import Any, Final

import msgspec

Json = dict[str, Any]

decode: Final = msgspec.json.Decoder().decode
encode: Final = msgspec.json.Encoder().encode
