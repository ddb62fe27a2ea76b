"""A receiver as a process of its own, with a clock that stands still and a fault to order.

Run as ``python receiver_process.py DATA MANIFEST KEY_HEX NOW_MS [FAULT]``; its first line of output is its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from consent_ledger.manifest import read_manifest
from event_model.clock import ManualClock
from event_model.errors import StoreUnwritable
from event_model.keys import Secret, SigningKey
from ingest_server.objects import DirectoryObjects
from ingest_server.server import ReceiverSettings, create_app, serve_app
from ingest_server.sqlite_metadata import SqliteMetadata

KILL_AFTER_OBJECT = "kill-after-object"
KILL_BEFORE_ANSWER = "kill-before-answer"
KILL_WHILE_ERASING = "kill-while-erasing"
KILL_AT_STEP = "kill-at-step-"
"""With a number: before or after the n-th write or answer, whichever comes."""


class Steps:
    """Counts the steps of the receiver's work, and dies at one of them."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._taken = 0

    def step(self) -> None:
        self._taken += 1
        if self._taken == self._last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: type, name: str) -> None:
        method = getattr(owner, name)

        def stepping(*arguments: object, **named: object) -> object:
            self.step()
            result = method(*arguments, **named)
            self.step()
            return result

        async def stepping_on_the_loop(*arguments: object, **named: object) -> object:
            self.step()
            result = await method(*arguments, **named)
            self.step()
            return result

        setattr(owner, name, stepping_on_the_loop if inspect.iscoroutinefunction(method) else stepping)

    def answering(self, app: ASGIApp) -> ASGIApp:
        """Step before each part of an answer."""

        async def stepping(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_stepping(message: Message) -> None:
                self.step()
                await send(message)

            await app(scope, receive, send_stepping if scope["type"] == "http" else send)

        return stepping


class DeadlyObjects(DirectoryObjects):
    """Dies as by kill -9 when the object is there and its row is not, or when the first object is erased."""

    fault = ""

    def put_all(self, objects: Sequence[tuple[str, bytes]]) -> list[StoreUnwritable | None]:
        outcomes = super().put_all(objects)
        if objects and self.fault == KILL_AFTER_OBJECT:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcomes

    async def erase(self, keys: Sequence[str]) -> None:
        if self.fault == KILL_WHILE_ERASING:
            await super().erase(keys[:1])
            os.kill(os.getpid(), signal.SIGKILL)
        await super().erase(keys)


def main(data: str, manifest: str, key: str, now_ms: str, fault: str = "") -> None:
    settings = ReceiverSettings(
        data=Path(data),
        studies=(read_manifest(Path(manifest).read_bytes()),),
        key=SigningKey(Secret(bytes.fromhex(key))),
    )
    objects = DeadlyObjects(settings.data)
    objects.fault = fault
    app = create_app(settings, ManualClock(int(now_ms)), objects=objects)

    async def deadly(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        async def last_send(message) -> None:  # type: ignore[no-untyped-def]
            if scope.get("method") in ("PUT", "POST") and "consent" not in scope["path"]:
                os.kill(os.getpid(), signal.SIGKILL)
            await send(message)

        await app(scope, receive, last_send)

    served: ASGIApp = deadly if fault == KILL_BEFORE_ANSWER else app
    if fault.startswith(KILL_AT_STEP):
        steps = Steps(int(fault.removeprefix(KILL_AT_STEP)))
        steps.around(DeadlyObjects, "put_all")
        for name in ("save_consent", "save_segments"):
            steps.around(SqliteMetadata, name)
        served = steps.answering(app)
    asyncio.run(serve_app(served, host="127.0.0.1", port=0, ready=lambda url: print(url, flush=True)))  # type: ignore[arg-type]


@contextlib.contextmanager
def running(data: Path, manifest: bytes, key: SigningKey, now_ms: int, fault: str = "") -> Iterator[tuple[str, int]]:
    """Run a receiver and give its address and process id; it is stopped at the end."""
    data.mkdir(parents=True, exist_ok=True)
    (data.parent / "manifest.json").write_bytes(manifest)
    arguments = [str(data), str(data.parent / "manifest.json"), key.seed.reveal().hex(), str(now_ms), fault]
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    try:
        address = process.stdout.readline().decode().strip()
        assert address.startswith("http://127.0.0.1:")
        yield address, process.pid
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
