"""Access keys in the INI file that the vendor's SDKs read."""

from __future__ import annotations

import asyncio
import configparser
import io
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from koophone_async.credentials.environment import access_key_of, variables
from koophone_async.credentials.errors import UnreadableDefault
from koophone_async.errors import InvalidRequest
from koophone_async.file_access import UnusableFile, read_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from koophone_async.credentials.keys import AccessKey

_OPTIONS: Final = ("ak", "sk", "security_token", "project_id", "domain_id", "iam_endpoint")
"""The options of a section, in the order of the variables of the environment."""

_MAX_SIZE: Final = 2**20
"""The maximum size of the file in bytes."""

_INDENTED: Final = "an indented line continues a line without a value"
_CAUSES: Final = {"AttributeError": _INDENTED, "MultilineContinuationError": _INDENTED}
"""Causes of the errors that the parser raises for such a line, up to Python 3.12 and since."""


@frozen
class ProfileFile:
    """The INI file that the vendor's SDKs read.

    The default path is `HUAWEICLOUD_SDK_CREDENTIALS_FILE`, else `~/.huaweicloud/credentials`. The default
    profile is `KOOPHONE_PROFILE`, else `[basic]`, else `[global]`.
    """

    path: Path | str | None = None
    profile: str | None = None
    environ: Mapping[str, str] | None = field(default=None, repr=False)
    """Default: the environment of the process."""

    def __str__(self) -> str:
        """Return the name of the place."""
        sections = f"[{self._profile}]" if self._profile else "[basic] or [global]"
        return f"the file {self._path} ({sections})"

    @property
    def _configured(self) -> Path | str | None:
        return self.path or variables(self.environ).get("HUAWEICLOUD_SDK_CREDENTIALS_FILE")

    @property
    def _path(self) -> Path:
        environ = variables(self.environ)
        home = environ.get("HOME") or environ.get("USERPROFILE") or "~"
        return Path(self._configured or Path(home, ".huaweicloud", "credentials"))

    @property
    def _profile(self) -> str | None:
        return self.profile or variables(self.environ).get("KOOPHONE_PROFILE")

    async def __call__(self) -> AccessKey | None:
        """Return the key of the profile; None if neither path nor profile is set and there is no file or key.

        Raises:
            InvalidRequest: The file or profile that was asked for does not exist, or is invalid or
                incomplete.
        """
        sections = self._sections(await asyncio.to_thread(self._read))
        names = [self._profile] if self._profile else ["basic", "global"]
        keys = (access_key_of(sections.get(name, {}), _OPTIONS, f"{self._path} [{name}] ") for name in names)
        key = next((key for key in keys if key), None)
        if key is None and self._profile:
            known = ", ".join(f"[{name}]" for name in sections) or "none"
            problem = f"[{self._profile}] has no key in {self._path}; its sections: {known}"
            raise InvalidRequest("", "profile", problem)
        return key

    def _sections(self, text: str) -> dict[str, dict[str, str | None]]:
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read_string(text)
            return {name: dict(parser.items(name)) for name in parser.sections()}
        except (configparser.Error, AttributeError) as error:
            kind = _CAUSES.get(type(error).__name__, type(error).__name__)
        # Raised outside of the handler, because the parser's error contains the line, which may be a secret.
        raise InvalidRequest("", str(self._path), f"is not an INI file ({kind})")

    def _read(self) -> str:
        is_default = not (self._configured or self._profile)
        error_type: type[InvalidRequest] = InvalidRequest
        try:
            return io.TextIOWrapper(io.BytesIO(read_secret(self._path, _MAX_SIZE)), "utf-8-sig").read()
        except UnusableFile as error:
            problem = str(error)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and is_default:
                return ""
            problem = f"cannot be read: {error.strerror}"
            error_type = UnreadableDefault if is_default else InvalidRequest
        except UnicodeDecodeError:
            problem = "cannot be read: not UTF-8"
        except ValueError:
            problem = "cannot be read: not a valid path"
        # Raised outside of the handler, as above: a decoder's error contains the file.
        raise error_type("", str(self._path), problem)
