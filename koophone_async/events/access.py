"""Verify accesses: the ticket's validity and single use, and the decryption of the data.

The document (CPH 6.1, 2020-07-30) names an AES key, an initialisation vector and encrypted data. It does not
specify the mode, the encodings, the plaintext or the meaning of `auth_ts`, so each of these is configurable.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from enum import StrEnum
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen
from attrs.validators import in_
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from koophone_async.errors import InvalidRequest
from koophone_async.events.errors import Reason, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from attrs import Attribute

    from koophone_async.events.models import Access

_BLOCK_BITS: Final = 128


class Mode(StrEnum):
    """The AES mode of operation."""

    GCM = "gcm"
    """The last 16 bytes of the data are the authentication tag: a wrong key is always detected."""

    CBC = "cbc"
    """PKCS #7 padding. One wrong key in 256 goes undetected, so the plaintext must be checked."""


class Encoding(StrEnum):
    """Encoding of bytes as text."""

    BASE64 = "base64"
    HEX = "hex"
    PLAIN = "plain"
    """ASCII bytes, unchanged; allowed for the key only."""

    def to_text(self, value: bytes) -> str:
        """Encode bytes as text."""
        if self is Encoding.PLAIN:
            return value.decode("ascii")
        return value.hex() if self is Encoding.HEX else base64.b64encode(value).decode()

    def to_bytes(self, text: str) -> bytes:
        """Decode hexadecimal or base64 text."""
        return bytes.fromhex(text) if self is Encoding.HEX else base64.b64decode(text, validate=True)


@frozen
class Cipher:
    """How the data of an access is encrypted; the document does not specify it.

    The default is AES-GCM, which detects a wrong key by itself, with everything in base64.
    """

    mode: Mode = Mode.GCM
    encoding: Encoding = field(default=Encoding.BASE64, validator=in_((Encoding.BASE64, Encoding.HEX)))
    """Encoding of the data and the initialisation vector."""

    key_encoding: Encoding = Encoding.BASE64
    """Encoding of the key in the answer."""

    def decrypt(self, key: bytes, iv: str, data: str) -> bytes:
        """Decrypt data.

        Raises:
            Rejected: The key is wrong, or the data is malformed.
        """
        try:
            nonce, ciphertext = self.encoding.to_bytes(iv), self.encoding.to_bytes(data)
            if self.mode is Mode.GCM:
                return AESGCM(key).decrypt(nonce, ciphertext, None)
            return _decrypt_cbc(key, nonce, ciphertext)
        except (ValueError, InvalidTag):
            raise Rejected(Reason.DATA) from None

    def encrypt(self, key: bytes, iv: bytes, plaintext: bytes) -> tuple[str, str]:
        """Encrypt as a client does; return `aes_iv` and `encrypted_data`."""
        if self.mode is Mode.GCM:
            ciphertext = AESGCM(key).encrypt(iv, plaintext, None)
        else:
            padder, encryptor = PKCS7(_BLOCK_BITS).padder(), BlockCipher(AES(key), CBC(iv)).encryptor()
            padded = padder.update(plaintext) + padder.finalize()
            ciphertext = encryptor.update(padded) + encryptor.finalize()
        return self.encoding.to_text(iv), self.encoding.to_text(ciphertext)


