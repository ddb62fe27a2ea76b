"""What follows from rows alone is the same by SQL: minutes, tasks, documents' lives, their counts and extents."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from benchmarks.dataset_duckdb import run_relational
from benchmarks.dataset_load import make_load
from consent_ledger.manifest import read_manifest
from dataset_builder.build import build
from overt.keyfiles import read_recipient_key

COLUMNS = {
    "events": 'seq, "index", time, delta_ms, kind, document, life, position, deleted, inserted, origin, anchor, count',
    "documents": "document, life, path, language, initial_text, first_index, last_index, opened, edits, saves, gaps",
    "activities": "task, first_index, last_index, time, language, events, edits, inserted, deleted",
}
"""What both have, but for the names of people and sessions, which the salt keys."""


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A load of the benchmark, built, with the tables that DuckDB makes of the same events."""
    root = tmp_path_factory.mktemp("load")
    make_load(root, segments=5, events=300)
    build(
        source=root / "received",
        manifest=read_manifest((root / "study/study.json").read_bytes()).payload,
        secret=read_recipient_key(root / "study/study.key"),
        out=root / "dataset",
        salt=b"a salt of thirty-two bytes or so",
    )
    rows = run_relational(root / "plain", root / "duckdb", 2)
    assert rows["events"] == 1_500
    return root


@pytest.mark.parametrize(
    ("table", "of_duckdb"), [("events", "ordered"), *((t, t) for t in ("documents", "activities"))]
)
def test_a_table_is_what_sql_makes_of_the_same_events(load: Path, table: str, of_duckdb: str) -> None:
    ours = f"SELECT {COLUMNS[table]} FROM read_parquet('{load}/dataset/{table}/*/*/*.parquet')"
    theirs = f"SELECT {COLUMNS[table]} FROM read_parquet('{load}/duckdb/{of_duckdb}/*/*/*.parquet')"
    with duckdb.connect() as connection:
        counts = [connection.execute(f"SELECT count(*) FROM ({query})").fetchone() for query in (ours, theirs)]
        only = [
            connection.execute(f"SELECT count(*) FROM ({one} EXCEPT ALL {other})").fetchone()
            for one, other in ((ours, theirs), (theirs, ours))
        ]
    assert counts[0] == counts[1] != (0,)
    assert only == [(0,), (0,)]
