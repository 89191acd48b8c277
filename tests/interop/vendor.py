"""The vendor's client for CPH, called with plain values and read back as plain values.

`vendor("stop_cloud_phone", {"body": {"phone_ids": ["p1"]}})` builds the vendor's own request, sends it with
the vendor's own client and reads the answer into the vendor's own model.
"""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, Any, Final, Self

from attrs import define, frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from koophone_async import AccessKey

_CPH: Final[Any] = importlib.import_module("huaweicloudsdkcph.v1")
_MODELS: Final[Any] = importlib.import_module("huaweicloudsdkcph.v1.model")
_CREDENTIALS: Final[Any] = importlib.import_module("huaweicloudsdkcore.auth.credentials")
_REGION: Final[Any] = importlib.import_module("huaweicloudsdkcore.region.region")
_WRITING: Final[Any] = importlib.import_module("huaweicloudsdkcore.utils.http_utils")
_EXCEPTIONS: Final[Any] = importlib.import_module("huaweicloudsdkcore.exceptions.exceptions")

OPERATIONS: Final = tuple(
    name[1 : -len("_http_info")] for name in dir(_CPH.CphClient) if name.endswith("_http_info")
)
"""Operations of the vendor's client, by the names of their methods."""


@define(eq=False)
class Refusal(Exception):
    """A refusal by the service, as the vendor's client reports it."""

    status: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.status} {self.code}"


@frozen
class Answer:
    """An answer as the vendor's client read it."""

    status: int
    raw: Any
    """JSON of the answer; None if it has no body."""

    read: Any
    """JSON of what the vendor's model kept."""


@define
class Vendor:
    """The vendor's client for one project at one address."""

    _client: Any

    @classmethod
    def at(cls, address: str, key: AccessKey, project: str | None, region: str = "cn-north-4") -> Self:
        """Create a client. Without a project it looks up that of the region in IAM, at the same address."""
        credentials = _CREDENTIALS.BasicCredentials(key.access_key, key.secret_key, project)
        credentials.iam_endpoint = address
        builder = _CPH.CphClient.new_builder().with_credentials(credentials)
        return cls(builder.with_region(_REGION.Region(region, address)).build())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._client.get_http_client().executor.shutdown()

    @property
    def project(self) -> str:
        """Project of its calls."""
        return str(self._client.get_credentials().project_id)

    def __call__(self, operation: str, fields: Mapping[str, Any]) -> Answer:
        """Call an operation with the fields of its request, by the names of the wire."""
        try:
            answer = getattr(self._client, operation)(_made(_request(operation), fields))
        except _EXCEPTIONS.ServiceResponseException as error:
            raise Refusal(error.status_code, error.error_code, error.error_msg) from None
        raw = answer.to_json_object()
        return Answer(answer.status_code, raw, _WRITING.sanitize_for_serialization(answer))


def _request(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_")) + "Request"


def _made(kind: str, value: Any) -> Any:  # noqa: ANN401 - JSON in, the vendor's untyped models out
    """Create a model of the vendor's.

    Raises:
        KeyError: The model has no field of this name.
    """
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        return [_made(listed[1], one) for one in value]
    model = getattr(_MODELS, kind, None)
    if model is None:
        return value
    attributes = {name: attribute for attribute, name in model.attribute_map.items()}
    named = {attributes[name]: one for name, one in value.items()}
    return model(**{name: _made(model.openapi_types[name], one) for name, one in named.items()})


def places(operation: str) -> frozenset[str]:
    """Return the places of all fields of the vendor's request, such as `body.phones.#.phone_id`."""
    return frozenset(_places(_request(operation), ""))


def _places(kind: str, place: str) -> Iterator[str]:
    if listed := re.fullmatch(r"list\[(.+)\]", kind):
        yield from _places(listed[1], f"{place}.#")
    elif model := getattr(_MODELS, kind, None):
        for attribute, inner in model.openapi_types.items():
            yield from _places(inner, f"{place}.{model.attribute_map[attribute]}")
    else:
        yield place.removeprefix(".")
