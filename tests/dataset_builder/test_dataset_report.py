"""The report: every figure is of k people or more, checked by SQL of its own, and pictures show nothing else."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks.dataset_cells import differences
from dataset_builder.cells import Cells, PersonValues
from dataset_builder.insights import CELL_PX, GRID, find_insights
from dataset_builder.pictures import CELL, MARGIN, Box, heatmap
from dataset_builder.report_page import write_report
from event_model.errors import DatasetError
from event_model.events import Body, Event
from event_model.ids import DocumentId
from event_model.levels import Level
from event_model.page_events import (
    Element,
    FieldChange,
    FieldContent,
    FormSubmit,
    LengthBucket,
    NameSource,
    PageNavigate,
    PageOpen,
    PointerClick,
    Scroll,
)
from overt.cli import overt
from tests.dataset_builder.dataset_world import NOON_MS, Clock, Contributor, edit, events_of, opened, start, typed

K = 5


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated fleet of twenty, built."""
    root = tmp_path_factory.mktemp("fleet")
    run = CliRunner().invoke
    assert (
        run(overt, ["simulate", str(root / "f"), "--people", "20", "--days", "1", "--edits", "150", "--json"]).exit_code
        == 0
    )
    study = root / "f" / "study"
    built = run(overt, ["dataset", "build", str(root / "f/received"), "--study", str(study / "study.json"), "--key",
                        str(study / "study.key"), "--out", str(root / "d"), "--fresh", "--json"])  # fmt: skip
    assert built.exit_code == 0, built.output
    return root / "d"


def _sql(fleet: Path, query: str) -> list[tuple[Any, ...]]:
    names = {
        table: f"read_parquet('{fleet}/{table}/*/*/*.parquet')"
        for table in ("events", "documents", "masks", "pages", "activities")
    }
    return duckdb.sql(query.format(**names)).fetchall()


@pytest.mark.parametrize("k", [2, K, 12])
def test_every_cell_is_what_sql_counts_and_has_k_people(fleet: Path, k: int) -> None:
    found = find_insights(fleet, k=k)
    assert list(differences(fleet, found)) == []
    assert found.typing
    assert bool(found.heatmaps) == bool(found.navigation) == bool(found.elements) == (k <= 6)  # six answer tickets
    assert (k > 2) or len({row["kind"] for row in found.pain}) == 4


ROUTES = ("https://a.test/a", "https://a.test/b", "https://b.test/:id")
GAPS = (0, 90, 699, 700, 701, 2_499, 2_500, 2_501, 14_999, 15_000, 119_999, 120_000)
"""On both sides of every limit."""


ELEMENTS = (
    ("button", "Save", NameSource.AUTHOR, 30, 30),
    ("paragraph", "", NameSource.NONE, -30, 790),
    ("link", "Ann's ticket", NameSource.CONTENT, 1_270, 9),
)


