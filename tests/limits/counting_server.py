"""A server that counts when requests arrive; run as a process of its own: `python counting_server.py`.

It prints its port, answers every request until its input ends, and then prints the arrival times in seconds.
Where the kernel stamps what arrives (Linux), these are its times, which are right however late this process
runs.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time
from selectors import EVENT_READ, DefaultSelector
from typing import Final

SO_TIMESTAMPNS: Final = 35
"""Of Linux, where every request comes with the kernel's time of its arrival."""

BODY: Final = b'{"error_code":"0","error_msg":"OK","data":{"text":"done"}}'
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


def arrived(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("ll", data)
            return float(seconds + nanoseconds / 1e9)
    return time.time()


def receive(connection: socket.socket) -> tuple[bytes, list[tuple[int, int, bytes]]]:
    """Return what was received, which is nothing if the client is gone."""
    try:
        received, ancillary, _, _ = connection.recvmsg(65536, 64)
    except ConnectionResetError:
        return b"", []
    return received, ancillary


def main() -> None:
    times: list[float] = []
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    with DefaultSelector() as selector:
        selector.register(listener, EVENT_READ)
        selector.register(sys.stdin, EVENT_READ)
        print(listener.getsockname()[1], flush=True)  # noqa: T201 - the parent reads it
        while True:
            for key, _ in selector.select():
                if key.fileobj is sys.stdin:
                    print(json.dumps(times))  # noqa: T201 - the parent reads it
                    return
                if key.fileobj is listener:
                    accepted, _ = listener.accept()
                    if sys.platform == "linux":
                        accepted.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                    selector.register(accepted, EVENT_READ)
                    continue
                connection = key.fileobj
                assert isinstance(connection, socket.socket)
                received, ancillary = receive(connection)
                if received:
                    times.append(arrived(ancillary))
                    connection.sendall(ANSWER)
                else:
                    selector.unregister(connection)
                    connection.close()


if __name__ == "__main__":
    main()
