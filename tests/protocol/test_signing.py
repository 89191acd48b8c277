from __future__ import annotations

import hashlib
import importlib
import json
import random
import string
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from koophone_async.protocol.crypto import private_number, signing_key
from koophone_async.protocol.signing import (
    Algorithm,
    Authorization,
    Query,
    Request,
    Signer,
    canonical_request,
    parse_authorization,
    string_to_sign,
    target,
    timestamp,
    verify,
)

ACCESS, SECRET = "AKEXAMPLE0000000TEST", "skExample+/0000000000000000000000000TEST"
HOST = "koophone.myhuaweicloud.com"
AT = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "signing-vectors.json").read_text())[
    "vectors"
]
OFFERED = [vector for vector in VECTORS if vector["algorithm"] in set(Algorithm)]

# The vendor's packages carry no types.
vendor: Any = importlib.import_module("huaweicloudsdkcore.signer.signer")
vendor_request: Any = importlib.import_module("huaweicloudsdkcore.sdk_request")
vendor_auth: Any = importlib.import_module("huaweicloudsdkcore.auth.credentials")
requests_utils: Any = importlib.import_module("requests.utils")

VENDOR_SIGNERS = {
    Algorithm.HMAC_SHA256: vendor.Signer,
    Algorithm.HMAC_SM3: vendor.SM3Signer,
    Algorithm.ECDSA_P256: vendor.P256SHA256Signer,
    Algorithm.DERIVED: vendor.DerivationAKSKSigner,
}


def by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def query_of(vector: dict[str, Any]) -> Query:
    pairs: list[tuple[str, object]] = vector["query"]
    many = (
        (name, cast("list[object]", value) if isinstance(value, list) else [value]) for name, value in pairs
    )
    return [(name, plain(value)) for name, values in many for value in values]


def request_of(vector: dict[str, Any]) -> Request:
    headers = {name: value for name, value in vector["headers"].items() if name != "X-Sdk-Date"}
    named = {"X-Project-Id": vector["project_id"], "X-Domain-Id": vector["domain_id"]}
    headers |= {name: value for name, value in named.items() if value}
    body = None if vector["body"] is None else vector["body"].encode()
    return Request(vector["method"], vector["path"], query_of(vector), headers, body)


def sent_by(vector: dict[str, Any]) -> Request:
    """The entire request, with the headers as the vendor sent them."""
    decoded = {name: value.encode("latin-1").decode() for name, value in vector["sent_headers"].items()}
    return evolve(request_of(vector), headers=decoded)


def signer_of(vector: dict[str, Any]) -> Signer:
    derived: dict[str, str] = vector["derived"] or {}
    algorithm = Algorithm(vector["algorithm"])
    return Signer(vector["ak"], vector["sk"], vector["security_token"], algorithm=algorithm, **derived)


def scope_of(vector: dict[str, Any]) -> str:
    derived = vector["derived"]
    return f"20250102/{derived['region']}/{derived['service']}" if derived else ""


@pytest.mark.parametrize("vector", VECTORS, ids=by_name)
def test_canonical_request_and_string_to_sign_are_the_vendors(vector: dict[str, Any]) -> None:
    canonical = canonical_request(vector["algorithm"], sent_by(vector))
    text = string_to_sign(vector["algorithm"], vector["x_sdk_date"], canonical, scope_of(vector))

    assert canonical == vector["canonical_request"]
    assert text == vector["string_to_sign"]


@pytest.mark.parametrize("vector", VECTORS, ids=by_name)
def test_the_target_is_that_of_the_vendors_client(vector: dict[str, Any]) -> None:
    assert target(vector["path"], query_of(vector)) == requests_utils.requote_uri(vector["request_target"])


@pytest.mark.parametrize("vector", [v for v in OFFERED if v["deterministic"]], ids=by_name)
def test_the_authorization_is_the_vendors(vector: dict[str, Any]) -> None:
    added = signer_of(vector).sign(request_of(vector), vector["host"], AT)

    assert added.pop("Authorization") == vector["authorization"]
    assert {"Host": vector["host"], **request_of(vector).headers, **added}.keys() == vector[
        "sent_headers"
    ].keys()
    assert added.items() <= vector["sent_headers"].items()


@pytest.mark.parametrize("vector", OFFERED, ids=by_name)
def test_the_vendors_signatures_verify(vector: dict[str, Any]) -> None:
    claim = parse_authorization(vector["authorization"])

    assert claim is not None
    assert verify(claim, vector["sk"], sent_by(vector))
    assert not verify(claim, vector["sk"] + "x", sent_by(vector))