def _anything(source: random.Random) -> Iterator[tuple[int, Body]]:
    """A session in which anything may follow on anything, on pages and in files."""
    yield 0, start()
    for page in (1, 2):
        yield 100, PageOpen(DocumentId(page), page, source.choice(ROUTES), "t", 1280, 800)
    texts = {3: "0123456789" * 4, 4: "abc\n" * 9}
    for document, text in texts.items():
        yield 10, opened(text, document=document)
    for _ in range(400):
        gap, page = source.choice(GAPS), DocumentId(source.choice((1, 2)))
        role, name, name_from, x, y = source.choice(ELEMENTS)
        box = (x + source.randrange(9), y, 80, 30)
        element = Element(role, name, name_from, path=f"main:1/{role[0]}:1", box=box)
        click = PointerClick(page, element, source.randrange(60), source.randrange(25))
        what = source.random()
        if what < 0.2:
            yield from ((source.choice((0, 90, 699, 700)), click) for _ in range(source.randrange(3, 6)))
        elif what < 0.45:
            yield gap, click
        elif what < 0.65:
            yield gap, PageNavigate(page, source.choice(ROUTES), "t")
        elif what < 0.7:
            to, fro = source.sample(ROUTES, 2)
            step = source.choice((90, 9_999, 10_000, 10_001))
            yield from ((step, PageNavigate(page, route, "t")) for route in (to, fro, to, fro))
        elif what < 0.8:
            yield gap, FieldChange(page, element, FieldContent.WORDS, LengthBucket.SHORT, "", form=1)
        elif what < 0.83:
            yield gap, FormSubmit(page, element, 1)
        elif what < 0.87:
            yield gap, Scroll(page, 0, 100)
        else:
            for _ in range(source.randrange(1, 9)):
                document = source.choice((3, 3, 3, 4))
                size = len(texts[document])
                position = source.randrange(size)
                deleted = source.choice((0, 0, 1, min(3, size - position)))
                put = "xyz"[: source.randrange(4)] or "y"
                texts[document] = texts[document][:position] + put + texts[document][position + deleted :]
                yield source.choice((90, 1_999, 2_000)), edit(position, deleted, put, document=document)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_events_are_counted_as_sql_counts_them(receiver: Path, run: Any, out: Path, seed: int) -> None:
    for number in range(1, 8):
        source, now_ms, events = random.Random(f"{seed} {number}"), NOON_MS, []
        for index, (gap, body) in enumerate(_anything(source)):
            now_ms += gap
            events.append(Event(index, now_ms, gap, Level.CONTENT, body))
        Contributor(receiver, number).seal(events)
    run()
    for k in (2, 4, 7):
        found = find_insights(out, k=k)
        assert list(differences(out, found)) == []
        assert {row["kind"] for row in found.pain} == {"rage clicks", "dead click", "back-and-forth", "hesitation"}
    assert find_insights(out, k=8).pain == []


def test_a_cell_of_too_few_people_is_named_by_the_sql(fleet: Path) -> None:
    found = find_insights(fleet, k=K)
    loose = find_insights(fleet, k=2)
    told = list(differences(fleet, msgspec.structs.replace(loose, k=K)))
    tables = {each.partition(":")[0] for each in told if "should not be" in each}
    assert tables >= {"heatmap cells", "boxes", "elements", "pain", "typing", "masks"}
    assert list(differences(fleet, msgspec.structs.replace(found, heatmaps={})))


