"""The labelled cases and the ordinary code that detectors are measured on."""

from __future__ import annotations

import gzip
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import msgspec

_SUFFIXES = (
    "c cc cpp cs css go h html java js json jsx kt md php py pyi rb rs rst scss sh sql swift svelte toml ts tsx txt "
    "vue xml yaml yml"
)
CODE_SUFFIXES = frozenset(f".{name}" for name in _SUFFIXES.split())
"""What is read of a folder: text that people write."""

MAX_FILE_CHARS = 1_000_000
MAX_LINE_CHARS = 10_000
"""Larger documents and longer lines are kept as shape, so nobody looks for secrets in them: see docs/FILTER.md."""

HASH_LIKE = frozenset({"git_sha", "sha256", "md5", "uuid", "npm_integrity", "gosum", "ssh_pub", "cert", "b64_image"})
"""Kinds of hard negatives that have the form of a secret."""

COVERED_SHARE = 0.95
"""A case counts when this much of its secret's characters is covered."""


class Case(msgspec.Struct, frozen=True):
    """One labelled text; ``start`` and ``end`` are code points, ``label`` is secret, pii or negative."""

    id: str
    label: str
    kind: str
    family: str
    text: str
    start: int | None = None
    end: int | None = None

    @property
    def group(self) -> str:
        """The name under which the case is counted: the family of a secret, the kind of anything else."""
        return self.family if self.label == "secret" else self.kind

    def covered_by(self, spans: list[tuple[int, int]]) -> bool:
        """Say whether spans cover the secret, or, for a negative, anything at all."""
        if self.start is None or self.end is None:
            return bool(spans)
        hit = set[int]()
        for start, end in spans:
            hit.update(range(max(start, self.start), min(end, self.end)))
        return len(hit) >= COVERED_SHARE * (self.end - self.start)


def read_cases(path: Path) -> list[Case]:
    """Read one JSON object a line, plain or gzipped."""
    data = path.read_bytes()
    lines = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).splitlines()
    decoder = msgspec.json.Decoder(Case)
    return [decoder.decode(line) for line in lines if line.strip()]


def standard_corpus() -> Path:
    """Give a folder of ordinary code that every machine has: the standard library of Python."""
    return Path(sysconfig.get_path("stdlib"))


def read_corpus(folder: Path, max_mb: float) -> Iterator[tuple[str, str]]:
    """Read the code in a folder, name and text, spread over all of it when it is more than ``max_mb``."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in CODE_SUFFIXES and path.is_file())
    sizes = {path: path.stat().st_size for path in files}
    step = max(1, -(-sum(sizes.values()) // int(max_mb * 1e6)))
    for path in files[::step]:
        if sizes[path] > 4 * MAX_FILE_CHARS:
            continue
        try:
            text = path.read_text("utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        if len(text) <= MAX_FILE_CHARS and max(map(len, text.split("\n"))) <= MAX_LINE_CHARS:
            # Only the name below the folder: some engines pass over everything in a library's folder.
            yield str(path.relative_to(folder)), text
