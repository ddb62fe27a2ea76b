"""Memory that a server and a worker share, for the bodies of uploads.

Through a socket the system copies every body in pieces, twice, which costs as much as reading it from the network.
"""

from __future__ import annotations

import mmap
import os
import sys

SLOTS = 128
SLOT_BYTES = 128 << 10
"""Holds what devices send, some 64 KB. What is larger, or comes when all slots are taken, goes through the socket."""


class SharedBodies:
    """The server's end: slots that are taken until the worker has answered."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        """To be inherited by the worker."""
        self._memory = mmap.mmap(descriptor, SLOTS * SLOT_BYTES)
        self._free = list(range(SLOTS))
        self._taken: dict[int, int] = {}

    def put(self, number: int, body: bytes) -> int | None:
        """Lay down the body of an upload of this number; give its slot, or None if it finds no place."""
        if len(body) > SLOT_BYTES or not self._free:
            return None
        # The one that was given back last: its memory is in the processor's cache.
        slot = self._taken[number] = self._free.pop()
        start = slot * SLOT_BYTES
        self._memory[start : start + len(body)] = body
        return slot

    def give_back(self, number: int) -> None:
        """Let the slot of an upload that is answered be used again."""
        slot = self._taken.pop(number, None)
        if slot is not None:
            self._free.append(slot)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
        os.close(self.descriptor)


class SharedReader:
    """The worker's end."""

    def __init__(self, descriptor: int) -> None:
        self._memory = mmap.mmap(descriptor, SLOTS * SLOT_BYTES, prot=mmap.PROT_READ)
        os.close(descriptor)

    def read(self, slot: int, size: int) -> bytes:
        """Give the body in a slot."""
        start = slot * SLOT_BYTES
        return self._memory[start : start + size]


def shared_bodies() -> SharedBodies | None:
    """Make such memory, where the system can without a file."""
    if sys.platform != "linux":
        return None
    descriptor = os.memfd_create("overt-bodies")
    os.ftruncate(descriptor, SLOTS * SLOT_BYTES)
    return SharedBodies(descriptor)
