"""Access keys in named values: those of the environment, and those of a section of a profile file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from koophone_async.credentials.keys import AccessKey
from koophone_async.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES: Final = (
    "HUAWEICLOUD_SDK_AK",
    "HUAWEICLOUD_SDK_SK",
    "HUAWEICLOUD_SDK_SECURITY_TOKEN",
    "HUAWEICLOUD_SDK_PROJECT_ID",
    "HUAWEICLOUD_SDK_DOMAIN_ID",
    "HUAWEICLOUD_SDK_IAM_ENDPOINT",
)
_FIELDS: Final[tuple[str, ...]] = (
    "access_key",
    "secret_key",
    "security_token",
    "project_id",
    "domain_id",
    "iam_endpoint",
)
"""The fields of `AccessKey`, in the same order."""


def variables(environ: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return the environment of the process unless another one is passed."""
    # `os.environ` is nowhere a default value: `help` and tools for documentation would print it, and with it
    # the secrets in it.
    return os.environ if environ is None else environ


@frozen
class Environment:
    """The variables that the vendor's SDKs read: `HUAWEICLOUD_SDK_AK`, `HUAWEICLOUD_SDK_SK` and so on."""

    environ: Mapping[str, str] | None = field(default=None, repr=False)
    """Default: the environment of the process."""

    def __str__(self) -> str:
        """Return the name of the place."""
        return f"the environment ({', '.join(VARIABLES[:2])})"

    async def __call__(self) -> AccessKey | None:
        """Return the key in the variables, of which an empty one counts as not set.

        Raises:
            InvalidRequest: One part of the key is set without the other.
        """
        return access_key_of(variables(self.environ), VARIABLES)


def access_key_of(
    values: Mapping[str, str | None], names: tuple[str, ...], where: str = ""
) -> AccessKey | None:
    """Return the key in some values, by their names in the order of `VARIABLES`; None if there is none."""
    access_key, secret_key, token, project, domain, iam = (values.get(name) or None for name in names)
    if not access_key and not secret_key:
        return None
    if not access_key or not secret_key:
        present, missing = names[:2] if access_key else names[1::-1]
        raise InvalidRequest("", where + missing, f"is not set, though {present} is")
    try:
        return AccessKey(
            access_key, secret_key, token, project_id=project, domain_id=domain, iam_endpoint=iam
        )
    except InvalidRequest as error:
        error.field = where + names[_FIELDS.index(error.field)]
        raise
