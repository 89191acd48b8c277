"""A fast server for benchmarks, on raw asyncio, without authentication and validation.

It implements the operations of KooPhone and CPH that the benchmarks use, with configurable response time and
job duration. It runs in a separate process, so that the CPU time of the client is measured alone.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote

import msgspec
from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

Json = dict[str, Any]

PROJECT: Final = "5f1a0f6b7a3b4a5d9c0e1f2a3b4c5d6e"

_HEAD: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_OK: Final = {"error_code": "0", "error_msg": "OK"}


def instance(number: int) -> Json:
    """Return an item of KooPhone's list with every documented field."""
    return {
        "instance_id": f"i{number:07}", "instance_name": f"shop-{number:05}", "region": "cn-north-7",
        "instance_sku": "Professional edition | 8 vCPUs | 16 GB | 10 GB storage", "frozen_status": 0,
        "running_status": 2, "login_status": 0, "assign_status": 1, "assign_user": "1008600000097131912",
        "billing_mode": "1", "project_id": PROJECT, "project_name": "cn-north-7", "phone_id": f"p{number:07}",
        "member_name": "test", "account_name": "someone@example.com", "region_name": "CN North-Ulanqab203",
        "region_name_en": "CN North-Ulanqab203", "backup_status": 0, "backup_time": "2024-05-24 17:34:58",
        "restore_status": 0, "restore_time": "2024-05-24 20:34:58",
    }  # fmt: skip


def phone(number: int) -> Json:
    """Return an item of CPH's list with the fields of the documented example."""
    return {
        "phone_name": f"mobile-{number:05}", "server_id": "88b8449b896f3a4f0ad57222dd91909a",
        "phone_id": f"{number:032x}", "phone_model_name": "AOSP-1U4G15G-001",
        "image_id": "88b8449b896f3a4f0ad57222dd91909b", "vnc_enable": "true", "status": 2, "type": 0,
        "metadata": {"order_id": "CS1710111105S8IPB", "product_id": "00301-25217-0--0"},
        "create_time": "2017-10-10T00:00:00Z", "update_time": "2018-10-10T00:00:00Z",
    }  # fmt: skip


def instance_list(rows: int) -> bytes:
    """Return a page of KooPhone's list."""
    page = {"page_no": 1, "page_size": rows, "total_count": rows}
    return msgspec.json.encode({"data": {"result": [instance(n) for n in range(rows)]}} | page | _OK)


def phone_list(rows: int) -> bytes:
    """Return a page of CPH's list."""
    return msgspec.json.encode(
        {
            "request_id": "6a63a18b8bab40ffb71ebd9cb80d0085",
            "count": rows,
            "phones": [phone(n) for n in range(rows)],
        }
    )


@frozen
class _Task:
    started_at: float
    ids: list[str]
    jobs: list[str]


@define
class _Service:
    """Tasks and settings of the server."""

    delay: float = 0.0
    seconds: float = 0.0
    """Duration of every job."""

    requests: int = 0
    tasks: dict[str, _Task] = field(factory=dict[str, _Task])
    _numbers: Iterator[int] = field(factory=count)
    _lists: dict[str, bytes] = field(factory=lambda: {"i": instance_list(100), "p": phone_list(100)})

    def set(self, path: str) -> bytes:
        """Apply new settings; return the number of requests since the last change."""
        delay, seconds = path.split("/")[2:]
        requests, self.requests = self.requests, 0
        self.delay, self.seconds = float(delay), float(seconds)
        return str(requests).encode()

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        """Answer one request of either service."""
        path, _, query = target.partition("?")
        self.requests += 1
        if path == "/v1/instances/async-command":
            task, jobs = self._start(msgspec.json.decode(body)["instance_ids"], "instance_id")
            return msgspec.json.encode({"data": {"task_id": task, "cmd_jobs": jobs}} | _OK)
        if path.startswith("/v1/instances/tasks/"):
            return msgspec.json.encode({"data": {"jobs": self._jobs(path.rpartition("/")[2])}} | _OK)
        if path.endswith("/phones/commands"):
            task, jobs = self._start(msgspec.json.decode(body)["phone_ids"], "phone_id")
            return msgspec.json.encode({"request_id": task, "jobs": jobs})
        if path.endswith("/cloud-phone/jobs"):
            ids = parse_qs(query).get("request_ids") or parse_qs(query)["request_id"]
            jobs = [job for task in unquote(ids[0]).split(",") for job in self._jobs(task)]
            return msgspec.json.encode({"request_id": "1", "count": len(jobs), "jobs": jobs})
        if method == "GET":
            return self._lists["p" if path.endswith("/phones") else "i"]
        return b'{"error_code":"0","error_msg":"OK"}'

    def _start(self, ids: list[str], id_field: str) -> tuple[str, list[dict[str, str]]]:
        number = next(self._numbers)
        jobs = [f"{number:024x}{place:08x}" for place in range(len(ids))]
        task = f"task{number:028x}"
        self.tasks[task] = _Task(asyncio.get_running_loop().time(), ids, jobs)
        return task, [{id_field: id, "job_id": job} for id, job in zip(ids, jobs, strict=True)]

    def _jobs(self, name: str) -> list[Json]:
        task = self.tasks[name]
        ended = asyncio.get_running_loop().time() >= task.started_at + self.seconds
        result: Json = (
            {"status": 2, "error_code": "", "error_msg": "", "execute_msg": "13"} if ended
            else {"status": 1, "error_code": "", "error_msg": "", "execute_msg": None}
        )  # fmt: skip
        return [{"job_id": job, "phone_id": id} | result for id, job in zip(task.ids, task.jobs, strict=True)]


class _Connection(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, service: _Service) -> None:
        """Start with an empty buffer."""
        self._service = service
        self._buffer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the type checkers
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once a request is complete."""
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator or len(rest) < _length(head):
            return
        self._buffer = b""
        method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
        if target.startswith("/_bench/"):
            self._write(self._service.set(target))
            return
        answer = self._service.answer(method, target, rest)
        if self._service.delay:
            asyncio.get_running_loop().call_later(self._service.delay, self._write, answer)
        else:
            self._write(answer)

    def _write(self, body: bytes) -> None:
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )


def _length(head: bytes) -> int:
    name = head.lower().find(b"content-length:")
    return 0 if name < 0 else int(head[name + 15 :].split(b"\r\n", 1)[0])


async def _serve() -> None:
    service = _Service()
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(service), "127.0.0.1", 0, backlog=1024
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@frozen
class Server:
    """A running server."""

    address: str
    pid: int

    def set(self, *, delay: float = 0.0, seconds: float = 0.0) -> int:
        """Set response time and job duration in seconds; return the requests since the last call."""
        with urllib.request.urlopen(f"{self.address}/_bench/{delay}/{seconds}") as answer:  # noqa: S310 - ours
            return int(answer.read())

    def cpu(self) -> float:
        """Return the CPU seconds that its process has used, as Linux counts them."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9


@contextmanager
def run_server(module: str = "benchmarks.server", *arguments: str) -> Generator[Server]:
    """Run a server, which prints its port, in a separate process."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None  # noqa: S101 - for the type checkers
        try:
            yield Server(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)
        finally:
            process.terminate()


if __name__ == "__main__":
    asyncio.run(_serve())
