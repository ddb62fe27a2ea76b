"""Bodies on their way to a worker: each lies where nothing else does until it is answered."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from ingest_server.shared_bodies import SLOT_BYTES, SLOTS, SharedBodies, SharedReader, shared_bodies

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")


@pytest.fixture
def shared() -> Iterator[SharedBodies]:
    made = shared_bodies()
    assert made is not None
    yield made
    made.close()


def test_what_lies_in_a_slot_is_read_at_the_other_end(shared: SharedBodies) -> None:
    reader = SharedReader(os.dup(shared.descriptor))
    bodies = {number: os.urandom(number * 1000) for number in range(1, 20)}
    slots = {number: shared.put(number, body) for number, body in bodies.items()}
    for number, slot in slots.items():
        assert slot is not None
        assert reader.read(slot, len(bodies[number])) == bodies[number]


def test_a_slot_is_taken_until_it_is_given_back(shared: SharedBodies) -> None:
    taken = [shared.put(number, b"x") for number in range(SLOTS)]
    assert len(set(taken)) == SLOTS
    assert None not in taken
    assert shared.put(SLOTS, b"x") is None
    shared.give_back(SLOTS)  # It had none.
    assert shared.put(SLOTS, b"x") is None
    shared.give_back(7)
    shared.give_back(7)
    assert shared.put(SLOTS, b"x") == taken[7]
    assert shared.put(SLOTS + 1, b"x") is None


def test_what_is_larger_than_a_slot_finds_no_place(shared: SharedBodies) -> None:
    assert shared.put(1, bytes(SLOT_BYTES + 1)) is None
    assert shared.put(2, bytes(SLOT_BYTES)) is not None
