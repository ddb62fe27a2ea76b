"""The relational part of a build in DuckDB, on the same events as plain Parquet: the limit that the builder is held to.

What follows from rows alone, and nothing else: sessions in order, the split of each by contributor and occasion, the
life of every document, the tables ``events``, ``documents`` and ``activities`` with the columns that need no text to be
rebuilt, by date and split, with the builder's compression. It opens, checks and replays nothing, and makes no examples.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dataset_builder.activities import TASK_PAUSE_MS, WINDOW_MS

HOLD_OUT = 10
"""One in so many contributors is held out, and as large a part of the others' occasions."""

RELATIONAL = f"""
CREATE TEMP TABLE spans AS
  SELECT session, any_value(contributor) AS contributor, min(time) AS start, max(time) AS finish
  FROM read_parquet('{{plain}}/*.parquet') GROUP BY session;
CREATE TEMP TABLE people AS
  SELECT contributor, row_number() OVER (ORDER BY md5(contributor)) <= count(*) OVER () // {HOLD_OUT} AS held_out
  FROM (SELECT DISTINCT contributor FROM spans);
CREATE TEMP TABLE occasions AS
  SELECT *, sum(CAST(start > coalesce(before, '-infinity') AS INT)) OVER (PARTITION BY contributor ORDER BY start)
    AS occasion
  FROM (SELECT *, max(finish) OVER (PARTITION BY contributor ORDER BY start
          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM spans JOIN people USING (contributor));
CREATE TEMP TABLE sessions AS
  SELECT session, contributor, start, CAST(start AS DATE) AS date,
         CASE WHEN held_out THEN 'test'
              WHEN dense_rank() OVER (PARTITION BY held_out ORDER BY first DESC, contributor)
                   <= count(DISTINCT (contributor, occasion)) OVER (PARTITION BY held_out) // {HOLD_OUT}
              THEN 'validation' ELSE 'train' END AS split
  FROM (SELECT *, min(start) OVER (PARTITION BY contributor, occasion) AS first FROM occasions);
CREATE TEMP TABLE ordered AS
  SELECT events.*, start, date, split,
         nullif(count(*) FILTER (kind = 'document.open') OVER lives, 0) AS life
  FROM (SELECT *, kind NOT IN ('capture.start', 'capture.pause', 'capture.resume', 'capture.gap', 'editor.focus')
          AS counted FROM read_parquet('{{plain}}/*.parquet')) AS events
  JOIN sessions USING (session, contributor)
  WINDOW lives AS (PARTITION BY session, document ORDER BY "index");
CREATE TEMP TABLE documents AS
  SELECT any_value(start) AS start, any_value(contributor) AS contributor, session, document, life,
         any_value(date) AS date, any_value(split) AS split, any_value(source) AS source,
         any_value(path) AS path, any_value(workspace) AS workspace, any_value(language) AS language,
         any_value("text") AS initial_text, any_value(continues) AS continues,
         min("index") AS first_index, max("index") AS last_index, min(time) AS opened, max(time) AS last_event,
         count(*) FILTER (kind = 'document.edit') AS edits, count(*) FILTER (kind = 'document.save') AS saves,
         count(*) FILTER (kind = 'capture.gap') AS gaps,
         bool_or(level = 'rhythm') AS rhythm, bool_or(level = 'shape') AS shape,
         CASE WHEN bool_or(kind = 'document.close') THEN 'closed' ELSE 'session-end' END AS ended
  FROM ordered WHERE life > 0 AND document IS NOT NULL GROUP BY session, document, life;
CREATE TEMP TABLE activities AS
  SELECT any_value(start) AS start, any_value(contributor) AS contributor, session, task,
         any_value(date) AS date, any_value(split) AS split, any_value(source) AS source,
         min("index") AS first_index, max("index") AS last_index, min(time) AS time, count(*) AS events,
         count(*) FILTER (kind = 'document.edit') AS edits, coalesce(sum(length(inserted)), 0) AS inserted,
         coalesce(sum(deleted), 0) AS deleted,
         count(*) FILTER (kind IN ('selection.change', 'viewport.change')) AS looks,
         count(*) FILTER (kind = 'document.save') AS saves, count(*) FILTER (joined) AS joined,
         count(*) FILTER (contains(command, 'rename')) AS renames, mode(spoken) AS language
  FROM (SELECT *, 1 + count(*) FILTER (paused) OVER (PARTITION BY session ORDER BY "index") AS task
        FROM (SELECT ordered.*, documents.language AS spoken, epoch_ms(time) - epoch_ms(lag(time) OVER
                (PARTITION BY session ORDER BY "index")) >= {TASK_PAUSE_MS} AS paused
              FROM ordered LEFT JOIN documents USING (session, document, life) WHERE counted))
  GROUP BY session, task, epoch_ms(time) // {WINDOW_MS};
"""

COPY = """
COPY (SELECT * EXCLUDE (start, {left_out}) FROM {table} ORDER BY start, contributor, session, {order})
  TO '{out}/{table}' (FORMAT PARQUET, COMPRESSION ZSTD, COMPRESSION_LEVEL 6, PARTITION_BY (date, split));
"""

TABLES = {
    "ordered": ("counted, path, workspace, language, text, continues", '"index"'),
    "documents": ("rhythm, shape", "document, life"),
    "activities": ("looks, saves, joined, renames", "first_index"),
}
"""What is left out of each table, and its order in a session."""


def run_relational(plain: Path, out: Path, threads: int) -> dict[str, int]:
    """Do the relational part and write it to a folder that does not exist yet; give the rows of each table."""
    out.mkdir()
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {threads}")
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(RELATIONAL.format(plain=plain))
        rows: dict[str, int] = {}
        for table, (left_out, order) in TABLES.items():
            written = connection.execute(COPY.format(table=table, left_out=left_out, order=order, out=out)).fetchone()
            rows["events" if table == "ordered" else table] = int(written[0]) if written else 0
    return rows
