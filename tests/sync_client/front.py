"""What stands before the receiver on the network, and does to each request what the test orders."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

Act = Callable[["Front", socket.socket, bytes], None]
"""Takes the whole request as it came from the device, and answers it, or not."""


class Request:
    """A request as the front saw it."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.method, self.path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        self.what = self.path.rsplit("/", 1)[-1] if "/segments/" not in self.path else "segment"


class Front:
    """A listening socket on loopback, one thread per connection, one request per connection.

    ``acts`` are taken one per request, then ``otherwise`` holds. ``upstream`` is the receiver's port.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.upstream = 0
        self.acts: list[Act] = []
        self.otherwise: Act = forward
        self.requests: list[Request] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def close(self) -> None:
        """Stop listening and wait for what is under way."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(timeout=30)

    def seen(self) -> list[str]:
        """What was asked for, in order: "consent", "segment", "deletions"."""
        return [request.what for request in self.requests]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):  # who sends cuts what it gives up
            raw = read_request(connection)
            if raw:
                self.requests.append(Request(raw))
                act = self.acts.pop(0) if self.acts else self.otherwise
                act(self, connection, raw)


def read_request(connection: socket.socket) -> bytes:
    """Read head and body by their Content-Length; empty if the sender went away."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = connection.recv(1 << 16)
        if not piece:
            return b""
        raw += piece
    head = raw.partition(b"\r\n\r\n")[0].lower()
    length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(raw) < len(head) + 4 + length:
        piece = connection.recv(1 << 16)
        if not piece:
            return b""
        raw += piece
    return raw


def ask_receiver(front: Front, raw: bytes) -> bytes:
    """Hand a request on and give the whole answer."""
    with socket.create_connection(("127.0.0.1", front.upstream)) as receiver:
        receiver.sendall(raw.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        answer = b""
        while piece := receiver.recv(1 << 16):
            answer += piece
        return answer


def forward(front: Front, connection: socket.socket, raw: bytes) -> None:
    """The receiver answers."""
    connection.sendall(ask_receiver(front, raw))


def lose_answer(front: Front, connection: socket.socket, raw: bytes) -> None:
    """The receiver does it, and nobody hears of it."""
    ask_receiver(front, raw)


def lose_request(front: Front, connection: socket.socket, raw: bytes) -> None:
    """The receiver never hears of it."""


def half_answer(front: Front, connection: socket.socket, raw: bytes) -> None:
    """The connection breaks in the middle of the answer's body."""
    answer = ask_receiver(front, raw)
    connection.sendall(answer[: answer.index(b"\r\n\r\n") + 40])


def half_head(front: Front, connection: socket.socket, raw: bytes) -> None:
    """The connection breaks in the middle of the answer's head."""
    connection.sendall(ask_receiver(front, raw)[:25])


def say(status: int, body: bytes = b"", **headers: str) -> Act:
    """Answer this, whatever was asked."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    answer = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return lambda _front, connection, _raw: connection.sendall(answer)


def endless(front: Front, connection: socket.socket, raw: bytes) -> None:
    """An answer of a gigabyte, as far as it is taken."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
    try:
        for _ in range(1 << 14):
            connection.sendall(bytes(1 << 16))
    except OSError:
        return


def stall(front: Front, connection: socket.socket, raw: bytes) -> None:
    """Nothing, until the sender gives up."""
    connection.recv(1)


def drip(front: Front, connection: socket.socket, raw: bytes) -> None:
    """A true answer, a byte at a time, so slowly that it would take minutes."""
    for byte in ask_receiver(front, raw):
        connection.sendall(bytes((byte,)))
        if select.select([connection], [], [], 0.1)[0]:  # the sender has gone
            return
