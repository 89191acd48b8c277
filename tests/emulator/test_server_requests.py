"""Requests are validated and counted, and the emulator's own interface answers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from koophone_async import Edition, Password, Quota
from koophone_async.emulator import Delay, Durations, Emulator, Fault, Refuse, Stick
from koophone_async.emulator.server.request_parsing import HttpRequest, parse_request
from koophone_async.koophone import Commands, KooPhone
from koophone_async.operation import Operation
from koophone_async.services.koophone import commands
from koophone_async.virtual_time import VirtualTimeLoop, run_virtually
from tests.emulator.signed_client import SignedClient, in_both_editions, virtual_emulator

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.virtual_time, pytest.mark.emulator(phones=3, jobs=Durations(fixed=5))]

RUN = "/v1/instances/async-command"
ONE = {"instance_ids": ["phone0001"], "command": "echo hi"}
BARE = {"Content-Type": "application/json"}
MINUTE = {"koophone.commands.run": [Quota(6, 60)]}


async def own(call: SignedClient, method: str, path: str, body: Any = None) -> tuple[int, Any]:  # noqa: ANN401 - JSON
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    address = f"{call.emulator.endpoint}/_emulator/{path}"
    async with call.http.request(method, address, data=data) as answer:
        text = await answer.read()
        return answer.status, json.loads(text) if text else None


@in_both_editions
async def test_a_missing_request_id_is_refused_with_status_200(call: SignedClient) -> None:
    response = await call("POST", RUN, ONE, headers=BARE)

    assert (response.status, response.code) == (200, "KOOPHONE.API.0002")
    in_english = "missing request header 'x-request-id'."
    in_chinese = "缺少请求头x-request-id"
    assert response.body["error_msg"] == (in_chinese if call.emulator.world.china else in_english)


async def test_the_request_id_can_be_in_the_query(call: SignedClient) -> None:
    query = (("page_no", "1"), ("page_size", "1"), ("x-request-id", "r1"))

    assert (await call("GET", "/v1/instances/batch-query", query=query, headers=BARE)).code == "0"


@in_both_editions
@pytest.mark.parametrize("request_id", ["a b", "x" * 129, "{}", "r\u00e9"])
async def test_an_invalid_request_id_is_refused(call: SignedClient, request_id: str) -> None:
    response = await call("POST", RUN, ONE, headers=BARE | {"x-request-id": request_id})

    assert (response.status, response.code) == (400, "KOOPHONE.API.0003")
    assert call.emulator.ledger.executions("koophone.commands.run") == {}


async def test_some_operations_need_no_request_id(call: SignedClient) -> None:
    response = await call("GET", "/v1/instances/sku", query=(("type", "0"),), headers=BARE)

    assert response.code == "0"


@pytest.mark.parametrize(
    "wrong",
    [
        {"instance_ids": [f"phone{n:04}" for n in range(101)], "command": "id"},
        {"instance_ids": [], "command": "id"},
        {"instance_ids": "phone0001", "command": "id"},
        {"instance_ids": ["phone0001"], "command": "x" * 1025},
        {"instance_ids": ["phone0001"]},
        {"instance_ids": ["x" * 33], "command": "id"},
        ["phone0001"],
        b"{",
        None,
    ],
    ids=[
        "101 ids",
        "no ids",
        "no list",
        "long command",
        "no command",
        "long id",
        "no object",
        "no JSON",
        "no body",
    ],
)
async def test_an_invalid_request_is_refused(call: SignedClient, wrong: object) -> None:
    response = await call("POST", RUN, wrong)
    assert (response.status, response.code) == (400, "KOOPHONE.API.1000")
    assert call.emulator.ledger.executions(commands.RUN.name) == {}
    assert call.emulator.ledger.recent_requests[-1].reason


@frozen
class Several:
    ids: tuple[str, ...]
    most: int | None = None


def test_a_repeated_query_parameter_is_a_list() -> None:
    operation = Operation("x.y.list", "GET", "/x", Several, Several, source="none", repeatable=True)
    http = HttpRequest({}, (("ids", "a"), ("ids", "b"), ("most", "3")), b"", None)

    assert parse_request(operation, http, Edition.CHINA, strict=True) == Several(("a", "b"), 3)


@pytest.mark.emulator(strict=False, phones=200)
async def test_without_strict_a_readable_request_is_accepted(call: SignedClient) -> None:
    ids = [f"phone{n:04}" for n in range(1, 151)]

    response = await call("POST", RUN, {"instance_ids": ids, "command": "true"}, headers=BARE)

    assert len(response.data["cmd_jobs"]) == 150


@pytest.mark.emulator(edition="international")
async def test_errors_of_one_operation_have_another_field_name(call: SignedClient) -> None:
    response = await call("POST", "/v1/instances/sync-command", {})

    assert set(response.body) == {"error_code", "error_info"}


@in_both_editions
async def test_unknown_paths_are_refused_by_the_gateway(call: SignedClient) -> None:
    for method, path in (("GET", "/v1/nothing"), ("GET", RUN), ("DELETE", "/v1/instances/tasks/1")):
        response = await call(method, path)
        assert response.status == 404
        assert response.body == {
            "error_code": "APIGW.0101",
            "error_msg": "The API does not exist or has not been published in the environment",
            "request_id": "r1",
        }


async def test_a_body_over_16_mib_is_refused(call: SignedClient) -> None:
    response = await call("POST", RUN, b" " * (16 * 2**20 + 1))

    assert response.status == 413


@pytest.mark.emulator(quotas=MINUTE)
async def test_a_quota_is_an_exact_sliding_window(call: SignedClient) -> None:
    taken: list[int] = []
    for second in range(130):
        await asyncio.sleep(second - VirtualTimeLoop.running().time())
        if (await call.run(["phone0001"])).status == 200:
            taken.append(second)

    assert taken == [*range(6), *range(60, 66), *range(120, 126)]


@pytest.mark.emulator(quotas=MINUTE)
async def test_a_call_over_the_quota_is_refused_by_the_gateway(call: SignedClient) -> None:
    for _ in range(6):
        await call.run(["phone0001"])

    response = await call.run(["phone0001"])

    assert (response.status, response.code) == (429, "APIGW.0308")
    assert response.body["error_msg"] == (
        "The throttling threshold has been reached: policy user over ratelimit,limit:6,time:1 minute"
    )
    assert call.emulator.ledger.executions(commands.RUN.name) == {"phone0001": 6}


@pytest.mark.emulator(quotas={"koophone": [Quota(1, 1)], "*": [Quota(5, 90)]}, quota_figures=False)
async def test_a_quota_can_be_of_a_service_and_hide_its_figures(call: SignedClient) -> None:
    await call.run(["phone0001"])

    response = await call("GET", "/v1/instances/sku", query=(("type", "0"),))

    assert response.body["error_msg"] == "The throttling threshold has been reached"
    assert "projects" in (await call("GET", "/v3/projects")).body


async def test_ledger_and_requests_can_be_read(call: SignedClient) -> None:
    await call.run(["phone0001", "phone0002"])
    await call.run(["stranger"])

    status, ledger = await own(call, "GET", "ledger")
    _, records = await own(call, "GET", "requests")

    assert (status, ledger) == (
        200,
        {"executions": {"koophone.commands.run": {"phone0001": 1, "phone0002": 1}}, "requests": 2},
    )
    first, second = records["requests"]
    assert (first["verdict"], first["status"], first["ids"], first["executed"]) == ("answered", 200, 2, True)
    assert (second["verdict"], second["code"], second["executed"]) == ("refused", "KOOPHONE.API.1001", False)
    assert call.emulator.access_key.secret_key not in json.dumps(records)


@in_both_editions
async def test_the_state_counts_phones_and_jobs(call: SignedClient) -> None:
    await call.run(["phone0001"])
    await call("POST", "/v1/instances/reboot", {"instance_ids": ["phone0002"]})

    _, state = await own(call, "GET", "state")

    assert (state["phones"], state["jobs"], state["tasks"]) == (
        {"running": 2, "starting": 1},
        {"running": 1},
        1,
    )


async def test_faults_can_be_replaced_and_read(call: SignedClient) -> None:
    plan = [{"operation": "koophone.commands.run", "first": 1, "action": {"kind": "refuse", "status": 503}}]

    status, understood = await own(call, "PUT", "faults", plan)

    assert (status, understood[0]["action"]["code"]) == (200, "KOOPHONE.API.9999")
    assert (await own(call, "GET", "faults"))[1] == understood
    assert [(await call.run(["phone0001"])).status for _ in range(2)] == [503, 200]


@pytest.mark.parametrize(
    "wrong",
    [
        b"{",
        1,
        [{"action": "explode"}],
        [{"action": {"kind": "delay", "hours": 1}}],
        [{"action": 1}],
        [{"action": "end_token", "phone": "phone0001"}],
        [{"action": "stall", "probability": 2}],
        [{"action": "stall", "every": 0}],
        [{"colour": "red"}],
    ],
)
@pytest.mark.emulator(faults=[Fault(Delay(1))])
async def test_an_invalid_plan_is_refused_and_changes_nothing(call: SignedClient, wrong: object) -> None:
    status, response = await own(call, "PUT", "faults", wrong)
    assert (status, list(response)) == (400, ["error"])
    assert call.emulator.plan.faults == (Fault(Delay(1)),)


@pytest.mark.emulator(faults=[Fault(Refuse())])
async def test_a_reset_restores_the_initial_state(call: SignedClient) -> None:
    call.emulator.heal()
    await call.run(["phone0001"], "setprop debug.color blue")

    status, _ = await own(call, "POST", "reset")

    assert (status, call.emulator.ledger.to_json()) == (204, {"executions": {}, "requests": 0})
    assert "debug.color" not in call.emulator.phones["phone0001"].android.properties
    assert call.emulator.plan.faults == ()
    assert (await call.run(["phone0001"])).code == "0"


async def test_unknown_paths_of_the_own_interface_are_404(call: SignedClient) -> None:
    for method in ("GET", "POST"):
        status, answer = await own(call, method, "nothing")
        assert status == 404
        assert answer["error"].startswith(
            f"the emulator has no {method} /_emulator/nothing; it has GET /_emulator/,"
        )
    assert call.emulator.ledger.requests == 0


def test_a_snapshot_restores_phones_jobs_and_ledger(tmp_path: Path) -> None:
    path = tmp_path / "state.json"

    async def before() -> str:
        async with virtual_emulator(state=path) as emulator, SignedClient(emulator) as call:
            emulator.fault(Stick(), phone="phone0003")
            started = await call.run(["phone0001", "phone0003"], "setprop debug.color blue")
            await call("POST", "/v1/instances/reboot", {"instance_ids": ["phone0002"]})
            return str(started.data["task_id"])

    async def after(task: str) -> None:
        async with virtual_emulator(state=path) as emulator, SignedClient(emulator) as call:
            assert emulator.ledger.executions("koophone.commands.run") == {"phone0001": 1, "phone0003": 1}
            assert emulator.phones["phone0001"].android.properties["debug.color"] == "blue"
            assert [job["status"] for job in (await call.task(task)).data["jobs"]] == [1, 1]
            assert await call.status(["phone0002"]) == [4]
            await asyncio.sleep(5)
            assert [job["status"] for job in (await call.task(task)).data["jobs"]] == [2, 1]
            assert await call.status(["phone0002"]) == [2]

    run_virtually(after(run_virtually(before())))
    assert "secret" not in path.read_text()


@pytest.mark.parametrize("other", [{"seed": 2}, {"edition": "international"}, {"phones": 4}])
async def test_a_snapshot_of_another_emulator_is_refused(tmp_path: Path, other: dict[str, Any]) -> None:
    options: dict[str, Any] = {"state": tmp_path / "state.json", "regions": ("cn-north-4",)}
    async with virtual_emulator(**options):
        pass

    with pytest.raises(ValueError, match="of another"):
        async with virtual_emulator(**options | other):
            pass


async def test_the_banner_has_everything_a_client_needs() -> None:
    async with Emulator() as emulator:
        banner = emulator.banner()

        assert list(banner) == [
            *("endpoint", "cph_endpoint", "iam_endpoint"),
            *("access_key", "secret_key", "project_id"),
            *("user", "password", "domain", "project"),
        ]
        assert banner["endpoint"].startswith("http://127.0.0.1:")
        assert all(banner.values())


async def test_the_banner_is_enough_for_a_token() -> None:
    async with Emulator() as emulator:
        banner = emulator.banner()
        password = Password(
            user=banner["user"],
            password=banner["password"],
            domain=banner["domain"],
            project=banner["project"],
        )
        async with emulator.session(credentials=password) as session:
            assert (await KooPhone(session).instances.status(["phone0001"])).statuses


@pytest.mark.parametrize(
    "host, shown",
    [
        ("0.0.0.0", "http://127.0.0.1:9"),  # noqa: S104 - as containers listen
        ("::", "http://[::1]:9"),
        ("0::0", "http://[::1]:9"),
        ("127.0.0.2", "http://127.0.0.2:9"),
        ("fe80::1", "http://[fe80::1]:9"),
        ("emulator", "http://emulator:9"),
    ],
)
def test_the_endpoint_is_an_address_to_connect_to(host: str, shown: str) -> None:
    emulator = Emulator(host=host, port=9)

    assert emulator.endpoint == emulator.cph_endpoint == emulator.iam_endpoint == shown


async def test_an_emulator_on_all_addresses_answers_at_its_endpoint() -> None:
    async with Emulator(host="0.0.0.0") as emulator, SignedClient(emulator) as call:  # noqa: S104 - as containers listen
        assert (await call.run(["phone0001"])).code == "0"


async def test_the_same_seed_generates_the_same_keys() -> None:
    async with Emulator(seed=7) as one, Emulator(seed=7) as other, Emulator(seed=8) as third:
        assert one.access_key == other.access_key != third.access_key
        assert one.password not in repr(one.accounts)


async def test_the_emulator_can_listen_on_ipv6() -> None:
    async with Emulator(host="::1") as emulator, SignedClient(emulator) as call:
        assert emulator.endpoint.startswith("http://[::1]:")
        assert (await call.run(["phone0001"])).code == "0"


async def test_a_session_of_the_emulator_calls_it() -> None:
    async with Emulator(phones=1, jobs=Durations(fixed=0)) as emulator, emulator.session() as session:
        results = await Commands(session).run_sync(["phone0001"], "echo hi")

    assert [result.output for result in results.results] == ["hi\n"]
    assert emulator.ledger.executions("koophone.commands.run_sync") == {"phone0001": 1}
