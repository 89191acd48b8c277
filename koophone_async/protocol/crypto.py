"""The cryptography below a signature: which hash an algorithm uses, and what a key seals a text with.

`cryptography` is imported where a seal needs it: importing it takes a seventh of the time that aiohttp takes,
and the algorithm that nearly everyone uses needs only the standard library.
"""

from __future__ import annotations

import hashlib
import hmac
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Algorithm(StrEnum):
    """How a key seals the string to sign."""

    HMAC_SHA256 = "SDK-HMAC-SHA256"
    HMAC_SM3 = "SDK-HMAC-SM3"
    ECDSA_P256 = "SDK-ECDSA-P256-SHA256"
    DERIVED = "V11-HMAC-SHA256"
    """HMAC-SHA256 with a key of its own for each day, region and service."""


@frozen
class Hashing:
    """The hash of an algorithm."""

    digest: Callable[[bytes], str]
    """Answers hexadecimal."""

    header: str
    """Carries the hash of a body that the receiver shall not compute itself."""


def hashing(algorithm: str) -> Hashing:
    """Find the hash of any algorithm, offered or not: its name ends in `SM3`, or it is SHA-256."""
    return _SM3 if algorithm.endswith("SM3") else _SHA256


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sm3(data: bytes) -> str:
    # Not through hashlib: an OpenSSL of the system's may be built without SM3.
    from cryptography.hazmat.primitives.hashes import SM3, Hash  # noqa: PLC0415

    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize().hex()


_SHA256: Final = Hashing(_sha256, "X-Sdk-Content-Sha256")
_SM3: Final = Hashing(_sm3, "X-Sdk-Content-Sm3")


@frozen
class Seal:
    """A key at work: it makes signatures, in hexadecimal, and tells whether one fits."""

    make: Callable[[bytes], str]
    fits: Callable[[bytes, str], bool]


def seal(algorithm: Algorithm, access_key: str, secret_key: str, scope: str) -> Seal:
    """Put a key to work.

    Args:
        algorithm: Says what is made of the key.
        access_key: The key's public half; part of what some algorithms derive.
        secret_key: Its secret half.
        scope: `day/region/service` for a derived key, else without effect.
    """
    access, secret = access_key.encode(), secret_key.encode()
    if algorithm is Algorithm.ECDSA_P256:
        return _ecdsa(private_number(access, secret))
    if algorithm is Algorithm.HMAC_SM3:
        return _hmac_sm3(secret)
    derived = algorithm is Algorithm.DERIVED
    return _hmac_sha256(_derived_key(access, secret, scope.encode()) if derived else secret)


def _hmac_sha256(key: bytes) -> Seal:
    return _by_comparison(lambda text: hmac.digest(key, text, "sha256").hex())


def _hmac_sm3(key: bytes) -> Seal:
    from cryptography.hazmat.primitives.hashes import SM3  # noqa: PLC0415
    from cryptography.hazmat.primitives.hmac import HMAC  # noqa: PLC0415

    def make(text: bytes) -> str:
        code = HMAC(key, SM3())
        code.update(text)
        return code.finalize().hex()

    return _by_comparison(make)


def _by_comparison(make: Callable[[bytes], str]) -> Seal:
    return Seal(make, lambda text, signature: hmac.compare_digest(make(text), signature))


def _derived_key(access: bytes, secret: bytes, scope: bytes) -> bytes:
    """HKDF (RFC 5869) with one block, and of that its hexadecimal digits: the vendor keys with text."""
    extracted = hmac.digest(access, secret, "sha256")
    return hmac.digest(extracted, scope + b"\x01", "sha256").hex().encode()


def private_number(access: bytes, secret: bytes) -> int:
    """Derive the private number on P-256: NIST SP 800-108 in counter mode, until one is of its order."""
    label = b"\x00\x00\x00\x01" + Algorithm.ECDSA_P256.encode() + b"\x00" + access
    inputs = (label + bytes((counter,)) + b"\x00\x00\x01\x00" for counter in range(255))
    candidates = (int.from_bytes(hmac.digest(secret, data, "sha256"), "big") for data in inputs)
    return next(candidate + 1 for candidate in candidates if candidate <= _P256_ORDER - 2)


def _ecdsa(number: int) -> Seal:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    private = ec.derive_private_key(number, ec.SECP256R1())
    public, scheme = private.public_key(), ec.ECDSA(SHA256())

    def fits(text: bytes, signature: str) -> bool:
        try:
            public.verify(bytes.fromhex(signature), text, scheme)
        except InvalidSignature:
            return False
        return True

    return Seal(lambda text: private.sign(text, scheme).hex(), fits)
