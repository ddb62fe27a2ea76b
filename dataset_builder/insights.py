"""What a dataset says about work, never about one person: every figure is of k contributors or more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.cells import Cells, PersonValues
from dataset_builder.layout import table_files
from event_model.errors import DatasetError

RUN_GAP_MS = 2_000
"""Keys further apart belong to different bursts."""

REPAIR_EVENTS = 6
"""A deletion so soon after an insertion before it is a repair."""

RAGE_CLICKS = 4
RAGE_GAP_MS = 700
"""So many clicks on one element, each so soon after the one before, are rage."""

DEAD_MS = 2_500
"""A click on something that is no control, and nothing changes or is clicked in this time: a dead click."""

HESITATION_MS = 15_000
BREAK_MS = 120_000
"""Nothing for so long on a page is hesitation; for longer, the person was away."""

RETURN_MS = 15_000
"""To a page and back within this time, twice, is back-and-forth."""

CELL_PX = 20
GRID = (64, 40)
"""A heatmap's cells: 20 px, 1,280 by 800."""

INTERACTIVE = frozenset(
    {"button", "link", "checkbox", "radio", "combobox", "textbox", "searchbox", "listbox", "option", "menuitem", "tab",
     "switch", "slider", "spinbutton", "menuitemcheckbox", "menuitemradio", "treeitem", "gridcell"}
)  # fmt: skip
"""Roles that do something when they are clicked (WAI-ARIA 1.2, widgets)."""

_BATCH_ROWS = 16_384


class Insights(msgspec.Struct, frozen=True):
    """Aggregates as rows of plain values; ``dropped`` counts the cells with fewer than k contributors."""

    k: int
    contributors: int
    typing: list[dict[str, Any]]
    activities: list[dict[str, Any]]
    navigation: list[dict[str, Any]]
    elements: list[dict[str, Any]]
    pain: list[dict[str, Any]]
    masks: list[dict[str, Any]]
    heatmaps: dict[str, list[list[int]]]
    """Clicks by route template: a grid of counts, rows from the top; cells with fewer than k contributors are 0."""
    boxes: dict[str, list[tuple[str, float, float, float, float]]]
    """Elements by route template, the most clicked first: name or role, and the median of the people's boxes (px)."""
    dropped: dict[str, int]


def find_insights(out: Path, *, k: int) -> Insights:
    """Read a dataset's tables. DatasetError: if one can't be read (``dataset-damaged``), or k is below 2."""
    if k < 2:
        raise DatasetError("a report is about two people at least", code="k-too-small", hint="Give a larger --k.")
    languages = {
        (row["session"], row["document"], row["life"]): row["language"]
        for row in rows_of(out, "documents", ["session", "document", "life", "language"])
    }
    typing = _Typing(k, languages)
    typing.read(out)
    pages = _Pages(k)
    pages.read(out)
    activities: Cells[tuple[str, str, str]] = Cells(k)
    people = set()
    for row in rows_of(out, "activities", ["contributor", "activity", "language", "application"]):
        people.add(row["contributor"])
        activities.add((row["activity"], row["language"], row["application"]), row["contributor"])
    masks: Cells[tuple[str, str, str]] = Cells(k)
    for row in rows_of(out, "masks", ["contributor", "category", "type", "found_by"]):
        masks.add((row["category"], row["type"], row["found_by"]), row["contributor"])
    return Insights(
        k=k,
        contributors=len(people) if len(people) >= k else 0,
        typing=typing.table(),
        activities=_table(activities, "activity", "language", "application"),
        navigation=_table(pages.edges, "from_route", "to_route"),
        elements=_table(pages.elements, "route", "role", "name", "path"),
        pain=_table(pages.pain, "kind", "route", "role", "name"),
        masks=_table(masks, "category", "type", "found_by"),
        heatmaps=pages.heatmaps(),
        boxes=pages.boxes(),
        dropped={
            "typing": typing.edits.dropped,
            "activities": activities.dropped,
            "navigation": pages.edges.dropped,
            "elements": pages.elements.dropped,
            "pain": pages.pain.dropped,
            "masks": masks.dropped,
            "heatmap cells": pages.clicks.dropped,
        },
    )


