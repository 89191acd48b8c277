"""Verify accesses: the validity of the ticket, and the decryption of the data.

The document (CPH 6.1, 2020-07-30) names an AES key, an initialisation vector and encrypted data. It does not
specify the mode, the encodings, the plaintext or the meaning of `auth_ts`, so each of these is configurable.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from attrs import field, frozen
from attrs.validators import in_
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from koophone_async.checks import Text
from koophone_async.errors import InvalidRequest
from koophone_async.events.errors import Reason, Rejected
from koophone_async.events.models import MAX_TICKET_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable
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


def _check_zone(_: Grant, attribute: Attribute[datetime | None], until: datetime | None) -> None:
    if until is not None and until.tzinfo is None:
        raise InvalidRequest("", attribute.name, "has no time zone")


_TICKET: Final = Text(MAX_TICKET_LENGTH)


@frozen
class Grant:
    """The secrets of a session that may be entered, as returned by your lookup."""

    key: bytes = field(repr=False, validator=_check_key_size)
    """The application's AES key of 16, 24 or 32 bytes, the answer to a genuine access."""

    ticket: str | None = field(default=None, repr=False, validator=_TICKET)
    """The issued ticket, compared in constant time. None accepts any ticket, each encrypted data once."""

    content: bytes | Callable[[bytes], bool] | None = field(default=None, repr=False)
    """The expected plaintext, or a function that returns True for a valid one. Required for `Mode.CBC`."""

    until: datetime | None = field(default=None, validator=_check_zone)
    """The end of the session by the receiver's clock: later accesses are refused."""

    auth_ts: int | None = None
    """The issued `auth_ts`: an access whose own differs by more than `Validity.skew` is refused."""


class TimestampMeaning(StrEnum):
    """Meaning of `auth_ts`: the document's table says validity period, its example says timestamp."""

    EXPIRES = "expires"
    """The time at which the ticket expires."""

    ISSUED = "issued"
    """The time at which the ticket was issued; it is valid for `Validity.max_age`."""


@frozen
class Validity:
    """When a ticket is valid; all times are seconds.

    `auth_ts` is not signed: whoever sends an access can change it. It is believed only between the skew in
    the past and the maximum age and the skew in the future, and it never makes the receiver forget a ticket.
    """

    meaning: TimestampMeaning = TimestampMeaning.EXPIRES
    max_age: float = 86_400.0
    """Maximum lifetime of a ticket; one that expires later than this is refused."""

    skew: float = 30.0
    """Allowed difference between the clocks, and between a timestamp and the issued one."""

    def expiry(self, timestamp: int, now: datetime) -> int:
        """Return when a ticket expires, in milliseconds since 1970.

        Raises:
            Rejected: The ticket is not valid now.
        """
        current, max_age, skew = milliseconds(now), int(self.max_age * 1000), int(self.skew * 1000)
        expiry = self._expiry(timestamp)
        if not current <= expiry <= current + max_age + 2 * skew:
            raise Rejected(Reason.EXPIRED)
        return expiry

    def _expiry(self, timestamp: int) -> int:
        seconds = self.skew + (self.max_age if self.meaning is TimestampMeaning.ISSUED else 0)
        return timestamp + int(seconds * 1000)

    def check_issued(self, timestamp: int, grant: Grant, now: datetime) -> None:
        """Check an access against the times of its grant, which the sender cannot change.

        Raises:
            Rejected: The session has ended, or the timestamp is not the issued one.
        """
        if grant.until is not None and now > grant.until:
            raise Rejected(Reason.EXPIRED)
        if grant.auth_ts is not None and abs(timestamp - grant.auth_ts) > self.skew * 1000:
            raise Rejected(Reason.TIMESTAMP)

    def end(self, grant: Grant) -> int | None:
        """Return when a grant accepts nothing any more, in milliseconds since 1970; None if never."""
        until = None if grant.until is None else milliseconds(grant.until)
        issued = None if grant.auth_ts is None else self._expiry(grant.auth_ts) + int(self.skew * 1000)
        return min((end for end in (until, issued) if end is not None), default=None)


def milliseconds(at: datetime) -> int:
    """Return milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def verify(access: Access, grant: Grant, cipher: Cipher) -> bytes:
    """Check an access against its grant; return a digest of what nobody but its owner could send.

    That is the issued ticket. Without one it is the encrypted data, decoded, since the same bytes can be
    written in several ways: a ticket that is compared with nothing is no proof.

    Raises:
        Rejected: The ticket, the key or the plaintext is wrong.
    """
    if grant.ticket is not None and not hmac.compare_digest(access.ticket.encode(), grant.ticket.encode()):
        raise Rejected(Reason.TICKET)
    _check_content(cipher.decrypt(grant.key, access.iv, access.data), grant, cipher)
    if grant.ticket is not None:
        return digest(access.session.encode(), grant.ticket.encode())
    return digest(cipher.encoding.to_bytes(access.iv), cipher.encoding.to_bytes(access.data))


def _check_content(plaintext: bytes, grant: Grant, cipher: Cipher) -> None:
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


def digest(*parts: bytes) -> bytes:
    """Return a digest of byte strings that differs for every other sequence of them."""
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
