"""The vendor's SDK for CPH, used as somebody would who knows it well.

Plain calls in threads of one's own, with a pool of as many connections as threads: the SDK's own
asynchronous client has eight threads and no more. It has no types, so here it is `Any`.
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


def client(address: str, threads: int) -> Any:  # noqa: ANN401 - as above
    """Make a client whose pool suits so many threads."""
    config = _config.HttpConfig(pool_connections=threads, pool_maxsize=threads)
    credentials = _credentials.BasicCredentials(*KEY, PROJECT)
    made = v1.CphClient.new_builder().with_credentials(credentials).with_http_config(config)
    return made.with_endpoint(address).build()


def signing(path: str, body: str) -> Callable[[], object]:
    """Give what signs a request with the SDK's signer, its request made anew as the SDK does."""
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


def sanitized(body: Any) -> Any:  # noqa: ANN401 - as above
    """Make of a request's body what the SDK gives to `json.dumps`."""
    return importlib.import_module("huaweicloudsdkcore.utils.http_utils").sanitize_for_serialization(body)


class _Answer:
    """As much of an answer of `requests` as the SDK's reading looks at."""

    def __init__(self, body: bytes) -> None:
        self.content = body
        self.text = body.decode()
        self.status_code = 200
        self.headers = {"Content-Type": "application/json"}


def reading(body: bytes, kind: str) -> Callable[[], object]:
    """Give what reads an answer into the SDK's models."""
    sdk, answer = client("http://127.0.0.1", 1), _Answer(body)
    return lambda: sdk.sync_response_handler(answer, kind, [], None)


def listing(sdk: Any) -> Callable[[], object]:  # noqa: ANN401 - as above
    """Give the call that lists phones."""
    return lambda: sdk.list_cloud_phones(v1.ListCloudPhonesRequest(limit=100))


def shell(sdk: Any, ids: Sequence[str]) -> Any:  # noqa: ANN401 - as above
    """Start a command on at most 100 phones."""
    body = v1.RunShellCommandRequestBody(command="shell", content="getprop", phone_ids=list(ids))
    return sdk.run_shell_command(v1.RunShellCommandRequest(body=body))


def looking(sdk: Any, request: str) -> Any:  # noqa: ANN401 - as above
    """Look at the jobs of a call."""
    return sdk.list_jobs(v1.ListJobsRequest(request_ids=request, limit=100))


def fan_out(sdk: Any, ids: Sequence[str], threads: int) -> int:  # noqa: ANN401 - as above
    """Run a command on all: every call first, then looks at what is open in rounds, a second apart."""
    chunks = [ids[at : at + 100] for at in range(0, len(ids), 100)]
    ended = 0

    def start(chunk: Sequence[str]) -> str:
        return str(shell(sdk, chunk).request_id)

    def look(request: str) -> list[Any]:
        return list(looking(sdk, request).jobs)

    with ThreadPoolExecutor(threads) as pool:
        left: list[str] = list(pool.map(start, chunks))
        while left:
            time.sleep(1)
            seen = dict(zip(left, pool.map(look, left), strict=True))
            left = [str(request) for request, jobs in seen.items() if any(job.status == 1 for job in jobs)]
            ended += sum(len(jobs) for request, jobs in seen.items() if request not in left)
    return ended


def in_threads(call: Callable[[], object], times: int, threads: int) -> None:
    """Make a call so many times from so many threads."""

    def make(_: int) -> object:
        return call()

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(make, range(times)):
            pass
