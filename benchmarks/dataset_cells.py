"""Every cell of a report counted again in SQL, from the tables' single events, by code that shares nothing with it.

The numbers below are those of docs/DATASET.md, written down a second time on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from dataset_builder.insights import Insights

Row = tuple[Any, ...]

_TABLES = ("events", "documents", "masks", "pages", "activities")

_PREPARE = """
CREATE TEMP TABLE edits AS
  SELECT e.contributor, e.session, e.document, e.life, e."index", e.delta_ms, e.position, e.deleted,
         length(e.inserted) AS inserted, coalesce(d.language, '') AS language, e.origin,
         coalesce(lag(e."index") OVER run = e."index" - 1 AND e.delta_ms < 2000, false) AS goes_on
  FROM {events} e LEFT JOIN {documents} d USING (session, document, life) WHERE e.kind = 'document.edit'
  WINDOW run AS (PARTITION BY e.session ORDER BY e."index");
CREATE TEMP TABLE bursts AS
  SELECT contributor, min_by(language, "index") AS language, min_by(origin, "index") AS origin, count(*) AS edits
  FROM (SELECT *, count(*) FILTER (NOT goes_on) OVER (PARTITION BY session ORDER BY "index") AS burst FROM edits)
  GROUP BY contributor, session, burst;
CREATE TEMP TABLE moves AS
  SELECT contributor, session, page, route, "index", epoch_ms(time) AS ms
  FROM {pages} WHERE kind IN ('page.open', 'page.navigate');
CREATE TEMP TABLE clicks AS
  SELECT contributor, session, "index", epoch_ms(time) AS ms, route, role, path, box,
         CASE WHEN name_from = 'author' THEN name ELSE '' END AS name,
         floor((box[1] + x) / 20.0)::INT AS column, floor((box[2] + y) / 20.0)::INT AS line
  FROM {pages} WHERE kind = 'pointer.click' AND len(box) = 4;
CREATE TEMP TABLE series AS
  SELECT *, row_number() OVER (PARTITION BY session, series ORDER BY "index") AS place
  FROM (SELECT *, count(*) FILTER (fresh) OVER (PARTITION BY session ORDER BY "index") AS series
        FROM (SELECT *, coalesce(lag(path) OVER near <> path OR ms - lag(ms) OVER near > 700, true) AS fresh
              FROM clicks WINDOW near AS (PARTITION BY session ORDER BY "index")));
CREATE TEMP TABLE answers AS
  SELECT c.session, c."index", c.ms, min_by(p.kind, p."index") AS kind, min_by(epoch_ms(p.time), p."index") AS answer_ms
  FROM clicks c LEFT JOIN {pages} p ON p.session = c.session AND p."index" > c."index"
    AND (p.kind IN ('page.open', 'page.navigate', 'field.change', 'form.submit')
         OR p.kind = 'pointer.click' AND len(p.box) = 4)
  GROUP BY ALL;
CREATE TEMP TABLE trouble AS
  SELECT 'rage clicks' AS kind, route, role, name, contributor FROM series WHERE place = 4
  UNION ALL
  SELECT 'dead click', c.route, c.role, c.name, c.contributor
  FROM clicks c JOIN answers a USING (session, "index")
    JOIN (SELECT session, max(epoch_ms(time)) AS ends FROM {pages} GROUP BY session) USING (session)
  WHERE coalesce(a.answer_ms, ends) - c.ms >= 2500 AND c.role NOT IN (
    'button', 'link', 'checkbox', 'radio', 'combobox', 'textbox', 'searchbox', 'listbox', 'option', 'menuitem', 'tab',
    'switch', 'slider', 'spinbutton', 'menuitemcheckbox', 'menuitemradio', 'treeitem', 'gridcell')
  UNION ALL
  SELECT 'hesitation', route, '', '', contributor
  FROM (SELECT *, lag(kind) OVER (PARTITION BY session ORDER BY "index") AS before FROM {pages})
  WHERE before IS NOT NULL AND delta_ms >= 15000 AND delta_ms < 120000
  UNION ALL
  SELECT 'back-and-forth', route, '', '', contributor
  FROM (SELECT *, lag(route, 1) OVER way AS r1, lag(route, 2) OVER way AS r2, lag(route, 3) OVER way AS r3,
               lag(ms, 3) OVER way AS since FROM moves WINDOW way AS (PARTITION BY session ORDER BY "index"))
  WHERE route = r2 AND r1 = r3 AND route <> r1 AND ms - since <= 30000;
