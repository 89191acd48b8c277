"""Whether an access is genuine: the ticket's time, its single use, and the data that its key opens.

The document (CPH 6.1, 2020-07-30) names an AES key, an initialisation vector and encrypted data, and leaves
open the mode, the encodings, the clear text, and of what `auth_ts` is the time. Each is a choice here.
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

_BLOCK: Final = 128


class Mode(StrEnum):
    """How AES is used."""

    GCM = "gcm"
    """The last 16 bytes of the data are its tag: a wrong key is always found out."""

    CBC = "cbc"
    """With the padding of PKCS #7. A wrong key goes unnoticed once in 256, so the content must be checked."""


class Encoding(StrEnum):
    """How bytes are written as text."""

    BASE64 = "base64"
    HEX = "hex"
    PLAIN = "plain"
    """The bytes are ASCII themselves; for the key only."""

    def write(self, value: bytes) -> str:
        """Write bytes as text."""
        if self is Encoding.PLAIN:
            return value.decode("ascii")
        return value.hex() if self is Encoding.HEX else base64.b64encode(value).decode()

    def read(self, text: str) -> bytes:
        """Read bytes from text, of hexadecimal or base64."""
        return bytes.fromhex(text) if self is Encoding.HEX else base64.b64decode(text, validate=True)


@frozen
class Cipher:
    """How encrypted data is read; the document leaves it open, so it is yours to choose.

    The default is what proves a key by itself: AES-GCM, everything in base64.
    """

    mode: Mode = Mode.GCM
    encoding: Encoding = field(default=Encoding.BASE64, validator=in_((Encoding.BASE64, Encoding.HEX)))
    """Of data and initialisation vector."""

    key_encoding: Encoding = Encoding.BASE64
    """Of the key in the answer."""

    def open(self, key: bytes, iv: str, data: str) -> bytes:
        """Decrypt data.

        Raises:
            Rejected: The key does not open it.
        """
        try:
            nonce, sealed = self.encoding.read(iv), self.encoding.read(data)
            if self.mode is Mode.GCM:
                return AESGCM(key).decrypt(nonce, sealed, None)
            return _open_cbc(key, nonce, sealed)
        except (ValueError, InvalidTag):
            raise Rejected(Reason.DATA) from None

    def seal(self, key: bytes, iv: bytes, content: bytes) -> tuple[str, str]:
        """Encrypt as a client does: gives `aes_iv` and `encrypted_data`."""
        if self.mode is Mode.GCM:
            sealed = AESGCM(key).encrypt(iv, content, None)
        else:
            padder, encryptor = PKCS7(_BLOCK).padder(), BlockCipher(AES(key), CBC(iv)).encryptor()
            sealed = encryptor.update(padder.update(content) + padder.finalize()) + encryptor.finalize()
        return self.encoding.write(iv), self.encoding.write(sealed)


def _open_cbc(key: bytes, iv: bytes, sealed: bytes) -> bytes:
    decryptor, unpadder = BlockCipher(AES(key), CBC(iv)).decryptor(), PKCS7(_BLOCK).unpadder()
    padded = decryptor.update(sealed) + decryptor.finalize()
    return unpadder.update(padded) + unpadder.finalize()


def _is_aes_key(_: Grant, attribute: Attribute[bytes], key: bytes) -> None:
    if len(key) not in (16, 24, 32):
        raise InvalidRequest("", attribute.name, f"has {len(key)} bytes; AES takes 16, 24 or 32")


@frozen
class Grant:
    """What your look-up knows of a session that may be entered."""

    key: bytes = field(repr=False, validator=_is_aes_key)
    """The application's AES key: 16, 24 or 32 bytes. The service gets it when the access is genuine."""

    ticket: str | None = field(default=None, repr=False)
    """The ticket that was issued, compared in constant time. None takes any, and stops no replay."""

    content: bytes | Callable[[bytes], bool] | None = field(default=None, repr=False)
    """What the data must hold once it is open, or a function that returns True. `Mode.CBC` needs it."""


class Stamp(StrEnum):
    """What `auth_ts` is the time of: the table says validity period, the example says timestamp."""

    EXPIRES = "expires"
    """The ticket's end."""

    ISSUED = "issued"
    """The ticket's beginning; it lasts for `Validity.longest`."""


@frozen
class Validity:
    """When a ticket is valid, all in seconds."""

    stamp: Stamp = Stamp.EXPIRES
    longest: float = 86_400.0
    """How long a ticket may last; one that claims to last longer is refused."""

    skew: float = 30.0
    """How far the clocks may be apart."""

    def until(self, stamp: int, now: datetime) -> int:
        """Tell to which millisecond since 1970 a ticket is valid.

        Raises:
            Rejected: It is not valid now.
        """
        moment, longest, skew = (int(s * 1000) for s in (now.timestamp(), self.longest, self.skew))
        until = stamp + skew + (longest if self.stamp is Stamp.ISSUED else 0)
        if not moment <= until <= moment + longest + 2 * skew:
            raise Rejected(Reason.EXPIRED)
        return until


def prove(access: Access, grant: Grant, cipher: Cipher) -> None:
    """Check an access against what was granted.

    Raises:
        Rejected: Another ticket, a wrong key, or data that is not what it must be.
    """
    if grant.ticket is not None and not hmac.compare_digest(access.ticket.encode(), grant.ticket.encode()):
        raise Rejected(Reason.TICKET)
    opened = cipher.open(grant.key, access.iv, access.data)
    if grant.content is None:
        if cipher.mode is Mode.CBC:
            raise Rejected(Reason.UNPROVEN)
        return
    if callable(grant.content):
        same = grant.content(opened) is True  # a coroutine, which nobody awaits, would be true too
    else:
        same = hmac.compare_digest(opened, grant.content)
    if not same:
        raise Rejected(Reason.CONTENT)


def digest(ticket: str) -> bytes:
    """Give what is remembered of a used ticket instead of the ticket."""
    return hashlib.sha256(ticket.encode()).digest()


@define(eq=False)
class UsedTickets:
    """The tickets that were used and are still valid, by digest: each lets in once.

    It never forgets a ticket that is still valid. When `most` of them are, further ones are refused.
    """

    most: int
    _until: dict[bytes, int] = field(factory=dict[bytes, int], init=False)
    _ends: list[tuple[int, bytes]] = field(factory=list[tuple[int, bytes]], init=False)

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, ticket: bytes) -> bool:
        return ticket in self._until

    def load(self, tickets: Iterable[tuple[bytes, int]]) -> None:
        """Remember tickets of an earlier run."""
        for ticket, until in tickets:
            self._remember(ticket, until)

    def spend(self, ticket: bytes, until: int, now: datetime) -> None:
        """Use a ticket up.

        Raises:
            Rejected: It was used before, or too many are remembered.
        """
        self._forget(int(now.timestamp() * 1000))
        if ticket in self._until:
            raise Rejected(Reason.REPLAYED)
        if len(self._until) >= self.most:
            raise Rejected(Reason.FULL)
        self._remember(ticket, until)

    def give_back(self, ticket: bytes) -> None:
        """Undo the use of a ticket that let nobody in."""
        del self._until[ticket]

    def _remember(self, ticket: bytes, until: int) -> None:
        self._until[ticket] = until
        heappush(self._ends, (until, ticket))

    def _forget(self, moment: int) -> None:
        while self._ends and self._ends[0][0] < moment:
            until, ticket = heappop(self._ends)
            if self._until.get(ticket) == until:
                del self._until[ticket]
