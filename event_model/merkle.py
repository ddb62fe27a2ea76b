"""The Merkle tree of an append-only log, hashed as in RFC 9162 (and RFC 6962), section 2.1. Pure.

A *node* ``(level, index)`` is the hash of the complete subtree over the leaves ``index << level`` up to
``(index + 1) << level``; a log keeps all of its complete nodes, and everything else follows from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

from event_model.errors import AuditError

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of a log without entries."""

MAX_PATH = 64
"""Hashes in one proof: a log of 2**63 entries needs no more."""

Node = Callable[[int, int], bytes]
"""Gives the hash of a complete subtree, by level and index."""


def leaf_hash(data: bytes) -> bytes:
    """Hash an entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def parent_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into one."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def new_nodes(size: int, leaf: bytes, node: Node) -> list[tuple[int, int, bytes]]:
    """Give the complete nodes that come about when a leaf hash is added to a log of ``size`` entries."""
    made = [(0, size, leaf)]
    level, index, value = 0, size, leaf
    while index & 1:
        value = parent_hash(node(level, index - 1), value)
        level, index = level + 1, index >> 1
        made.append((level, index, value))
    return made


def root_of(size: int, node: Node) -> bytes:
    """Give the root of the first ``size`` entries."""
    return EMPTY_ROOT if size == 0 else _range(0, size, node)


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Prove that the entry ``index`` is among the first ``size``. AuditError: if it is not."""
    if not 0 <= index < size:
        raise AuditError("the log has no such entry", code="log-range")
    return _inclusion(index, 0, size, node)


def consistency_path(first: int, second: int, node: Node) -> list[bytes]:
    """Prove that the first ``first`` entries begin the first ``second``. AuditError: if there are not so many."""
    if not 0 <= first <= second:
        raise AuditError("the log has no such size", code="log-range")
    return [] if first in (0, second) else _subproof(first, 0, second, node, known=True)


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check a proof of inclusion for a leaf hash (RFC 9162, 2.1.3.2). AuditError: if it does not hold."""
    if not 0 <= index < size or len(path) > MAX_PATH:
        raise _broken("inclusion")
    place, last, value = index, size - 1, leaf
    for step in path:
        if last == 0:
            raise _broken("inclusion")
        if place & 1 or place == last:
            value = parent_hash(step, value)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            value = parent_hash(value, step)
        place, last = place >> 1, last >> 1
    if last != 0 or value != root:
        raise _broken("inclusion")


def check_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> None:
    """Check a proof that one tree is the beginning of another (RFC 9162, 2.1.4.2). AuditError: if it does not hold."""
    if not 0 <= first <= second or len(path) > MAX_PATH:
        raise _broken("consistency")
    if first in (0, second):
        if path or first_root != (second_root if first == second else EMPTY_ROOT):
            raise _broken("consistency")
        return
    # A first tree that is one complete subtree is not in the proof: the checker knows it.
    steps = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not steps:
        raise _broken("consistency")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            raise _broken("consistency")
        if place & 1 or place == last:
            old, new = parent_hash(step, old), parent_hash(step, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = parent_hash(new, step)
        place, last = place >> 1, last >> 1
    if last != 0 or old != first_root or new != second_root:
        raise _broken("consistency")


def _range(start: int, end: int, node: Node) -> bytes:
    width = end - start
    if width & (width - 1) == 0:
        level = width.bit_length() - 1
        return node(level, start >> level)
    middle = start + _split(width)
    return parent_hash(_range(start, middle, node), _range(middle, end, node))


def _inclusion(index: int, start: int, end: int, node: Node) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_inclusion(index, start, middle, node), _range(middle, end, node)]
    return [*_inclusion(index, middle, end, node), _range(start, middle, node)]


def _subproof(first: int, start: int, end: int, node: Node, *, known: bool) -> list[bytes]:
    if first == end:
        return [] if known else [_range(start, end, node)]
    middle = start + _split(end - start)
    if first <= middle:
        return [*_subproof(first, start, middle, node, known=known), _range(middle, end, node)]
    return [*_subproof(first, middle, end, node, known=False), _range(start, middle, node)]


def _split(width: int) -> int:
    """Give the largest power of two below a width of two or more."""
    return 1 << (width - 1).bit_length() - 1


def _broken(what: str) -> AuditError:
    return AuditError(f"a proof of {what} does not hold", code=f"log-{what}")