def test_the_private_key_on_p256_is_the_vendors() -> None:
    (vector,) = (vector for vector in VECTORS if vector["name"] == "ecdsa-p256-get")
    number = private_number(ACCESS.encode(), SECRET.encode())
    point = ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()

    assert f"{number:064x}" == vector["derived_private_key_hex"]
    assert [f"{point.x:064x}", f"{point.y:064x}"] == vector["public_key_hex"]


# What the vendor's signer computes, for requests that no vector has.


def vendor_signed(request: Request, signer: Signer, at: datetime) -> Any:  # noqa: ANN401 - it has no types
    """Return the request as signed by the vendor's signer."""
    headers = dict(request.headers) | {"X-Sdk-Date": at.strftime("%Y%m%dT%H%M%SZ")}
    if signer.security_token:
        headers["X-Security-Token"] = signer.security_token
    sdk_request = vendor_request.SdkRequest(
        request.method, "https", HOST, request.path, None, list(request.query), headers, request.body
    )
    judge = VENDOR_SIGNERS[signer.algorithm](
        vendor_auth.BasicCredentials(signer.access_key, signer.secret_key)
    )
    scope = (signer.service, signer.region) if signer.algorithm is Algorithm.DERIVED else ()
    return judge.sign(sdk_request, *scope)


def assert_as_the_vendor(request: Request, signer: Signer, at: datetime = AT) -> None:
    signed = vendor_signed(request, signer, at)
    added = signer.sign(request, HOST, at)
    ours = {"Host": HOST, **request.headers, **added}

    # The vendor's signer answers headers as the latin-1 reading of the UTF-8 that aiohttp sends.
    assert {
        name: value.strip().encode().decode("latin-1") for name, value in ours.items()
    } == signed.header_params
    assert target("/", request.query).lstrip("/") == signed.uri[len(request.path) :]


PIECES = (
    "a",
    "Z",
    "9",
    "-",
    "_",
    ".",
    "~",
    " ",
    "+",
    "*",
    "%",
    "%2F",
    "%20",
    "%zz",
    "é",
    "云手机",
    "😀",
    "'",
    "=",
    "&",
)
NAMES = ("X-Request-Id", "User-Agent", "x-note", "X_Under", "Accept", "X-Project-Id", "X-Domain-Id")
KINDS = ("application/json", "application/json;charset=UTF-8", "application/bson", "text/plain", "")


def seeded(seed: int) -> random.Random:
    return random.Random(seed)


def text_from(chance: random.Random, max_pieces: int) -> str:
    return "".join(chance.choices(PIECES, k=chance.randrange(max_pieces + 1)))


def headers_from(chance: random.Random) -> dict[str, str]:
    headers = {
        name: f" {text_from(chance, 5)} " for name in chance.sample(NAMES, chance.randrange(len(NAMES)))
    }
    if chance.random() < 0.2:
        headers["X-Sdk-Content-Sha256"] = chance.choice((" 0f ", "", "UNSIGNED-PAYLOAD"))
    spelling = chance.choice(("Content-Type", "content-type"))
    return headers | ({spelling: chance.choice(KINDS)} if chance.random() < 0.7 else {})


def request_from(chance: random.Random) -> Request:
    path = "/" + "/".join(text_from(chance, 4) for _ in range(chance.randrange(6)))
    keys = [text_from(chance, 3) for _ in range(3)]
    query = [(chance.choice(keys), text_from(chance, 4)) for _ in range(chance.randrange(6))]
    body = chance.choice((None, b"", text_from(chance, 30).encode()))
    return Request(chance.choice(("GET", "put", "POST", "DELETE")), path, query, headers_from(chance), body)


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.nightly)])
def test_requests_are_signed_byte_for_byte_like_the_vendors(count: int) -> None:
    chance = seeded(20250102)
    for _ in range(count):
        token = chance.choice((None, "ST0+token/=="))
        at = AT + timedelta(seconds=chance.randrange(10**9))
        assert_as_the_vendor(request_from(chance), Signer(ACCESS, SECRET, token), at)


@pytest.mark.parametrize("algorithm", [Algorithm.HMAC_SM3, Algorithm.DERIVED])
def test_the_other_hmacs_are_the_vendors_too(algorithm: Algorithm) -> None:
    chance = seeded(len(algorithm))
    signer = Signer(ACCESS, SECRET, algorithm=algorithm, region="cn-north-4", service="cph")
    for days in range(500):
        assert_as_the_vendor(request_from(chance), signer, AT + timedelta(days=days))