def _decrypt_cbc(key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
    decryptor, unpadder = BlockCipher(AES(key), CBC(iv)).decryptor(), PKCS7(_BLOCK_BITS).unpadder()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _check_key_size(_: Grant, attribute: Attribute[bytes], key: bytes) -> None:
    if len(key) not in (16, 24, 32):
        raise InvalidRequest("", attribute.name, f"is {len(key)} bytes long; an AES key has 16, 24 or 32")


@frozen
class Grant:
    """The secrets of a session that may be entered, as returned by your lookup."""

    key: bytes = field(repr=False, validator=_check_key_size)
    """The application's AES key of 16, 24 or 32 bytes, the answer to a genuine access."""

    ticket: str | None = field(default=None, repr=False)
    """The issued ticket, compared in constant time. None accepts any ticket and so prevents no replay."""

    content: bytes | Callable[[bytes], bool] | None = field(default=None, repr=False)
    """The expected plaintext, or a function that returns True for a valid one. Required for `Mode.CBC`."""


class TimestampMeaning(StrEnum):
    """Meaning of `auth_ts`: the document's table says validity period, its example says timestamp."""

    EXPIRES = "expires"
    """The time at which the ticket expires."""

    ISSUED = "issued"
    """The time at which the ticket was issued; it is valid for `Validity.max_age`."""


@frozen
class Validity:
    """When a ticket is valid; all times are seconds."""

    meaning: TimestampMeaning = TimestampMeaning.EXPIRES
    max_age: float = 86_400.0
    """Maximum lifetime of a ticket; one that expires later than this is refused."""

    skew: float = 30.0
    """Allowed difference between the clocks."""

    def expiry(self, timestamp: int, now: datetime) -> int:
        """Return when a ticket expires, in milliseconds since 1970.

        Raises:
            Rejected: The ticket is not valid now.
        """
        current, max_age, skew = (int(s * 1000) for s in (now.timestamp(), self.max_age, self.skew))
        expiry = timestamp + skew + (max_age if self.meaning is TimestampMeaning.ISSUED else 0)
        if not current <= expiry <= current + max_age + 2 * skew:
            raise Rejected(Reason.EXPIRED)
        return expiry


def verify(access: Access, grant: Grant, cipher: Cipher) -> None:
    """Check an access against its grant.

    Raises:
        Rejected: The ticket, the key or the plaintext is wrong.
    """
    if grant.ticket is not None and not hmac.compare_digest(access.ticket.encode(), grant.ticket.encode()):
        raise Rejected(Reason.TICKET)
    plaintext = cipher.decrypt(grant.key, access.iv, access.data)
    if grant.content is None:
        if cipher.mode is Mode.CBC:
            raise Rejected(Reason.UNPROVEN)
        return
    if callable(grant.content):
        matches = grant.content(plaintext) is True  # an un-awaited coroutine would be truthy too
    else:
        matches = hmac.compare_digest(plaintext, grant.content)
    if not matches:
        raise Rejected(Reason.CONTENT)


def digest(ticket: str) -> bytes:
    """Return the digest under which a used ticket is remembered."""
    return hashlib.sha256(ticket.encode()).digest()


@define(eq=False)
class UsedTickets:
    """Digests of tickets that were used and have not expired: each ticket is accepted once.

    A ticket is remembered until it expires. While `max_tickets` are remembered, further ones are refused.
    """

    max_tickets: int
    _expiries: dict[bytes, int] = field(factory=dict[bytes, int], init=False)
    _by_expiry: list[tuple[int, bytes]] = field(factory=list[tuple[int, bytes]], init=False)

    def __len__(self) -> int:
        return len(self._expiries)

    def __contains__(self, ticket: bytes) -> bool:
        return ticket in self._expiries

    def load(self, tickets: Iterable[tuple[bytes, int]]) -> None:
        """Restore the tickets of an earlier run."""
        for ticket, expiry in tickets:
            self._remember(ticket, expiry)

    def spend(self, ticket: bytes, expiry: int, now: datetime) -> None:
        """Mark a ticket as used.

        Raises:
            Rejected: The ticket was used before, or too many are remembered.
        """
        self._forget_expired(int(now.timestamp() * 1000))
        if ticket in self._expiries:
            raise Rejected(Reason.REPLAYED)
        if len(self._expiries) >= self.max_tickets:
            raise Rejected(Reason.FULL)
        self._remember(ticket, expiry)

    def release(self, ticket: bytes) -> None:
        """Undo `spend`, when the access was refused after all."""
        del self._expiries[ticket]

    def _remember(self, ticket: bytes, expiry: int) -> None:
        self._expiries[ticket] = expiry
        heappush(self._by_expiry, (expiry, ticket))

    def _forget_expired(self, now: int) -> None:
        while self._by_expiry and self._by_expiry[0][0] < now:
            expiry, ticket = heappop(self._by_expiry)
            if self._expiries.get(ticket) == expiry:
                del self._expiries[ticket]
