"""Credentials, and the providers that look for them.

Credentials are an `AccessKey` or a `Password`. A provider looks for them in one place, and any async function
can be one; a `Chain` tries several providers. `credential_cache.CredentialCache` caches the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from koophone_async.credentials.chain import Chain, CheckedProvider, Provider, default_chain, source_of
from koophone_async.credentials.environment import Environment
from koophone_async.credentials.errors import UnreadableDefault
from koophone_async.credentials.keys import AccessKey, Credentials, Password
from koophone_async.lazy_names import lazy_names

if TYPE_CHECKING:
    from koophone_async.credentials.metadata import Metadata
    from koophone_async.credentials.profile_file import ProfileFile

__all__ = [
    "AccessKey",
    "Chain",
    "CheckedProvider",
    "Credentials",
    "Environment",
    "Metadata",
    "Password",
    "ProfileFile",
    "Provider",
    "UnreadableDefault",
    "default_chain",
    "source_of",
]

if not TYPE_CHECKING:  # a type checker that sees __getattr__ accepts any name
    __getattr__, __dir__ = lazy_names(__name__, {"Metadata": "metadata", "ProfileFile": "profile_file"})
