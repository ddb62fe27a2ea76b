from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from sync_client.transport import CHUNK_BYTES, Deadlines, Transport, Withdrawn, is_loopback, open_http
from tests.ingest_server.test_receiver_tls import make_certificate
from tests.sync_client.front import Front, read_request, say


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:80", True),
        ("http://[::1]:80", True),
        ("http://localhost", True),
        ("https://example.org", False),
        ("https://127.0.0.1.example.org", False),
        ("https://10.0.0.1", False),
    ],
)
def test_loopback_is_told_by_the_host(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected


async def test_a_proxy_is_honoured_but_never_hears_of_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, receiver = Front(), Front()
    proxy.otherwise = receiver.otherwise = say(204)
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    try:
        async with open_http(Deadlines(), loopback=True) as http:
            answer = await Transport(http, receiver.url, Deadlines()).send("PUT", "/x", b"y", may_go=lambda: True)
            assert answer.status == 204
        async with open_http(Deadlines(), loopback=False) as http:
            transport = Transport(http, "http://receiver.invalid", Deadlines())
            assert (await transport.send("PUT", "/x", b"y", may_go=lambda: True)).status == 204
    finally:
        proxy.close()
        receiver.close()
    assert [request.path for request in receiver.requests] == ["/x"]
    assert [request.path for request in proxy.requests] == ["http://receiver.invalid/x"]


async def test_the_body_stops_where_consent_ends() -> None:
    """Of a large body no further piece leaves once the answer is no, and the connection is cut."""
    body = bytes(1 << 22)
    got = bytearray()

    def listen(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                while piece := connection.recv(1 << 14):
                    got.extend(piece)
            except ConnectionResetError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with open_http(Deadlines(), loopback=True) as http:
            transport = Transport(http, url, Deadlines())
            asked = 0

            def may_go() -> bool:
                nonlocal asked
                asked += 1
                return asked <= 20

            with pytest.raises(Withdrawn):
                await transport.send("PUT", "/x", body, may_go=may_go)
        thread.join(timeout=30)
    assert 18 * CHUNK_BYTES <= transport.bytes_sent <= 20 * CHUNK_BYTES  # who watches asks too
    sent = len(got) - (got.index(b"\r\n\r\n") + 4)
    assert sent <= 20 * CHUNK_BYTES  # what had not left is dropped with the connection


async def test_no_listener_and_no_such_host_are_answers_without_a_status() -> None:
    gone = Front()
    gone.close()
    for url in (gone.url, "http://no-such-host.invalid"):
        async with open_http(Deadlines(), loopback=True) as http:
            answer = await Transport(http, url, Deadlines()).send("PUT", "/x", b"y", may_go=lambda: True)
        assert answer.status == 0
        assert answer.note


@pytest.mark.parametrize(
    ("name", "trusted", "status"), [("localhost", True, 200), ("other.example", True, 0), ("localhost", False, 0)]
)
async def test_tls_is_believed_only_for_the_right_name_by_a_trusted_authority(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trusted: bool, status: int
) -> None:
    """A private authority comes from SSL_CERT_FILE; one of another name or authority gets no byte of a body."""
    certificate, key = make_certificate(tmp_path, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    taken: list[bytes] = []

    def listen(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with plain:
            try:
                with context.wrap_socket(plain, server_side=True) as connection:
                    taken.append(read_request(connection))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            except OSError:
                return

    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, args=(listener,))
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}"
        async with open_http(Deadlines(), loopback=False) as http:
            answer = await Transport(http, url, Deadlines()).send("PUT", "/x", b"y", may_go=lambda: True)
        thread.join(timeout=30)
    assert answer.status == status
    assert bool(taken and taken[0]) == (status == 200)
    if status == 0:
        assert "certificate" in answer.note.lower()


async def test_a_limit_holds_the_body_back(front_url: str) -> None:
    body = bytes(4 * CHUNK_BYTES)
    async with open_http(Deadlines(), loopback=True) as http:
        began = time.monotonic()
        transport = Transport(http, front_url, Deadlines(), bytes_per_s=len(body) * 4)
        assert (await transport.send("PUT", "/x", body, may_go=lambda: True)).status == 200
    assert time.monotonic() - began >= 0.24


@pytest.fixture
def front_url():
    front = Front()
    front.otherwise = say(200, b"{}")
    yield front.url
    front.close()
