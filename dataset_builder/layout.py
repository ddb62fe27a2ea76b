"""Where the files of a dataset lie: by kind of table, study and date, with a file per split. Pure but for listing."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from dataset_builder.plan import SessionPlan, Split

EXAMPLES = "next_edit"

_NAME = re.compile(r"([a-z_]+)/study=[a-z0-9-]{2,63}/date=(\d{4}-\d\d-\d\d)/(train|validation|test)\.parquet")


def table_file(table: str, study: str, date: str, split: Split) -> str:
    """Name the file of a table's rows of one date and split; a session belongs to the date on which it began, in UTC.

    The folders are named as Hive does, so that DuckDB and others give ``study`` and ``date`` as columns.
    """
    return f"{table}/study={study}/date={date}/{split.value}.parquet"


def is_table_file(name: str, tables: frozenset[str]) -> bool:
    """Say whether a name is that of a table's file."""
    match = _NAME.fullmatch(name)
    return match is not None and match[1] in tables


def examples_file(split: Split) -> str:
    """Name the file of a split's next-edit examples."""
    return f"{EXAMPLES}/{split.value}.jsonl"


def date_of(session: SessionPlan) -> str:
    """Give the date of a session's rows."""
    return datetime.datetime.fromtimestamp(session.start_ms / 1000, datetime.UTC).date().isoformat()


def table_files(out: Path, table: str, split: str | None = None) -> list[Path]:
    """Give the files of a table, or of one split of it, in the order of their dates: that of the sessions."""
    return sorted((out / table).glob(f"study=*/date=*/{split or '*'}.parquet"), key=lambda path: path.parts[-3:])