class _Typing:
    """Speed, bursts and repairs, by language and origin of the edit."""

    def __init__(self, k: int, languages: dict[tuple[str, int, int], str]) -> None:
        self.edits: Cells[tuple[str, str]] = Cells(k)
        self._inserted: Cells[tuple[str, str]] = Cells(k)
        self._deleted: Cells[tuple[str, str]] = Cells(k)
        self._repairs: Cells[tuple[str, str]] = Cells(k)
        self._gaps: PersonValues[tuple[str, str]] = PersonValues(k)
        self._bursts: PersonValues[tuple[str, str]] = PersonValues(k)
        self._burst: tuple[tuple[str, str], str] | None = None
        self._burst_edits = 0
        self._languages = languages

    def read(self, out: Path) -> None:
        """Read the edits, session by session as they stand."""
        names = ["contributor", "session", "index", "delta_ms", "kind", "document", "life", "position", "deleted",
                 "inserted", "origin"]  # fmt: skip
        session, last_edit = "", -1
        recent: list[tuple[int, tuple[int, int], int, int]] = []
        for row in rows_of(out, "events", names):
            if row["session"] != session:
                session, last_edit, recent = row["session"], -1, []
            if row["kind"] != "document.edit":
                continue
            life = (row["document"], row["life"])
            key = (self._languages.get((session, *life), ""), row["origin"])
            who, inserted = row["contributor"], len(row["inserted"])
            self.edits.add(key, who)
            self._inserted.add(key, who, inserted)
            self._deleted.add(key, who, row["deleted"])
            index, position = row["index"], row["position"]
            if row["deleted"] and any(
                index - at <= REPAIR_EVENTS and where == life and start <= position < end
                for at, where, start, end in recent
            ):
                self._repairs.add(key, who)
            recent = [*recent[-REPAIR_EVENTS:], (index, life, position, position + inserted)]
            if last_edit == index - 1 and row["delta_ms"] < RUN_GAP_MS:
                self._gaps.add(key, who, row["delta_ms"])
                self._burst_edits += 1
            else:
                self._end_burst()
                self._burst, self._burst_edits = (key, who), 1
            last_edit = index
        self._end_burst()

    def _end_burst(self) -> None:
        """Count the burst that is over: for the language and origin with which it began."""
        if self._burst is not None:
            self._bursts.add(*self._burst, self._burst_edits)

    def table(self) -> list[dict[str, Any]]:
        """Give a row per language and origin."""
        inserted = {kept.key: kept.count for kept in self._inserted.kept()}
        deleted = {kept.key: kept.count for kept in self._deleted.kept()}
        repairs = {kept.key: kept.count for kept in self._repairs.kept()}
        return [
            {
                "language": kept.key[0],
                "origin": kept.key[1],
                "contributors": kept.contributors,
                "edits": kept.count,
                "inserted": inserted.get(kept.key),
                "deleted": deleted.get(kept.key),
                "repairs": repairs.get(kept.key),
                "median_gap_ms": self._gaps.median(kept.key),
                "median_burst_edits": self._bursts.median(kept.key),
            }
            for kept in self.edits.kept()
        ]


