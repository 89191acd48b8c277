"""The cryptography below a signature: hash functions and signing keys, by algorithm.

`cryptography` is imported only where an algorithm needs it: importing it takes a seventh of the time that
aiohttp takes, and the algorithm that nearly everyone uses needs only the standard library.
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
    """How the string to sign is signed, by the name in the `Authorization` header."""

    HMAC_SHA256 = "SDK-HMAC-SHA256"
    HMAC_SM3 = "SDK-HMAC-SM3"
    ECDSA_P256 = "SDK-ECDSA-P256-SHA256"
    DERIVED = "V11-HMAC-SHA256"
    """HMAC-SHA256 with a key derived for each day, region and service."""


@frozen(eq=False, repr=False)
class HashFunction:
    """The hash function of an algorithm."""

    digest: Callable[[bytes], str]
    """Return the hash in hexadecimal."""

    header: str
    """The header that carries the hash of a body which the receiver does not hash itself."""


def hash_function(algorithm: str) -> HashFunction:
    """Return the hash function of any algorithm, supported or not: SM3 if its name ends so, else SHA-256."""
    return _SM3 if algorithm.endswith("SM3") else _SHA256


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _sm3(data: bytes) -> str:
    # Not through hashlib: the system's OpenSSL may be built without SM3.
    from cryptography.hazmat.primitives.hashes import SM3, Hash  # noqa: PLC0415

    digest = Hash(SM3())
    digest.update(data)
    return digest.finalize().hex()


_SHA256: Final = HashFunction(_sha256, "X-Sdk-Content-Sha256")
_SM3: Final = HashFunction(_sm3, "X-Sdk-Content-Sm3")


@frozen(eq=False, repr=False)
class SigningKey:
    """A key ready to sign with one algorithm; signatures are hexadecimal."""

    sign: Callable[[bytes], str]
    verify: Callable[[bytes, str], bool]


def signing_key(algorithm: Algorithm, access_key: str, secret_key: str, scope: str) -> SigningKey:
    """Prepare a key for signing and verifying.

    Args:
        algorithm: How it signs.
        access_key: The key's id, which some algorithms mix into the key that they derive.
        secret_key: The secret.
        scope: `day/region/service` of a derived key; other algorithms ignore it.
    """
    access, secret = access_key.encode(), secret_key.encode()
    if algorithm is Algorithm.ECDSA_P256:
        return _ecdsa(private_number(access, secret))
    if algorithm is Algorithm.HMAC_SM3:
        return _hmac_sm3(secret)
    derived = algorithm is Algorithm.DERIVED
    return _hmac_sha256(_derived_key(access, secret, scope.encode()) if derived else secret)


def _hmac_sha256(key: bytes) -> SigningKey:
    keyed = hmac.new(key, digestmod=hashlib.sha256)

    def sign(text: bytes) -> str:
        code = keyed.copy()  # which has hashed the key already
        code.update(text)
        return code.hexdigest()

    return _symmetric(sign)


def _hmac_sm3(key: bytes) -> SigningKey:
    from cryptography.hazmat.primitives.hashes import SM3  # noqa: PLC0415
    from cryptography.hazmat.primitives.hmac import HMAC  # noqa: PLC0415

    def sign(text: bytes) -> str:
        code = HMAC(key, SM3())
        code.update(text)
        return code.finalize().hex()

    return _symmetric(sign)


def _symmetric(sign: Callable[[bytes], str]) -> SigningKey:
    """Return a key that verifies by signing again and comparing, in constant time."""
    return SigningKey(sign, lambda text, signature: hmac.compare_digest(sign(text), signature))


def _derived_key(access: bytes, secret: bytes, scope: bytes) -> bytes:
    """Derive a key by HKDF (RFC 5869) with one block. The vendor uses its hexadecimal digits as the key."""
    extracted = hmac.digest(access, secret, "sha256")
    return hmac.digest(extracted, scope + b"\x01", "sha256").hex().encode()


def private_number(access: bytes, secret: bytes) -> int:
    """Derive the private key on P-256 (NIST SP 800-108, counter mode) that is below the curve's order."""
    label = b"\x00\x00\x00\x01" + Algorithm.ECDSA_P256.encode() + b"\x00" + access
    inputs = (label + bytes((counter,)) + b"\x00\x00\x01\x00" for counter in range(255))
    candidates = (int.from_bytes(hmac.digest(secret, data, "sha256"), "big") for data in inputs)
    return next(candidate + 1 for candidate in candidates if candidate <= _P256_ORDER - 2)


def _ecdsa(number: int) -> SigningKey:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    private = ec.derive_private_key(number, ec.SECP256R1())
    public, scheme = private.public_key(), ec.ECDSA(SHA256())

    def verify(text: bytes, signature: str) -> bool:
        try:
            public.verify(bytes.fromhex(signature), text, scheme)
        except InvalidSignature:
            return False
        return True

    return SigningKey(lambda text: private.sign(text, scheme).hex(), verify)
