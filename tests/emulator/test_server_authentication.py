"""Signatures and tokens are verified, and IAM issues tokens."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from koophone_async.emulator import Durations
from koophone_async.iam import CreateToken
from koophone_async.protocol.signing import Algorithm, Request, Signer
from koophone_async.wire import to_wire
from tests.emulator.signed_client import SignedClient, in_both_editions

if TYPE_CHECKING:
    from koophone_async.emulator import Emulator

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

STATUS = "/v1/instances/batch-query-status"
ONE = {"instance_ids": ["phone0001"]}


def sign_in(emulator: Emulator, password: str | None = None, project: str | None = None) -> object:
    secret = emulator.password if password is None else password
    return to_wire(CreateToken.of(emulator.user, secret, emulator.domain, project or emulator.project))


async def token(call: SignedClient) -> str:
    response = await call("POST", "/v3/auth/tokens", sign_in(call.emulator), headers={"X-Auth-Token": ""})
    assert response.status == 201
    return response.headers["X-Subject-Token"]


def with_token(value: str) -> dict[str, str]:
    return {"X-Auth-Token": value, "x-request-id": "r1", "Content-Type": "application/json"}


@in_both_editions
async def test_a_signed_request_is_accepted(call: SignedClient) -> None:
    assert (await call("POST", STATUS, ONE)).code == "0"


async def test_every_signing_algorithm_is_accepted(call: SignedClient) -> None:
    key = call.emulator.access_key
    for algorithm in Algorithm:
        signer = Signer(key.access_key, key.secret_key, algorithm=algorithm, region="r", service="s")
        assert (await call("POST", STATUS, ONE, signer=signer)).code == "0", algorithm


async def test_a_wrong_secret_key_is_refused_by_the_gateway(call: SignedClient) -> None:
    signer = Signer(call.emulator.access_key.access_key, "wrong")

    response = await call("POST", "/v1/instances/reboot", ONE, signer=signer)

    assert response.status == 401
    assert response.body["error_code"] == "APIGW.0301"
    assert (
        response.body["error_msg"] == "Incorrect IAM authentication information: verify aksk signature fail"
    )
    assert response.body["request_id"] == "r1"
    assert call.emulator.ledger.executions("koophone.instances.reboot") == {}


async def test_an_unknown_access_key_is_refused(call: SignedClient) -> None:
    response = await call("POST", STATUS, ONE, signer=Signer("nobody", "secret"))

    assert (response.status, response.code) == (401, "APIGW.0301")
    assert "ak not exist" in response.body["error_msg"]


async def test_a_body_changed_after_signing_is_refused(call: SignedClient) -> None:
    headers = {"x-request-id": "r1", "Content-Type": "application/json"}
    signed = Request("POST", STATUS, (), headers, b'{"instance_ids":["phone0001"]}')
    host = call.emulator.endpoint.removeprefix("http://")
    headers |= call.signer.sign(signed, host, call.emulator.accounts.now())

    response = await call("POST", STATUS, b'{"instance_ids":["phone0002"]}', headers=headers)

    assert (response.status, response.code) == (401, "APIGW.0301")


async def test_a_clock_skew_over_15_minutes_is_refused(call: SignedClient) -> None:
    headers = {"x-request-id": "r1", "Content-Type": "application/json"}
    body = b'{"instance_ids":["phone0001"]}'
    host = call.emulator.endpoint.removeprefix("http://")
    codes: list[str] = []
    for minutes in (-16, -15, 15, 16):
        at = call.emulator.accounts.now() + timedelta(minutes=minutes)
        signed = headers | call.signer.sign(Request("POST", STATUS, (), headers, body), host, at)
        codes.append((await call("POST", STATUS, body, headers=signed)).code)

    assert codes == ["APIGW.0301", "0", "0", "APIGW.0301"]


async def test_an_invalid_date_is_refused(call: SignedClient) -> None:
    headers = {
        "x-request-id": "r1",
        "X-Sdk-Date": "yesterday",
        "Authorization": f"SDK-HMAC-SHA256 Access={call.emulator.access_key.access_key},"
        " SignedHeaders=x-sdk-date, Signature=00",
    }

    assert (await call("GET", "/v1/instances/sku", headers=headers)).code == "APIGW.0301"


async def test_an_invalid_authorization_header_is_refused(call: SignedClient) -> None:
    response = await call("GET", "/v1/instances/sku", headers={"Authorization": "Basic abc"})

    assert (response.status, response.code) == (401, "APIGW.0301")


async def test_a_request_without_credentials_is_refused(call: SignedClient) -> None:
    response = await call("GET", "/v1/instances/sku", headers={"X-Auth-Token": ""})

    assert response.body["error_msg"] == "Incorrect IAM authentication information: x-auth-token not found"


async def test_a_temporary_key_needs_its_token_and_expires(call: SignedClient) -> None:
    key = call.emulator.temporary_key(seconds=60)
    whole = Signer(key.access_key, key.secret_key, key.security_token)
    half = Signer(key.access_key, key.secret_key)

    assert (await call("POST", STATUS, ONE, signer=whole)).code == "0"
    assert (await call("POST", STATUS, ONE, signer=half)).code == "APIGW.0301"
    await asyncio.sleep(60)
    assert (await call("POST", STATUS, ONE, signer=whole)).code == "APIGW.0301"


@in_both_editions
async def test_a_token_expires_after_a_day(call: SignedClient) -> None:
    value = await token(call)

    await asyncio.sleep(24 * 3600 - 1)
    assert (await call("POST", STATUS, ONE, headers=with_token(value))).code == "0"
    await asyncio.sleep(1)
    response = await call("POST", STATUS, ONE, headers=with_token(value))

    message = "身份验证失败！" if call.emulator.world.china else "Authenticate Failed!"  # noqa: RUF001 - as documented
    assert (response.status, response.body) == (
        401,
        {"error_code": "KOOPHONE.API.6001", "error_msg": message},
    )


async def test_revoked_tokens_are_refused(call: SignedClient) -> None:
    value = await token(call)
    call.emulator.end_tokens()

    assert (await call("POST", STATUS, ONE, headers=with_token(value))).code == "KOOPHONE.API.6001"
    assert call.emulator.ledger.executions("iam.tokens.create") == {call.emulator.user: 1}


async def test_cph_refuses_a_token_with_the_error_of_the_gateway(call: SignedClient) -> None:
    path = f"/v1/{call.emulator.project_id}/cloud-phone/phones"

    response = await call("GET", path, headers=with_token("none"))

    assert (response.status, response.code) == (401, "APIGW.0301")


async def test_a_new_token_states_when_it_expires(call: SignedClient) -> None:
    response = await call("POST", "/v3/auth/tokens", sign_in(call.emulator), headers={"X-Auth-Token": ""})

    assert response.body == {"token": {"expires_at": "2026-01-02T00:00:00.000000Z", "methods": ["password"]}}


async def test_a_wrong_password_or_project_is_refused_by_iam(call: SignedClient) -> None:
    for wrong in (
        sign_in(call.emulator, password="wrong"),
        sign_in(call.emulator, project="nowhere"),
    ):
        response = await call("POST", "/v3/auth/tokens", wrong, headers={"X-Auth-Token": ""})
        assert response.status == 401
        assert response.body["error"]["code"] == 401


@in_both_editions
async def test_iam_refuses_an_invalid_body(call: SignedClient) -> None:
    sound: Any = sign_in(call.emulator)
    auth = sound["auth"]
    by_token = {"auth": auth | {"identity": auth["identity"] | {"methods": ["token"]}}}
    # A document prints the scope there (KooPhone 3.1, 2025-12-31).
    beside = {"auth": {"identity": auth["identity"]}, "scope": auth["scope"]}
    for wrong in (by_token, beside, b"{"):
        response = await call("POST", "/v3/auth/tokens", wrong, headers={"X-Auth-Token": ""})
        assert response.status == 400
        assert response.body == {"error": {"code": 400, "message": "Request body is invalid."}}


@pytest.mark.emulator(regions=("cn-north-4", "cn-east-3"), servers=2)
async def test_projects_have_the_names_of_regions(call: SignedClient) -> None:
    everything = await call("GET", "/v3/projects")
    one = await call("GET", "/v3/projects", query=(("name", "cn-east-3"),))
    seen = await call("GET", "/v3/auth/projects")

    assert [project["name"] for project in everything.body["projects"]] == ["cn-north-4", "cn-east-3"]
    assert [project["name"] for project in one.body["projects"]] == ["cn-east-3"]
    assert seen.body == everything.body
    assert everything.body["projects"][0]["id"] == call.emulator.project_id


async def test_iam_refuses_an_invalid_token_in_its_envelope(call: SignedClient) -> None:
    response = await call("GET", "/v3/projects", headers={"X-Auth-Token": "none"})

    assert response.status == 401
    assert response.body["error"] == {
        "code": 401,
        "message": "The request you have made requires authentication.",
    }
