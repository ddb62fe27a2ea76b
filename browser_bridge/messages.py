"""The messages between bridge and extension, as docs/PROTOCOL.md writes them. Decoding checks every bound."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from event_model.body import MAX_COUNT
from event_model.errors import FormatError

PROTOCOL = 1
MAX_MESSAGE_BYTES = 1 << 20
"""A batch of the largest outlines fits several times."""

MAX_BATCH = 500
MAX_PAGES = 2_000
"""Pages of one profile at a time, frames included."""

Seq = Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)]
Wall = Annotated[int, msgspec.Meta(ge=0, le=1 << 45)]
PageId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z")]
Profile = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
Nonce = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{22}\Z")]
Proof = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]
Short = Annotated[str, msgspec.Meta(max_length=64)]
Origin = Annotated[str, msgspec.Meta(max_length=300)]


class _In(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """The root of what the extension sends."""


class Hello(_In, frozen=True, tag="hello", forbid_unknown_fields=False):
    """The first message: who calls, and the extension's half of the challenge.

    What else it says is passed over: an extension of another age may call.
    """

    protocol: int
    profile: Profile
    nonce: Nonce
    pair: bool = False


class ClientProof(_In, frozen=True, tag="proof"):
    """The second message: that the extension knows the secret."""

    proof: Proof


class PageItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page that is open, or has events that were not acknowledged; ``url`` is its origin."""

    page: PageId
    url: Origin
    open: dict[str, Any]


class Pages(_In, frozen=True, tag="pages"):
    """What is open, after a connection was made: the bridge knows no pages then."""

    pages: Annotated[list[PageItem], msgspec.Meta(max_length=MAX_PAGES)]


class EventItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One event of one page; ``url`` is the page's origin, read with ``page.open`` only."""

    page: PageId
    wall_ms: Wall
    body: dict[str, Any]
    mono_ms: int | float = 0
    url: Origin = ""


class Events(_In, frozen=True, tag="events"):
    """A batch; ``first`` is the number of its first event in the profile, the others follow."""

    first: Seq
    events: Annotated[list[EventItem], msgspec.Meta(min_length=1, max_length=MAX_BATCH)]


class Request(_In, frozen=True, tag="request"):
    """Something that the person asks for in the popup."""

    id: Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]
    method: Short
    params: dict[str, Any] = {}


class Ping(_In, frozen=True, tag="ping"):
    """A sign of life, answered by ``pong``: it keeps the extension's worker awake."""


Incoming = Hello | ClientProof | Pages | Events | Request | Ping

_DECODER: msgspec.json.Decoder[Incoming] = msgspec.json.Decoder(Incoming)
_ENCODER = msgspec.json.Encoder()


def decode(text: str | bytes) -> Incoming:
    """Read a message. FormatError: if it is none."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise FormatError("a message that the protocol does not know", code="message-malformed") from error


def encode(message: dict[str, Any]) -> str:
    """Write a message of the bridge."""
    return _ENCODER.encode(message).decode()
