"""The report: one HTML page with the pictures and figures of a dataset, and what was masked, dropped and why."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from dataset_builder import pictures
from dataset_builder.card import Card, read_card
from dataset_builder.insights import CELL_PX, Insights, find_insights
from dataset_builder.parts import keep_private
from event_model.errors import DatasetError

PAGE = "index.html"
TABLES = ("typing", "activities", "navigation", "elements", "pain", "masks")
MAX_ROWS = 40
"""Rows of a table on the page; the Parquet file beside it has all."""

MAX_BARS = 12
MAX_BOXES = 40
"""Bars, and elements' boxes, in one picture."""

_STYLE = """:root{color-scheme:light dark;--ink:#20262e;--paper:#fff;--line:#e1e5ea;--note:#5a6470}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#16191d;--line:#343b44;--note:#a3adb8}}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:var(--ink);
background:var(--paper)}div.t{overflow-x:auto;margin:.5rem 0 1.5rem}table{border-collapse:collapse;font-size:.85rem}
th,td{padding:.2rem .7rem;text-align:left;border-bottom:1px solid var(--line)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}h2{margin-top:2.5rem}h3{overflow-wrap:anywhere}
img{max-width:100%;height:auto;background:#fff;padding:.5rem;border-radius:.4rem;box-sizing:border-box}
p.note,small{color:var(--note)}p.note{font-size:.9rem}"""

_RULE = "What fewer people did is not shown, and was left out before anything was smoothed or drawn."
_DAMAGED = "damaged, foreign, or it contradicts itself"
_WHY = {
    "no-history": "the first edit of a session has nothing before it",
    "no-change": "the text was as before in the end",
    "too-large": "too large to be one step",
    "line-too-long": "a line that nobody writes by hand",
    "marker-in-text": "the text has one of the format's own marks",
    "duplicate": "the same as another one",
}


class ReportFiles(msgspec.Struct, frozen=True):
    """What was written."""

    page: Path
    k: int
    pictures: int
    dropped: dict[str, int]


def write_report(out: Path, target: Path, *, k: int | None = None) -> ReportFiles:
    """Write a dataset's report to a folder that does not exist yet: the page, its pictures, and the aggregates.

    ``k`` is the study's or larger. DatasetError: if ``out`` is no dataset, ``target`` exists or can't be written, or k
    is smaller than the study's (``k-too-small``).
    """
    card = read_card(out)
    wanted = card.study.k if k is None else k
    if wanted < card.study.k:
        raise DatasetError(
            f"the study promises that nothing is shown about fewer than {card.study.k} people",
            code="k-too-small",
            hint=f"Give --k {card.study.k} or more.",
        )
    if os.path.lexists(target):
        raise DatasetError(f"{target} exists", code="target-taken", hint="Choose a folder that does not exist yet.")
    found = find_insights(out, k=wanted)
    try:
        target.mkdir(parents=True, mode=0o700)
        shots = _pictures(found)
        for name, data in shots.items():
            (target / name).write_bytes(data)
        for table in TABLES:
            rows = getattr(found, table)
            if rows:
                pq.write_table(pa.Table.from_pylist(rows), target / f"{table}.parquet", compression="zstd")
        (target / PAGE).write_text(_page(card, found, shots), "utf-8")
        keep_private(target)
    except OSError as error:
        raise DatasetError(
            f"the report can't be written: {error.strerror or error}", code="dataset-unwritable"
        ) from error
    return ReportFiles(target / PAGE, wanted, len(shots), found.dropped)


def _pictures(found: Insights) -> dict[str, bytes]:
    shots: dict[str, bytes] = {}
    for number, (route, grid) in enumerate(found.heatmaps.items(), 1):
        boxes = [pictures.Box(*box) for box in found.boxes.get(route, [])[:MAX_BOXES]]
        shots[f"heatmap-{number:02d}.png"] = pictures.heatmap(grid, CELL_PX, boxes)
    if found.navigation:
        shots["navigation.png"] = pictures.graph(
            [(row["from_route"], row["to_route"], row["count"]) for row in found.navigation[:MAX_ROWS]]
        )
    if found.activities:
        rows = [
            (f"{row['activity']}, {row['language'] or row['application']}", row["count"]) for row in found.activities
        ]
        shots["activities.png"] = pictures.bars(rows[:MAX_BARS], "min")
    speeds = [row for row in found.typing if row["median_gap_ms"] is not None]
    if speeds:
        rows = [(f"{row['origin']}, {row['language']}".rstrip(", "), row["median_gap_ms"]) for row in speeds]
        shots["typing.png"] = pictures.bars(rows[:MAX_BARS], "ms")
    if found.pain:
        rows = [(_where(row), row["count"]) for row in found.pain]
        shots["pain.png"] = pictures.bars(rows[:MAX_BARS], "times")
    return shots


