"""Code to work on: real modules of the Python that runs this, with their names and their order permuted."""

from __future__ import annotations

import ast
import builtins
import functools
import io
import keyword
import os
import random
import re
import tokenize
from pathlib import Path

import msgspec

MIN_CHARS = 3_000
MAX_CHARS = 24_000
"""Modules that somebody could have open: neither a stub nor a table of data (code points)."""

_SYLLABLES = ("ba", "con", "der", "fil", "gra", "ind", "lo", "map", "nod", "pat", "que", "ran", "sta", "tem", "val")
_WORD = re.compile(r"\w+")
_KEPT = frozenset(dir(builtins)) | frozenset(keyword.kwlist) | {"self", "cls"}


class Module(msgspec.Struct, frozen=True):
    """A module as blocks of lines: what stands at its head, and its functions and classes."""

    name: str
    head: str
    blocks: tuple[str, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return self.head + "".join(self.blocks)


def make_module(source: random.Random) -> Module:
    """Take a real module, rename what it defines, and put its blocks in another order."""
    name, text = source.choice(_corpus())
    module = _cut(name, _renamed(text, source))
    blocks = list(module.blocks)
    source.shuffle(blocks)
    return msgspec.structs.replace(module, blocks=tuple(blocks))


def words_in(text: str) -> list[str]:
    """Give the words of a text, each as often as it comes."""
    return _WORD.findall(text)


def names_in(text: str) -> list[str]:
    """Give the words of a text that look like names of its own, in the order in which they come first."""
    words = dict.fromkeys(words_in(text))
    return [word for word in words if len(word) > 3 and word.isidentifier() and word not in _KEPT]


def new_name(source: random.Random) -> str:
    """Make up a name."""
    parts = ["".join(source.choices(_SYLLABLES, k=source.randint(1, 2))) for _ in range(source.randint(1, 2))]
    return "_".join(parts)


@functools.cache
def _corpus() -> tuple[tuple[str, str], ...]:
    """Read the modules of the standard library that parse and are of a fitting size, sorted by name."""
    found = []
    for path in sorted(Path(os.__file__).parent.glob("*.py")):
        text = path.read_text("utf-8", errors="replace").replace("\r\n", "\n").replace("\t", "    ")
        if MIN_CHARS <= len(text) <= MAX_CHARS and text.isascii() and len(_cut(path.stem, text).blocks) >= 3:
            found.append((path.stem, text))
    return tuple(found)


def _cut(name: str, text: str) -> Module:
    """Cut a module at its functions and classes."""
    lines = text.splitlines(keepends=True)
    starts = [
        min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
    ]
    if not starts:
        return Module(name, text, ())
    ends = [*starts[1:], len(lines)]
    blocks = tuple("".join(lines[start:end]) for start, end in zip(starts, ends, strict=True))
    return Module(name, "".join(lines[: starts[0]]), blocks)


def _renamed(text: str, source: random.Random) -> str:
    """Give the names that a module defines others, the same everywhere."""
    tree = ast.parse(text)
    defined = {
        name
        for node in ast.walk(tree)
        for name in (
            getattr(node, "name", None) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None,
            node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else None,
            node.arg if isinstance(node, ast.arg) else None,
        )
        if name and len(name) > 2 and name not in _KEPT and not name.startswith("__")
    }
    names = {name: new_name(source) for name in sorted(defined)}
    lines = text.splitlines(keepends=True)
    places = [
        (token.start, token.string)
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.NAME and token.string in names
    ]
    for (line, column), name in reversed(places):
        before = lines[line - 1]
        lines[line - 1] = before[:column] + names[name] + before[column + len(name) :]
    return "".join(lines)
