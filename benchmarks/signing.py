"""Signing: cost of a request with 100 ids."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmarks import vendor
from benchmarks.measure import FLOOR, OURS, VENDOR, Result, measure_calls, report
from koophone_async import wire
from koophone_async.protocol.signing import Request, Signer, canonical_request

if TYPE_CHECKING:
    from collections.abc import Sequence

PATH: Final = "/v1/instances/async-command"
BODY: Final = wire.encode({"instance_ids": [f"i{n:07}" for n in range(100)], "command": "getprop"})
AT: Final = datetime(2026, 1, 1, tzinfo=UTC)


def results() -> Sequence[Result]:
    """Measure our signer, the vendor's, and the minimum of any signer: two hashes and an HMAC."""
    signer = Signer(*vendor.KEY)
    headers = {"x-request-id": "0" * 32, "Content-Type": "application/json", "X-Project-Id": "p" * 32}
    request = Request("POST", PATH, (), headers, BODY)
    canonical = canonical_request("SDK-HMAC-SHA256", request).encode()
    secret = vendor.KEY[1].encode()

    def floor() -> str:
        hashlib.sha256(BODY).hexdigest()
        digest = hashlib.sha256(canonical).hexdigest()
        return hmac.digest(secret, f"SDK-HMAC-SHA256\n20260101T000000Z\n{digest}".encode(), "sha256").hex()

    ways = {
        FLOOR: floor,
        VENDOR: vendor.signing(PATH, BODY.decode()),
        OURS: lambda: signer.sign(request, "koophone.myhuaweicloud.com", AT),
    }
    samples = measure_calls(ways, loops=2000)
    return [Result("signing", "a body of 100 ids", "µs CPU", samples, max_ratio=2.3, guarded=True)]


if __name__ == "__main__":
    report(results())
