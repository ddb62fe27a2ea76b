"""Ways in which a secret comes into a document: each gives the edits of one block of text, in its own positions."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple


class Op(NamedTuple):
    """One edit of a block; ``at`` is the offset in the secret of its first character, -1 when it has none of it."""

    position: int
    deleted: int
    inserted: str
    at: int = -1


Ops = list[Op | None]
"""``None`` lets the rest of the document go on for a while."""


def _keys(text: str, position: int, at: int = -1) -> Ops:
    return [Op(position + k, 0, sign, at + k if at >= 0 else -1) for k, sign in enumerate(text)]


def typed(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """Key by key."""
    return [*_keys(pre, 0), *_keys(secret, len(pre), 0), *_keys(post, len(pre) + len(secret))]


def typos(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """Key by key with slips that are taken back."""
    ops = _keys(pre, 0)
    for k, sign in enumerate(secret):
        if source.random() < 0.15:
            ops += [Op(len(pre) + k, 0, "q"), Op(len(pre) + k, 1, "")]
        ops.append(Op(len(pre) + k, 0, sign, k))
    return [*ops, *_keys(post, len(pre) + len(secret))]


def second_half_first(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """The second half, then the first before it."""
    half = len(secret) // 2
    ops = [*_keys(pre, 0), *_keys(secret[half:], len(pre), half), *_keys(secret[:half], len(pre), 0)]
    return [*ops, *_keys(post, len(pre) + len(secret))]


def two_pastes(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """Two halves from the clipboard."""
    half, n = len(secret) // 2, len(pre)
    return [
        *_keys(pre, 0),
        Op(n, 0, secret[:half], 0),
        Op(n + half, 0, secret[half:], half),
        Op(n + len(secret), 0, post),
    ]


def pasted(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """The secret alone from the clipboard."""
    return [*_keys(pre, 0), Op(len(pre), 0, secret, 0), *_keys(post, len(pre) + len(secret))]


def erased_by_keys(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """Typed, then taken back key by key."""
    end = len(pre) + len(secret)
    return [
        *typed(pre, secret, "", source),
        *(Op(end - 1 - k, 1, "") for k in range(len(secret))),
        Op(len(pre), 0, post),
    ]


def erased_at_once(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """Typed, then selected and deleted."""
    return [*typed(pre, secret, post, source), Op(len(pre), len(secret), "")]


def abandoned(pre: str, secret: str, _post: str, _source: random.Random) -> Ops:
    """Typed but for the last few characters, then left, and something else goes on."""
    cut = max(len(secret) - 3, 1)
    return [*_keys(pre, 0), *_keys(secret[:cut], len(pre), 0), None]


def named_afterwards(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """The secret first, what says that it is one later."""
    return [Op(0, 0, secret, 0), *_keys(pre, 0), Op(len(pre) + len(secret), 0, post)]


def chunks(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """In pieces, as completions bring them."""
    ops, k = _keys(pre, 0), 0
    while k < len(secret):
        size = source.randrange(2, 9)
        ops.append(Op(len(pre) + k, 0, secret[k : k + size], k))
        k += size
    return [*ops, Op(len(pre) + len(secret), 0, post)]


def closed_before(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """Into quotes that the editor has closed already."""
    return [*_keys(pre, 0), Op(len(pre), 0, post), *_keys(secret, len(pre), 0)]


def interleaved(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """With edits elsewhere in between."""
    ops: Ops = []
    for op in typed(pre, secret, post, source):
        ops.append(op)
        if source.random() < 0.15:
            ops.append(None)
    return ops


def undo_redo(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """Undone in steps and done again."""
    half, n = len(secret) // 2, len(pre)
    back = [Op(n + half, len(secret) - half, ""), Op(n, half, "")]
    again = [Op(n, 0, secret[:half], 0), Op(n + half, 0, secret[half:], half)]
    return [*typed(pre, secret, "", source), *back, *again, Op(n + len(secret), 0, post)]


def split_and_joined(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """Broken over two lines and joined again."""
    middle = len(pre) + len(secret) // 2
    return [*typed(pre, secret, post, source), Op(middle, 0, "\n"), None, Op(middle, 1, "")]


def replaced(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """A word in its place, replaced by it later."""
    return [*_keys(pre + "CHANGEME" + post, 0), None, Op(len(pre), 8, secret, 0)]


def halves_apart(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """Halves on lines of their own, cut and pasted together."""
    half, n = len(secret) // 2, len(pre)
    ops = [*_keys(pre + post + "\n", 0), *_keys(secret[half:], n + len(post) + 1, half), None]
    ops += [*_keys(secret[:half], n, 0), Op(n + half + len(post) + 1, len(secret) - half, "")]
    return [*ops, Op(n + half, 0, secret[half:], half)]


def overtyped(pre: str, secret: str, post: str, _source: random.Random) -> Ops:
    """Over other characters, each replaced by the next key."""
    ops = _keys(pre + "." * len(secret) + post, 0)
    return [*ops, *(Op(len(pre) + k, 1, sign, k) for k, sign in enumerate(secret))]


def twice(pre: str, secret: str, post: str, source: random.Random) -> Ops:
    """Typed, and the line copied below it."""
    end = len(pre + secret + post)
    copy = [Op(end, 0, "\n" + pre), Op(end + 1 + len(pre), 0, secret, 0), Op(end + 1 + len(pre + secret), 0, post)]
    return [*typed(pre, secret, post, source), None, *copy]


WAYS: dict[str, Callable[[str, str, str, random.Random], Ops]] = {
    way.__name__: way
    for way in (
        typed, typos, second_half_first, two_pastes, pasted, erased_by_keys, erased_at_once, abandoned,
        named_afterwards, chunks, closed_before, interleaved, undo_redo, split_and_joined, replaced, halves_apart,
        overtyped, twice,
    )
}  # fmt: skip
