"""How others load a dataset: the lines that a build prints. The tests run them."""

from __future__ import annotations

import shlex
from pathlib import Path

SQL = "SELECT date, kind, count(*) AS events FROM read_parquet({files}) GROUP BY date, kind ORDER BY date, kind"


def sql(out: Path) -> str:
    """Give a query for DuckDB that counts the events by date and kind."""
    files = str(out / "events" / "*" / "*" / "*.parquet").replace("'", "''")
    return SQL.format(files=f"'{files}'")


def python(out: Path) -> str:
    """Give a line of Python that loads the examples with Hugging Face ``datasets``, split by split."""
    files = {split: str(out / "next_edit" / f"{split}.jsonl") for split in ("train", "validation", "test")}
    return f"import datasets; print(datasets.load_dataset('json', data_files={files!r}))"


def documents(out: Path) -> str:
    """Give a line of Python that loads the documents of every split with Hugging Face ``datasets``."""
    files = str(out / "documents" / "*" / "*" / "*.parquet")
    return f"import datasets; print(datasets.load_dataset('parquet', data_files={files!r}))"


def lines(out: Path) -> tuple[str, str, str]:
    """Give the commands for a shell."""
    return (
        f"duckdb -c {shlex.quote(sql(out))}",
        f"python -c {shlex.quote(documents(out))}",
        f"python -c {shlex.quote(python(out))}",
    )
