"""The vendor's SDK for CPH, used as well as possible.

Calls are made in a thread pool, with a connection pool of the same size: the SDK's own asynchronous
client is limited to eight threads. The SDK has no types, so it is `Any` here.
"""

from __future__ import annotations

import importlib
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from benchmarks.server import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEY: Final = ("AKEXAMPLE0000000TEST", "skExample+/0000000000000000000000000TEST")

v1: Any = importlib.import_module("huaweicloudsdkcph.v1")
_credentials: Any = importlib.import_module("huaweicloudsdkcore.auth.credentials")
_config: Any = importlib.import_module("huaweicloudsdkcore.http.http_config")
_request: Any = importlib.import_module("huaweicloudsdkcore.sdk_request")
_signer: Any = importlib.import_module("huaweicloudsdkcore.signer.signer")


def client(address: str, threads: int) -> Any:  # noqa: ANN401 - the SDK has no types
    """Create a client with a connection for each thread."""
    config = _config.HttpConfig(pool_connections=threads, pool_maxsize=threads)
    credentials = _credentials.BasicCredentials(*KEY, PROJECT)
    builder = v1.CphClient.new_builder().with_credentials(credentials).with_http_config(config)
    return builder.with_endpoint(address).build()


def signing(path: str, body: str) -> Callable[[], object]:
    """Return a function that creates and signs a request as the SDK does."""
    signer = _signer.Signer(_credentials.BasicCredentials(*KEY, PROJECT))

    def sign() -> object:
        headers = {"Content-Type": "application/json", "X-Project-Id": PROJECT}
        return signer.sign(
            _request.SdkRequest(
                method="POST", schema="http", host="127.0.0.1", resource_path=path, uri=path,
                query_params=[], header_params=headers, body=body,
            )
        )  # fmt: skip

    return sign


def sanitized(body: Any) -> Any:  # noqa: ANN401 - the SDK has no types
    """Return the object that the SDK passes to `json.dumps` for a body."""
    return importlib.import_module("huaweicloudsdkcore.utils.http_utils").sanitize_for_serialization(body)


class _Answer:
    """The part of a `requests` response that the SDK uses."""

    def __init__(self, body: bytes) -> None:
        self.content = body
        self.text = body.decode()
        self.status_code = 200
        self.headers = {"Content-Type": "application/json"}


def reading(body: bytes, kind: str) -> Callable[[], object]:
    """Return a function that decodes an answer into the SDK's models."""
    sdk, answer = client("http://127.0.0.1", 1), _Answer(body)
    return lambda: sdk.sync_response_handler(answer, kind, [], None)


def listing(sdk: Any) -> Callable[[], object]:  # noqa: ANN401 - the SDK has no types
    """Return a function that lists phones."""
    return lambda: sdk.list_cloud_phones(v1.ListCloudPhonesRequest(limit=100))


def shell(sdk: Any, ids: Sequence[str]) -> Any:  # noqa: ANN401 - the SDK has no types
    """Start a command on at most 100 phones."""
    body = v1.RunShellCommandRequestBody(command="shell", content="getprop", phone_ids=list(ids))
    return sdk.run_shell_command(v1.RunShellCommandRequest(body=body))


def poll(sdk: Any, request: str) -> Any:  # noqa: ANN401 - the SDK has no types
    """List the jobs of a call."""
    return sdk.list_jobs(v1.ListJobsRequest(request_ids=request, limit=100))


def fan_out(sdk: Any, ids: Sequence[str], threads: int) -> int:  # noqa: ANN401 - the SDK has no types
    """Run a command on all phones: first every call, then polls of the unfinished ones once a second."""
    chunks = [ids[at : at + 100] for at in range(0, len(ids), 100)]
    ended = 0

    def start(chunk: Sequence[str]) -> str:
        return str(shell(sdk, chunk).request_id)

    def jobs_of(request: str) -> list[Any]:
        return list(poll(sdk, request).jobs)

    with ThreadPoolExecutor(threads) as pool:
        pending: list[str] = list(pool.map(start, chunks))
        while pending:
            time.sleep(1)
            polled = dict(zip(pending, pool.map(jobs_of, pending), strict=True))
            pending = [
                str(request) for request, jobs in polled.items() if any(job.status == 1 for job in jobs)
            ]
            ended += sum(len(jobs) for request, jobs in polled.items() if request not in pending)
    return ended


def in_threads(call: Callable[[], object], times: int, threads: int) -> None:
    """Make a call `times` times in a thread pool."""

    def run(_: int) -> object:
        return call()

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(run, range(times)):
            pass