class _Pages:
    """Ways through an application, where its pages are clicked, and where they give trouble."""

    def __init__(self, k: int) -> None:
        self.edges: Cells[tuple[str, str]] = Cells(k)
        self.elements: Cells[tuple[str, str, str, str]] = Cells(k)
        self.pain: Cells[tuple[str, str, str, str]] = Cells(k)
        self.clicks: Cells[tuple[str, int, int]] = Cells(k)
        self._boxes: PersonValues[tuple[tuple[str, str, str, str], int]] = PersonValues(k)
        self._reset("")

    def _reset(self, session: str) -> None:
        self._session = session
        self._route: dict[int, str] = {}
        self._visits: list[tuple[str, int]] = []
        self._clicks: list[tuple[str, int]] = []
        self._raging = False
        self._dead: tuple[tuple[str, str, str, str], int] | None = None
        self._now_ms = 0

    def read(self, out: Path) -> None:
        """Read the events of pages, session by session as they stand."""
        names = ["contributor", "session", "delta_ms", "kind", "page", "route", "role", "name", "name_from", "path",
                 "box", "x", "y", "time"]  # fmt: skip
        for row in rows_of(out, "pages", names):
            if row["session"] != self._session:
                self._reset(row["session"])
            self._hesitates(row)
            self._now_ms = row["time"]
            if self._dead is not None and self._now_ms - self._dead[1] >= DEAD_MS:
                self.pain.add(self._dead[0], row["contributor"])
                self._dead = None
            if row["kind"] in {"page.open", "page.navigate"}:
                self._moves(row)
            elif row["kind"] == "pointer.click" and row["box"]:
                self._clicked(row)
            elif row["kind"] in {"field.change", "form.submit"}:
                self._dead = None

    def heatmaps(self) -> dict[str, list[list[int]]]:
        """Give a grid of clicks per route template."""
        grids: dict[str, list[list[int]]] = {}
        for kept in self.clicks.kept():
            route, column, row = kept.key
            grids.setdefault(route, np.zeros(GRID[::-1], int).tolist())[row][column] = kept.count
        return dict(sorted(grids.items()))

    def boxes(self) -> dict[str, list[tuple[str, float, float, float, float]]]:
        """Give the boxes of the elements that enough people clicked, by route template."""
        found: dict[str, list[tuple[str, float, float, float, float]]] = {}
        for kept in self.elements.kept():
            route, role, name, _path = kept.key
            x, y, width, height = (self._boxes.median((kept.key, side)) or 0.0 for side in range(4))
            found.setdefault(route, []).append((name or role, x, y, width, height))
        return found

    def _hesitates(self, row: dict[str, Any]) -> None:
        if self._now_ms and HESITATION_MS <= row["delta_ms"] < BREAK_MS:
            self.pain.add(("hesitation", row["route"], "", ""), row["contributor"])

    def _moves(self, row: dict[str, Any]) -> None:
        self._dead = None
        route, who, now_ms = row["route"], row["contributor"], row["time"]
        before = self._route.get(row["page"])
        self._route[row["page"]] = route
        if before is not None and before != route:
            self.edges.add((before, route), who)
        self._visits = [*self._visits[-3:], (route, now_ms)]
        if len(self._visits) == 4:
            names = [name for name, _time in self._visits]
            quick = now_ms - self._visits[0][1] <= 2 * RETURN_MS
            if quick and names[0] == names[2] != names[1] == names[3]:
                self.pain.add(("back-and-forth", route, "", ""), who)

    def _clicked(self, row: dict[str, Any]) -> None:
        route, who, now_ms, role = row["route"], row["contributor"], row["time"], row["role"]
        # A name that the page's author gave says what a control is; one that is taken from content may say anything.
        name = row["name"] if row["name_from"] == "author" else ""
        element = (route, role, name, row["path"])
        self.elements.add(element, who)
        for side, value in enumerate(row["box"]):
            self._boxes.add((element, side), who, value)
        x, y = row["box"][0] + row["x"], row["box"][1] + row["y"]
        column, line = x // CELL_PX, y // CELL_PX
        if 0 <= column < GRID[0] and 0 <= line < GRID[1]:
            self.clicks.add((route, column, line), who)
        self._rage(row["path"], (route, role, name), who, now_ms)
        self._dead = None if role in INTERACTIVE else (("dead click", route, role, name), now_ms)

    def _rage(self, path: str, where: tuple[str, str, str], who: str, now_ms: int) -> None:
        if self._clicks and (self._clicks[-1][0] != path or now_ms - self._clicks[-1][1] > RAGE_GAP_MS):
            self._clicks, self._raging = [], False
        self._clicks.append((path, now_ms))
        if len(self._clicks) >= RAGE_CLICKS and not self._raging:
            self._raging = True
            self.pain.add(("rage clicks", *where), who)


def _table(cells: Cells[Any], *names: str) -> list[dict[str, Any]]:
    return [
        {**dict(zip(names, kept.key, strict=True)), "contributors": kept.contributors, "count": kept.count}
        for kept in cells.kept()
    ]


def rows_of(out: Path, table: str, names: list[str], *, split: str | None = None) -> Iterator[dict[str, Any]]:
    """Give the rows of a table, or of one split, in their order. DatasetError: if a file can't be read."""
    for file in table_files(out, table, split):
        try:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(batch_size=_BATCH_ROWS, columns=names):
                    columns = [_values(batch[name]) for name in names]
                    for row in zip(*columns, strict=True):
                        yield dict(zip(names, row, strict=True))
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(f"{file} can't be read", code="dataset-damaged") from error


def _values(column: pa.Array) -> list[Any]:
    values: Callable[[], list[Any]] = column.to_pylist
    return column.cast(pa.int64()).to_pylist() if pa.types.is_timestamp(column.type) else values()