def test_the_report_is_a_page_with_pictures(fleet: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(overt, ["dataset", "report", str(fleet), "--out", str(tmp_path / "r"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["k"] == 5
    page = (tmp_path / "r/index.html").read_text()
    assert page.count("data:image/png;base64") == len(list((tmp_path / "r").glob("*.png"))) >= 4
    assert "http" not in page.replace("https://tickets.example.test", "")  # it loads nothing from anywhere
    for shot in (tmp_path / "r").glob("*.png"):
        with Image.open(shot) as image:
            image.load()
            assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 3
    people = {row[0] for row in _sql(fleet, "SELECT DISTINCT contributor FROM {events}")}
    sessions = {row[0] for row in _sql(fleet, "SELECT DISTINCT session FROM {events}")}
    for path in (tmp_path / "r").rglob("*"):
        assert not any(name.encode() in path.read_bytes() for name in people | sessions)


def test_a_smaller_k_than_the_studys_is_refused(fleet: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        write_report(fleet, tmp_path / "r", k=2)
    assert caught.value.code == "k-too-small"
    assert write_report(fleet, tmp_path / "r", k=50).pictures == 0
    page = (tmp_path / "r/index.html").read_text()
    assert "fewer than 50 contributors: nothing is shown" in page
    assert "<table" not in page
    assert [path.name for path in (tmp_path / "r").iterdir()] == ["index.html"]


def test_cells_of_fewer_people_are_never_given() -> None:
    cells: Cells[str] = Cells(3)
    for person in "abc":
        cells.add("common", person, 2)
    cells.add("rare", "a", 100)
    cells.add("rare", "b", 100)
    cells.add("rare", "c", 0)
    assert [(kept.key, kept.contributors, kept.count) for kept in cells.kept()] == [("common", 3, 6)]
    assert cells.dropped == 1
    values: PersonValues[str] = PersonValues(3)
    for person, each in (("a", 10), ("a", 1_000), ("a", 1_000), ("b", 20), ("c", 30)):
        values.add("x", person, each)
    assert values.median("x") == 30
    for person in "ab":
        values.add("y", person, 1)
        assert values.median("y") is None
    with pytest.raises(ValueError, match="at least 2"):
        Cells(1)


def test_the_only_burst_of_a_session_counts(receiver: Path, run: Any, out: Path) -> None:
    for number in (1, 2):
        Contributor(receiver, number).seal(events_of([start(), opened(), *typed("abcde")]))
    run()
    (row,) = find_insights(out, k=2).typing
    assert (row["edits"], row["median_burst_edits"], row["median_gap_ms"]) == (10, 5, 150)


SAVE = Element("button", "Save", NameSource.AUTHOR, path="main:1/button:1", box=(100, 100, 80, 30))
TEXT = Element("paragraph", "", path="main:1/p:1", box=(300, 300, 80, 30))
PAGE = DocumentId(1)


def _trouble() -> list[tuple[int, Body]]:
    """Rage on a button, a dead click on a text, to and fro, and a long hesitation."""
    a, b = "https://a.test/a", "https://a.test/b"
    steps: list[tuple[int, Body]] = [(0, start()), (100, PageOpen(PAGE, 1, a, "A", 1280, 800))]
    steps += [(200, PointerClick(PAGE, SAVE, 3, 3))] * 5
    steps += [(3_000, PointerClick(PAGE, TEXT, 3, 3)), (4_000, PointerClick(PAGE, SAVE, 3, 3))]
    steps += [(500, PageNavigate(PAGE, route, "t")) for route in (b, a, b)]
    return [*steps, (20_000, PointerClick(PAGE, SAVE, 3, 3))]


def test_trouble_is_found_where_it_is(receiver: Path, run: Any, out: Path) -> None:
    for number in range(1, 4):
        clock = Clock()
        events = []
        for index, (gap, body) in enumerate(_trouble()):
            (event,) = events_of([body], clock=Clock(clock.now_ms, gap))
            clock.now_ms += gap
            events.append(type(event)(index, clock.now_ms, gap, event.level, body))
        Contributor(receiver, number).seal(events)
    run()
    found = find_insights(out, k=3)
    assert {(row["kind"], row["route"], row["name"], row["count"]) for row in found.pain} == {
        ("rage clicks", "https://a.test/a", "Save", 3),
        ("dead click", "https://a.test/a", "", 3),
        ("back-and-forth", "https://a.test/b", "", 3),
        ("hesitation", "https://a.test/b", "", 3),
    }
    assert find_insights(out, k=4).pain == []
    assert find_insights(out, k=4).heatmaps == {}
    assert find_insights(out, k=4).boxes == {}
    assert found.boxes["https://a.test/a"] == [("Save", 100, 100, 80, 30), ("paragraph", 300, 300, 80, 30)]


@pytest.mark.parametrize("box", [(-50, -9, 70, 30), (1_270, 790, 10**9, 10**9), (5_000, 5_000, 9, 9), (9, 9, 0, 0)])
def test_an_element_beyond_the_page_is_cut_or_left_out(box: tuple[int, int, int, int]) -> None:
    grid = [[0] * GRID[0] for _ in range(GRID[1])]
    plain, drawn = heatmap(grid, CELL_PX), heatmap(grid, CELL_PX, [Box("x", *box)])
    with Image.open(io.BytesIO(plain)) as one, Image.open(io.BytesIO(drawn)) as other:
        changed = np.argwhere(np.any(np.asarray(one) != np.asarray(other), axis=2))
    assert (box[0] > 1_280 or not box[2]) == (not len(changed))
    if len(changed):
        lines, columns = changed[:, 0], changed[:, 1]
        assert columns.min() >= MARGIN
        assert columns.max() < MARGIN + GRID[0] * CELL
        assert lines.max() < GRID[1] * CELL
