"""After ``overt leave`` has returned no byte of a body leaves, whatever the upload was doing: seen at the socket."""

from __future__ import annotations

import fcntl
import os
import random
import select
import socket
import string
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from consent_ledger.ledger import Ledger
from local_store.custody import open_custody
from tests.sync_client.device import Device, manifest_for

pytestmark = pytest.mark.system


def arrived(connection: socket.socket) -> int:
    """Count the bytes that have reached this socket and were not read yet."""
    return int(struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, b"\0" * 4))[0])


def read_on(connection: socket.socket, seconds: float) -> int:
    """Read until the other side has gone or nothing more came for so long; count the bytes."""
    count = 0
    while select.select([connection], [], [], seconds)[0]:
        try:
            piece = connection.recv(1 << 16)
        except ConnectionResetError:
            break
        if not piece:
            break
        count += len(piece)
    return count


@pytest.mark.parametrize("taken", [0, 20_000, 300_000])
async def test_no_byte_of_a_body_leaves_after_leave_returned(
    tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        device = Device(
            tmp_path / "home",
            manifest_for(
                f"http://127.0.0.1:{listener.getsockname()[1]}",
            ),
        )
        device.keys = open_custody(device.home)
        device.installation = device.keys.installation
        device.ledger = Ledger(device.home)
        device.join()
        store = await device.open()
        letters = random.Random(1).choices(string.ascii_letters + string.digits, k=3_000_000)
        await device.type(store, "".join(letters))
        await store.close()
        environment = {**os.environ, "OVERT_HOME": str(device.home)}
        overt = [sys.executable, "-m", "overt"]
        with subprocess.Popen([*overt, "sync", "--json"], env=environment, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as sync:  # fmt: skip
            connection = _the_segments(listener)
            with connection:
                seen = 0
                while seen < taken:
                    seen += len(connection.recv(1 << 14))
                left = subprocess.run([*overt, "leave", str(device.study), "--json"], env=environment, check=True,
                                      capture_output=True)  # fmt: skip
                here = arrived(connection)
                assert b'"left":true' in left.stdout
                assert read_on(connection, 1.0) <= here
                assert seen + here < 2_000_000  # most of the body was still to come
            listener.settimeout(0.1)
            while sync.poll() is None:  # the deletion request may knock; it is no part of a study's data
                try:
                    again, _ = listener.accept()
                except TimeoutError:
                    continue
                with again:
                    assert b"/segments/" not in again.recv(1 << 16).split(b"\r\n")[0]
                time.sleep(0)


def _the_segments(listener: socket.socket) -> socket.socket:
    """Answer what comes first (the log, the consent record), and give the connection on which a segment begins."""
    while True:
        connection, _ = listener.accept()
        while True:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = connection.recv(1)
                if not piece:
                    break
                head += piece
            if b"/segments/" in head:
                return connection
            if not head:
                break
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            while length > 0:
                length -= len(connection.recv(length))
            status = b"404 Not Found" if b"/log/" in head else b"200 OK"
            connection.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % status)