"""

_CELLS = {
    "typing": """
      SELECT language, origin, count(DISTINCT contributor), count(*) FROM edits GROUP BY ALL""",
    "activities": """
      SELECT activity, language, application, count(DISTINCT contributor), count(*) FROM {activities} GROUP BY ALL""",
    "masks": """
      SELECT category, type, found_by, count(DISTINCT contributor), count(*) FROM {masks} GROUP BY ALL""",
    "navigation": """
      SELECT before, route, count(DISTINCT contributor), count(*)
      FROM (SELECT *, lag(route) OVER (PARTITION BY session, page ORDER BY "index") AS before FROM moves)
      WHERE before <> route GROUP BY ALL""",
    "elements": """
      SELECT route, role, name, path, count(DISTINCT contributor), count(*) FROM clicks GROUP BY ALL""",
    "pain": """
      SELECT kind, route, role, name, count(DISTINCT contributor), count(*) FROM trouble GROUP BY ALL""",
    "heatmap cells": """
      SELECT route, "column", line, count(DISTINCT contributor), count(*) FROM clicks
      WHERE "column" >= 0 AND "column" < 64 AND line >= 0 AND line < 40 GROUP BY ALL""",
}
"""Each cell's key, then its people and how often it happened."""

_SUMS = {
    "inserted": "SELECT contributor, language, origin, inserted AS value FROM edits WHERE inserted > 0",
    "deleted": "SELECT contributor, language, origin, deleted AS value FROM edits WHERE deleted > 0",
    "repairs": """
      SELECT contributor, language, origin, 1 AS value FROM edits e WHERE deleted > 0 AND EXISTS (
        SELECT 1 FROM edits b WHERE b.session = e.session AND b.document = e.document AND b.life IS NOT DISTINCT FROM
          e.life AND e."index" - b."index" BETWEEN 1 AND 6
          AND e.position >= b.position AND e.position < b.position + b.inserted)""",
}
_MEDIANS = {
    "median_gap_ms": "SELECT contributor, language, origin, delta_ms AS value FROM edits WHERE goes_on",
    "median_burst_edits": "SELECT contributor, language, origin, edits AS value FROM bursts",
}
_BOXES = """
  SELECT route, if(name = '', role, name) AS shown, list(middle ORDER BY side) AS box
  FROM (SELECT route, role, name, path, side, median(own) AS middle
        FROM (SELECT route, role, name, path, side, contributor, median(box[side]) AS own
              FROM clicks CROSS JOIN range(1, 5) sides(side) GROUP BY ALL)
        GROUP BY ALL HAVING count(DISTINCT contributor) >= {k})
  GROUP BY route, role, name, path"""


def differences(dataset: Path, found: Insights) -> Iterator[str]:
    """Count every cell again, and name each that differs: of too few people, missing, or with another number."""
    files = {table: f"read_parquet('{dataset}/{table}/*/*/*.parquet')" for table in _TABLES}
    with duckdb.connect() as connection:
        connection.execute(_PREPARE.format(**files))

        def ask(query: str) -> list[Row]:
            return connection.execute(query).fetchall()

        for table, query in _CELLS.items():
            rows = ask(query.format(**files))
            wanted = {row for row in rows if row[-2] >= found.k}
            shown = _shown(found, table)
            if table == "heatmap cells":  # a picture says how often, not how many people
                wanted = {(*row[:-2], row[-1]) for row in wanted}
            yield from _told(table, shown, wanted)
            if found.dropped[table] != sum(row[-2] < found.k for row in rows):
                yield f"{table}: {found.dropped[table]} cells are said to be dropped"
        of_keys = {(row["language"], row["origin"]): row for row in found.typing}
        figures = {name: f"sum(value)::BIGINT FROM ({query})" for name, query in _SUMS.items()}
        figures |= {
            name: f"median(value) FROM (SELECT language, origin, contributor, median(value) AS value FROM ({query})"
            " GROUP BY ALL)"
            for name, query in _MEDIANS.items()
        }
        for name, figure in figures.items():
            rows = ask(
                f"SELECT language, origin, {figure} GROUP BY language, origin"
                f" HAVING count(DISTINCT contributor) >= {found.k}"
            )
            yield from _told(
                name, {(*key, row[name]) for key, row in of_keys.items() if row[name] is not None}, {*rows}
            )
        shown_boxes = {(route, *box) for route, boxes in found.boxes.items() for box in boxes}
        rows = ask(_BOXES.format(k=found.k))
        yield from _told("boxes", shown_boxes, {(route, name, *box) for route, name, box in rows})


def _shown(found: Insights, table: str) -> set[Row]:
    if table == "heatmap cells":
        return {
            (route, column, line, count)
            for route, grid in found.heatmaps.items()
            for line, counts in enumerate(grid)
            for column, count in enumerate(counts)
            if count
        }
    return {tuple(row.values())[:4] if table == "typing" else tuple(row.values()) for row in getattr(found, table)}


def _told(what: str, shown: set[Row], wanted: set[Row]) -> Iterator[str]:
    yield from (f"{what}: {row} is shown and should not be" for row in sorted(shown - wanted, key=str))
    yield from (f"{what}: {row} is missing" for row in sorted(wanted - shown, key=str))
