"""The tree against the published vectors of Certificate Transparency, and every proof against every change to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from event_model.errors import AuditError
from event_model.merkle import (
    EMPTY_ROOT,
    check_consistency,
    check_inclusion,
    consistency_path,
    inclusion_path,
    leaf_hash,
    new_nodes,
    parent_hash,
    root_of,
)

LEAVES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")] + [
    bytes(range(0x60, 0x70))
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Published with RFC 6962's reference implementation: the roots after each of the eight leaves."""


class Log:
    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.nodes: dict[tuple[int, int], bytes] = {}
        for size, data in enumerate(leaves):
            for level, index, value in new_nodes(size, leaf_hash(data), self.node):
                self.nodes[level, index] = value

    def node(self, level: int, index: int) -> bytes:
        return self.nodes[level, index]


def plain_root(leaves: list[bytes]) -> bytes:
    """The definition in RFC 9162, written out once more without stored nodes."""
    if len(leaves) <= 1:
        return leaf_hash(leaves[0]) if leaves else hashlib.sha256(b"").digest()
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return parent_hash(plain_root(leaves[:half]), plain_root(leaves[half:]))


def sizes(up_to: int) -> Iterator[tuple[int, int]]:
    return ((first, second) for second in range(up_to + 1) for first in range(second + 1))


@pytest.fixture(scope="module")
def log() -> Log:
    return Log([bytes([number]) * 3 for number in range(40)])


def test_roots_are_those_of_the_published_vectors() -> None:
    log = Log(LEAVES)
    assert [root_of(size, log.node).hex() for size in range(1, 9)] == ROOTS
    assert root_of(0, log.node) == EMPTY_ROOT


def test_every_root_is_the_definitions(log: Log) -> None:
    for size in range(41):
        assert root_of(size, log.node) == plain_root(log.leaves[:size])


def test_inclusion_holds_for_every_entry_of_every_size_and_for_no_other_place(log: Log) -> None:
    for size in range(1, 41):
        root = root_of(size, log.node)
        for index in range(size):
            path = inclusion_path(index, size, log.node)
            check_inclusion(leaf_hash(log.leaves[index]), index, size, path, root)
            for wrong in {(index + 1) % size, 0, size - 1} - {index}:
                with pytest.raises(AuditError):
                    check_inclusion(leaf_hash(log.leaves[index]), wrong, size, path, root)


def test_consistency_holds_between_all_sizes(log: Log) -> None:
    for first, second in sizes(40):
        path = consistency_path(first, second, log.node)
        check_consistency(first, second, root_of(first, log.node), root_of(second, log.node), path)


def test_a_log_that_changed_an_old_entry_is_never_consistent(log: Log) -> None:
    for changed in (0, 7, 15, 16, 30):
        forged = Log([*log.leaves[:changed], b"another", *log.leaves[changed + 1 :]])
        for first, second in ((changed + 1, 40), (31, 32), (32, 40), (31, 31)):
            path = consistency_path(first, second, forged.node)
            with pytest.raises(AuditError):
                check_consistency(first, second, root_of(first, log.node), root_of(second, forged.node), path)


def test_every_bit_of_a_proof_counts(log: Log) -> None:
    root, older = root_of(29, log.node), root_of(11, log.node)
    path = consistency_path(11, 29, log.node)
    entry = inclusion_path(11, 29, log.node)
    for at in range(len(path)):
        with pytest.raises(AuditError):
            check_consistency(11, 29, older, root, [*path[:at], bytes(32), *path[at + 1 :]])
        with pytest.raises(AuditError):
            check_consistency(11, 29, older, root, path[:at])
    with pytest.raises(AuditError):
        check_consistency(11, 29, older, root, [*path, bytes(32)])
    for at in range(len(entry)):
        with pytest.raises(AuditError):
            check_inclusion(leaf_hash(log.leaves[11]), 11, 29, [*entry[:at], bytes(32), *entry[at + 1 :]], root)
        with pytest.raises(AuditError):
            check_inclusion(leaf_hash(log.leaves[11]), 11, 29, entry[:at], root)
    with pytest.raises(AuditError):
        check_inclusion(leaf_hash(log.leaves[11]), 11, 29, [*entry, bytes(32)], root)


@pytest.mark.parametrize(("index", "size"), [(5, 5), (-1, 5), (0, 0)])
def test_no_proof_for_what_is_not_there(log: Log, index: int, size: int) -> None:
    with pytest.raises(AuditError):
        inclusion_path(index, size, log.node)
    with pytest.raises(AuditError):
        check_inclusion(bytes(32), index, size, [], bytes(32))
    with pytest.raises(AuditError):
        consistency_path(6, 5, log.node)
    with pytest.raises(AuditError):
        check_consistency(6, 5, bytes(32), bytes(32), [])
