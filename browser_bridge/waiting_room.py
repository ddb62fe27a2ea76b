"""Connections that have not proved themselves: how many there may be, and how little of them is heard at a time.

Whoever runs on this machine can open connections as fast as it likes and say anything on them. What that costs is
bounded here, and paid in small pieces, between which those who have proved themselves are served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.server import ServerProtocol

MAX_OPENING = 32
"""Connections in the room. One more drops the oldest: a flood drops itself, not the good one."""

MAX_SAID_BYTES = 16 << 10
"""All that one may say before it is let in: a request with a browser's cookies, ``hello`` and ``proof``."""

PIECE_BYTES = 1 << 10
"""Heard at one turn of the event loop: any step of the handshake, or a millisecond of the dearest nonsense (pings)."""


class WaitingRoom:
    """Of one server. Whoever comes is in it until it is let in or gone."""

    def __init__(self) -> None:
        self._waiting: dict[Connection, None] = {}
        self._speaking: deque[Connection] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, connection: Connection) -> None:
        """Take one in; the oldest is shown out where there are too many."""
        if len(self._waiting) >= MAX_OPENING:
            oldest = next(iter(self._waiting))
            self.leave(oldest)
            oldest.transport.abort()
        self._waiting[connection] = None

    def leave(self, connection: Connection) -> None:
        """Count it no more."""
        self._waiting.pop(connection, None)

    def speak(self, connection: Connection) -> None:
        """Let one be heard in its turn: the room hears one piece, then everyone else is served."""
        self._speaking.append(connection)
        if len(self._speaking) == 1:
            asyncio.get_running_loop().call_soon(self._hear_one)

    def _hear_one(self) -> None:
        connection = self._speaking.popleft()
        if connection in self._waiting and connection.hear_piece():
            self._speaking.append(connection)
        if self._speaking:
            asyncio.get_running_loop().call_soon(self._hear_one)


class Connection(ServerConnection):
    """A connection that waits in a room until it is let in."""

    def __init__(self, room: WaitingRoom, protocol: ServerProtocol, server: Server, **options: Any) -> None:
        super().__init__(protocol, server, **options)
        self._room = room
        self._waits = True
        self._said = 0
        self._unheard = b""

    def let_in(self) -> None:
        """Wait no more: the peer has proved itself. From now on it is heard as it speaks."""
        self._waits = False
        self._room.leave(self)
        rest, self._unheard = self._unheard, b""
        if rest:
            super().data_received(rest)

    def hear_piece(self) -> bool:
        """Hear a piece of what was said; says whether there is more."""
        piece, self._unheard = self._unheard[:PIECE_BYTES], self._unheard[PIECE_BYTES:]
        if self.transport.is_closing():
            return False
        super().data_received(piece)
        return bool(self._unheard)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the room."""
        super().connection_made(transport)
        self._room.enter(self)

    def data_received(self, data: bytes) -> None:
        """Keep what an unproven peer says until it is its turn; one that says too much is cut off."""
        if not self._waits:
            super().data_received(data)
            return
        self._said += len(data)
        if self._said > MAX_SAID_BYTES:
            self.transport.abort()
            return
        speaks = bool(self._unheard)
        self._unheard += data
        if not speaks:
            self._room.speak(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the room: the peer is gone."""
        self._room.leave(self)
        super().connection_lost(exc)