header_names = st.text(string.ascii_letters + string.digits + "-_!#$%&'*+.^`|~", min_size=1).filter(
    lambda name: name.lower() not in {"host", "authorization", "x-sdk-date", "x-security-token"}
)
header_sets = st.lists(st.tuples(header_names, st.text()), unique_by=lambda header: header[0].lower()).map(
    dict
)
generated = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.text().map("/".__add__),
    query=st.lists(st.tuples(st.text(), st.text())),
    headers=header_sets,
    body=st.none() | st.binary(),
)


@given(generated)
def test_any_request_is_signed_like_the_vendors(request: Request) -> None:
    assert_as_the_vendor(request, Signer(ACCESS, SECRET))


@given(generated, st.sampled_from(Algorithm))
def test_our_signatures_verify(request: Request, algorithm: Algorithm) -> None:
    claim, sent = signed(request, algorithm)

    assert verify(claim, SECRET, sent)


def signed(request: Request, algorithm: Algorithm) -> tuple[Authorization, Request]:
    """Return a claim, and the request as it arrives at the service."""
    signer = Signer(ACCESS, SECRET, "token", algorithm=algorithm, region="cn-north-4", service="cph")
    added = signer.sign(request, HOST, AT)
    claim = parse_authorization(added.pop("Authorization"))
    assert claim is not None
    return claim, evolve(request, headers={"Host": HOST, **request.headers, **added})


COMMAND = Request(
    "POST", "/v1/commands", [("a", "1")], {"Content-Type": "application/json"}, b'{"ids": ["a"]}'
)


def flipped(text: bytes, position: int) -> bytes:
    return text[:position] + bytes((text[position] ^ 1,)) + text[position + 1 :]


@given(algorithm=st.sampled_from(Algorithm), position=st.integers(0, len(COMMAND.body or b"") - 1))
def test_a_changed_body_does_not_verify(algorithm: Algorithm, position: int) -> None:
    claim, sent = signed(COMMAND, algorithm)

    assert not verify(claim, SECRET, evolve(sent, body=flipped(sent.body or b"", position)))


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_changed_signature_does_not_verify(algorithm: Algorithm) -> None:
    claim, sent = signed(COMMAND, algorithm)
    raw = bytes.fromhex(claim.signature)

    for position in range(len(raw)):
        assert not verify(evolve(claim, signature=flipped(raw, position).hex()), SECRET, sent)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("name", ["Host", "Content-Type", "X-Sdk-Date", "X-Security-Token"])
def test_a_changed_or_missing_header_does_not_verify(algorithm: Algorithm, name: str) -> None:
    claim, sent = signed(COMMAND, algorithm)
    without = {key: value for key, value in sent.headers.items() if key != name}

    assert not verify(claim, SECRET, evolve(sent, headers=without))
    assert not verify(claim, SECRET, evolve(sent, headers=without | {name: sent.headers[name] + "0"}))
    assert verify(claim, SECRET, evolve(sent, headers=without | {name.lower(): sent.headers[name]}))


@pytest.mark.parametrize(
    "change",
    [{"method": "PUT"}, {"path": "/v1/command"}, {"query": []}, {"query": [("a", "2")]}, {"body": None}],
)
def test_a_changed_request_does_not_verify(change: dict[str, Any]) -> None:
    claim, sent = signed(COMMAND, Algorithm.HMAC_SHA256)

    assert not verify(claim, SECRET, evolve(sent, **change))


def claimed(
    algorithm: Algorithm, headers: dict[str, str], scope: str = ""
) -> tuple[Authorization, str, Request]:
    """Return the arguments of `verify` for a claim that signs these headers only."""
    sent = evolve(COMMAND, headers=headers)
    text = string_to_sign(algorithm, headers.get("x-sdk-date", ""), canonical_request(algorithm, sent), scope)
    signature = signing_key(algorithm, ACCESS, SECRET, scope).sign(text.encode())
    return Authorization(algorithm, ACCESS, tuple(headers), signature, scope), SECRET, sent


def test_a_missing_signed_header_does_not_verify() -> None:
    claim, sent = signed(COMMAND, Algorithm.HMAC_SHA256)

    assert not verify(evolve(claim, signed_headers=(*claim.signed_headers, "x-ghost")), SECRET, sent)


def test_an_unsigned_date_does_not_verify() -> None:
    dated = {"host": HOST, "x-sdk-date": "20250102T030405Z"}

    assert verify(*claimed(Algorithm.HMAC_SHA256, dated))
    assert not verify(*claimed(Algorithm.HMAC_SHA256, {"host": HOST}))


def test_a_derived_key_of_another_day_does_not_verify() -> None:
    dated = {"host": HOST, "x-sdk-date": "20250102T030405Z"}

    assert verify(*claimed(Algorithm.DERIVED, dated, "20250102/cn-north-4/cph"))
    assert not verify(*claimed(Algorithm.DERIVED, dated, "20250103/cn-north-4/cph"))


