"""The native messaging host: the browser starts it, it starts the bridge if need be, and hands out port and secret.

One message in, one out, each behind its length as 32 bits in the machine's byte order (the browsers' own protocol). The
browser passes who calls as arguments, and lets no other extension call.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import filelock
import msgspec

from browser_bridge.gatekeeper import FIREFOX_ID, is_extension
from browser_bridge.messages import PROTOCOL, Origin, Profile
from browser_bridge.papers import Papers
from browser_bridge.proofs import to_text
from browser_bridge.spawn import start
from event_model.errors import FormatError, OvertError

MAX_REQUEST_BYTES = 4096
START_S = 10.0
"""How long the bridge may take to listen: a second or two where the machine is busy."""

_LOOK_S = 0.02
_LENGTH = struct.Struct("=I")


class Connect(msgspec.Struct, frozen=True, tag_field="type", tag="connect"):
    """What the extension asks: to be introduced. What else it says is passed over, as in ``hello``."""

    profile: Profile
    origin: Origin


def read_request(stream: BinaryIO) -> Connect:
    """Read the one message. FormatError: if it is none."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        raise FormatError("the browser sent nothing", code="message-malformed")
    (length,) = _LENGTH.unpack(head)
    if length > MAX_REQUEST_BYTES:
        raise FormatError("the browser sent too much", code="message-malformed")
    try:
        return msgspec.json.decode(stream.read(length), type=Connect)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise FormatError("the browser sent what is no request", code="message-malformed") from error


def write_answer(stream: BinaryIO, answer: dict[str, Any]) -> None:
    """Write the one answer."""
    data = msgspec.json.encode(answer)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def check_caller(request: Connect, arguments: Sequence[str]) -> None:
    """Check who calls against what the browser says. FormatError: if it is another extension.

    Chromium passes the extension's origin, Firefox the manifest's path and the extension's id.
    """
    by_chromium = f"{request.origin}/" in arguments
    by_firefox = FIREFOX_ID in arguments and request.origin.startswith("moz-extension://")
    if not is_extension(request.origin) or not (by_chromium or by_firefox):
        raise FormatError("this extension is not overt's", code="caller-unknown")


def start_bridge(papers: Papers) -> int:
    """Give the port of the running bridge; starts it if none runs. OvertError (``bridge-down``): if it can't."""
    papers.make()
    before = papers.address()
    gone = None
    if not _runs(papers):
        gone = None if before is None else before.pid
        start("bridge")
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        address = papers.address()
        if address is not None and address.pid != gone:
            return address.port
        time.sleep(_LOOK_S)
    raise OvertError("The bridge did not start.", code="bridge-down", hint="Run `overt bridge` to see why.")


def answer(home: Path, arguments: Sequence[str], stream: BinaryIO) -> dict[str, Any]:
    """Serve one request; an error is an answer too."""
    try:
        request = read_request(stream)
        check_caller(request, arguments)
        papers = Papers(home)
        secret = papers.secret(request.profile, request.origin)
        return {
            "type": "bridge",
            "port": start_bridge(papers),
            "secret": to_text(secret.reveal()),
            "protocol": PROTOCOL,
        }
    except OvertError as error:
        return {"type": "error", "code": error.code, "message": error.message, "hint": error.hint}
    except OSError as error:
        return {"type": "error", "code": "bridge-files", "message": str(error.strerror), "hint": "Try `overt doctor`."}


def _runs(papers: Papers) -> bool:
    """Say whether a bridge holds the lock."""
    lock = filelock.FileLock(papers.lock)
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        return True
    lock.release()
    return False
