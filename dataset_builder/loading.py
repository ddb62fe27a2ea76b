"""How others load a dataset: the lines that a build prints. The tests run them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

SQL = "SELECT date, kind, count(*) AS events FROM read_parquet({files}) GROUP BY date, kind ORDER BY date, kind"


_PLAIN = re.compile(r"[\w@%+=:,./*-]+")
"""Paths that mean the same to every shell, whatever the quotes around them."""


def sql(out: Path) -> str:
    """Give a query for DuckDB that counts the events by date and kind."""
    files = str(out / "events" / "*" / "*" / "*.parquet").replace("'", "''")
    return SQL.format(files=f"'{files}'")


def counts(out: Path) -> str:
    """Give a line of Python that runs the query."""
    return f"import duckdb; print(duckdb.sql({sql(out)!r}))"


def documents(out: Path) -> str:
    """Give a line of Python that loads the documents of every split with Hugging Face ``datasets``."""
    files = str(out / "documents" / "*" / "*" / "*.parquet")
    return f"import datasets; print(datasets.load_dataset('parquet', data_files={files!r}))"


def examples(out: Path) -> str:
    """Give a line of Python that loads the examples, split by split; one without any can't be loaded."""
    files = {split: out / "next_edit" / f"{split}.jsonl" for split in ("train", "validation", "test")}
    known = {split: str(path) for split, path in files.items() if path.exists() and path.stat().st_size}
    return f"import datasets; print(datasets.load_dataset('json', data_files={known!r}))"


def lines(out: Path) -> tuple[str, ...]:
    """Give the commands for a shell, each of which loads something that there is."""
    found = [counts(out), documents(out), examples(out)]
    if not any((out / "documents").glob("*/*/*.parquet")):
        found.remove(documents(out))
    if "{}" in found[-1]:
        found.pop()
    return tuple(f"python -c {_quoted(line, out)}" for line in found)


def _quoted(line: str, out: Path) -> str:
    """Quote a line for a shell: to be read, where the path allows it."""
    if _PLAIN.fullmatch(str(out)):
        return '"' + line.replace('"', '\\"') + '"'
    return shlex.quote(line)