def _where(row: dict[str, Any]) -> str:
    """Say what trouble it is, and where."""
    path = row["route"].partition("://")[2].partition("/")[2]
    element = f" on {row['name'] or row['role']}" if row["role"] else ""
    return f"{row['kind']}{element}, /{path}"


def _page(card: Card, found: Insights, shots: dict[str, bytes]) -> str:
    parts = [
        f"<h1>{_text(card.study.title)}</h1>",
        f"<p>Study <b>{_text(card.study.id)}</b>, version {card.study.version}. {_text(card.licence)}</p>",
        f"<p class=note>Every figure about what people did is of {found.k} contributors or more. {_RULE}</p>",
    ]
    if not found.contributors:
        return _framed(card, [*parts, f"<p>There are fewer than {found.k} contributors: nothing is shown.</p>"])
    parts += [
        "<h2>What is in it</h2>",
        _table([{"what": name.replace("_", " "), "count": value} for name, value in _counts(card)]),
        "<h2>What was masked</h2>",
        _table(found.masks) or "<p>Nothing that enough people had.</p>",
        "<h2>What was left out, and why</h2>",
        _table(_left_out(card, found)),
        "<h2>What was being done, in minutes</h2>",
        _image(shots, "activities.png", "Minutes by activity and language"),
        _table(found.activities),
        "<h2>Typing and corrections</h2>",
        _image(shots, "typing.png", "Median time since the edit before, by what made the edit, and language"),
        _table(found.typing),
        "<h2>Ways through the application</h2>",
        _image(shots, "navigation.png", "Pages and the ways between them, with how often each was taken"),
        _table(found.navigation),
        "<h2>Where pages give trouble</h2>",
        _image(shots, "pain.png", "Trouble by kind, element and page"),
        _table(found.pain),
        "<h2>Where pages are clicked</h2>",
    ]
    for number, route in enumerate(found.heatmaps, 1):
        parts += [
            f"<h3>{_text(route)}</h3>",
            _image(shots, f"heatmap-{number:02d}.png", f"Clicks on {route}, with the elements"),
        ]
    return _framed(card, [*parts, _table(found.elements)])


def _framed(card: Card, parts: list[str]) -> str:
    body = "\n".join(parts)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{_text(card.study.title)}</title>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<style>{_STYLE}</style><body>\n{body}\n</body></html>\n"
    )


def _counts(card: Card) -> list[tuple[str, int]]:
    return list(msgspec.to_builtins(card.counts).items())


def _left_out(card: Card, found: Insights) -> list[dict[str, Any]]:
    rows = [
        {"what": f"examples: {name}", "count": count, "why": _WHY.get(name, "")}
        for name, count in card.examples_left_out.items()
    ]
    problems: dict[str, int] = {}
    for problem in card.problems:
        problems[problem.code] = problems.get(problem.code, 0) + 1
    rows += [{"what": f"segments or sessions: {code}", "count": count, "why": _DAMAGED}
             for code, count in sorted(problems.items())]  # fmt: skip
    rows += [{"what": f"cells: {name}", "count": count, "why": f"fewer than {found.k} contributors"}
             for name, count in found.dropped.items()]  # fmt: skip
    return rows


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    names = list(rows[0])
    numbers = {name for name in names if isinstance(rows[0][name], int | float)}

    def cell(tag: str, name: str, value: object) -> str:
        shown = "" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)
        return f"<{tag}{' class=n' if name in numbers else ''}>{_text(shown)}</{tag}>"

    head = "".join(cell("th", name, name.replace("_", " ")) for name in names)
    body = "".join("<tr>" + "".join(cell("td", name, row[name]) for name in names) + "</tr>" for row in rows[:MAX_ROWS])
    more = f"<p class=note>and {len(rows) - MAX_ROWS} more</p>" if len(rows) > MAX_ROWS else ""
    return f"<div class=t><table><tr>{head}</tr>{body}</table></div>{more}"


def _image(shots: dict[str, bytes], name: str, says: str) -> str:
    if name not in shots:
        return "<p>Not enough people.</p>"
    data = base64.b64encode(shots[name]).decode("ascii")
    with Image.open(io.BytesIO(shots[name])) as image:
        width = image.width // pictures.SCALE
    shown = f"<img width={width} alt='{_text(says)}' src='data:image/png;base64,{data}'>"
    return f"<p>{shown}<br><small>{_text(says)}</small></p>"


def _text(value: str) -> str:
    return html.escape(value, quote=True)