@pytest.mark.parametrize(
    "given_hash,verifies",
    [
        ("UNSIGNED-PAYLOAD", True),
        (hashlib.sha256(COMMAND.body or b"").hexdigest(), True),
        (hashlib.sha256().hexdigest(), False),
    ],
)
def test_a_declared_body_hash_must_match(given_hash: str, verifies: bool) -> None:  # noqa: FBT001 - pytest passes it by name
    claim, sent = signed(evolve(COMMAND, headers={"x-sdk-content-sha256": given_hash}), Algorithm.HMAC_SHA256)

    assert verify(claim, SECRET, sent) is verifies


def test_a_header_of_invalid_utf8_does_not_verify() -> None:
    claim, sent = signed(COMMAND, Algorithm.HMAC_SHA256)
    broken = b"application/\xff".decode(errors="surrogateescape")

    assert not verify(claim, SECRET, evolve(sent, headers={**sent.headers, "Content-Type": broken}))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer abc",
        "SDK-SM2-SM3 Access=A, SignedHeaders=host, Signature=00",
        "SDK-HMAC-SHA256 Access=A, SignedHeaders=host, Signature=0",
        "SDK-HMAC-SHA256 Access=A, SignedHeaders=host, Signature=AB",
        "SDK-HMAC-SHA256 Access=A, SignedHeaders=, Signature=ab",
        "SDK-HMAC-SHA256 Credential=A/20250102/r/s, SignedHeaders=host, Signature=ab",
        "V11-HMAC-SHA256 Access=A, SignedHeaders=host, Signature=ab",
    ],
)
def test_other_authorization_schemes_are_not_parsed(value: str) -> None:
    assert parse_authorization(value) is None


def test_a_claim_has_key_and_signed_headers() -> None:
    value = "V11-HMAC-SHA256 Credential=A/20250102/r/s, SignedHeaders=host;x-sdk-date, Signature=ab"

    assert parse_authorization(value) == Authorization(
        Algorithm.DERIVED, "A", ("host", "x-sdk-date"), "ab", "20250102/r/s"
    )


@pytest.mark.parametrize(
    "path,sent",
    [
        ("/v1/a%2Fb", "/v1/a%2Fb"),
        ("/v1/100%", "/v1/100%25"),
        ("/v1/a?b#c", "/v1/a%3Fb%23c"),
        ("/v1/a b*", "/v1/a%20b*"),
        ("/v1/%e4%ba%91/", "/v1/%e4%ba%91/"),
    ],
)
def test_a_path_is_sent_with_its_escapes_and_no_added_slash(path: str, sent: str) -> None:
    assert target(path, []) == sent


@given(st.text(string.printable + "é云%").map("/".__add__))
def test_client_and_service_sign_the_same_path(path: str) -> None:
    given_path, received = (Request("GET", each, (), {}, None) for each in (path, target(path, ())))

    assert canonical_request("", given_path) == canonical_request("", received)


def test_a_timestamp_is_in_utc() -> None:
    assert timestamp(AT.astimezone(timezone(timedelta(hours=8)))) == "20250102T030405Z"
    with pytest.raises(ValueError, match="aware"):
        timestamp(AT.replace(tzinfo=None))


def test_the_signers_headers_replace_those_of_the_request() -> None:
    stale = {
        "x-sdk-date": "20200101T000000Z",
        "authorization": "old",
        "host": "other",
        "X-Security-Token": "old",
    }
    fresh = Signer(ACCESS, SECRET, "new").sign(evolve(COMMAND, headers=stale), HOST, AT)
    plain_request = evolve(COMMAND, headers={"Host": "other"})

    assert fresh == Signer(ACCESS, SECRET, "new").sign(plain_request, HOST, AT)


@pytest.mark.parametrize("given_key", [("", SECRET), (ACCESS, "")])
def test_an_incomplete_key_is_refused(given_key: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="key"):
        Signer(*given_key)


@pytest.mark.parametrize("scope", [{"region": "cn-north-4"}, {"service": "cph"}])
def test_a_derived_key_needs_region_and_service(scope: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="region and a service"):
        Signer(ACCESS, SECRET, algorithm=Algorithm.DERIVED, **scope)


def test_no_text_of_a_signer_or_claim_shows_a_secret() -> None:
    signer = Signer(ACCESS, SECRET, "token-of-an-hour")
    claim, _ = signed(COMMAND, Algorithm.HMAC_SHA256)

    for secret in (ACCESS, SECRET, "token-of-an-hour", claim.signature):
        assert secret not in f"{signer!r} {signer}"
    assert claim.signature not in repr(claim)
