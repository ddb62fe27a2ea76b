"""Views in the formats of others: read by the target's own reader where there is one, and replayed."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import weblinx
from click.testing import CliRunner

from dataset_builder.planted import find_planted, read_truth
from dataset_builder.read import DocumentLife, documents
from dataset_builder.view_edits import CROWD_CODE, PROGSNAP2
from dataset_builder.views import View, write_view
from event_model.events import FILLER
from overt.cli import overt

SPLITS = ("train", "validation", "test")
RECORDER = Path(__file__).with_name("chrome_recorder")
PROGSNAP2_REQUIRED = {"EventType", "EventID", "CodeStateID", "SubjectID", "ToolInstances"}

csv.field_size_limit(1 << 30)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small fleet, built."""
    root = tmp_path_factory.mktemp("formats")
    run = CliRunner().invoke
    made = run(
        overt, ["simulate", str(root / "f"), "--people", "6", "--days", "1", "--seed", "4", "--edits", "120", "--json"]
    )
    assert made.exit_code == 0, made.output
    study = root / "f" / "study"
    built = run(overt, ["dataset", "build", str(root / "f/received"), "--study", str(study / "study.json"), "--key",
                        str(study / "study.key"), "--out", str(root / "d"), "--fresh", "--json"])  # fmt: skip
    assert built.exit_code == 0, built.output
    return root


@pytest.fixture
def view(root: Path, tmp_path: Path) -> Any:
    def write(kind: View) -> Path:
        write_view(root / "d", kind, tmp_path / kind.value)
        assert find_planted(tmp_path / kind.value, read_truth(root / "f/truth.jsonl")) == ()
        return tmp_path / kind.value

    return write


def _lives(root: Path) -> dict[tuple[str, str], DocumentLife]:
    return {(life.session, f"{life.document}/{life.life}"): life for life in documents(root / "d") if life.exact}


def _replace(text: str, position: int, deleted: int, inserted: str) -> str:
    return text[:position] + inserted + text[position + deleted :]


def test_crowd_code_replays_to_the_final_texts(root: Path, view: Any) -> None:
    folder = view(View.CROWD_CODE)
    wanted = Counter((life.session, life.path, life.final_text) for life in _lives(root).values())
    found: Counter[tuple[str, str, str]] = Counter()
    for path in folder.rglob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == CROWD_CODE
        assert [int(row["Sequence"]) for row in rows] == list(range(1, len(rows) + 1))
        assert {row["Type"] for row in rows} <= {"tab", "content", "selection_keyboard", "selection_mouse"}
        texts: dict[str, str] = {}
        for row in rows:
            at, length = int(row["RangeOffset"]), int(row["RangeLength"])
            if row["Type"] == "tab":
                texts[row["File"]] = row["Text"]
            elif row["Type"] == "content":
                texts[row["File"]] = _replace(texts[row["File"]], at, length, row["Text"])
        found.update((path.stem, name, text) for name, text in texts.items())
    assert found == wanted
    assert sum(wanted.values()) > 5


def test_progsnap2_keeps_its_rules_and_replays(root: Path, view: Any) -> None:
    folder = view(View.PROGSNAP2)
    texts: dict[str, str] = {}
    for split in SPLITS:
        with (folder / split / "DatasetMetadata.csv").open(newline="") as file:
            properties = {row["Property"]: row["Value"] for row in csv.DictReader(file)}
        assert properties["Version"] == "1.0"
        assert properties["CodeStateRepresentation"] == "Table"
        with (folder / split / "MainTable.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        if rows:
            assert set(rows[0]) == set(PROGSNAP2) >= PROGSNAP2_REQUIRED
        assert [row["EventID"] for row in rows] == [row["Order"] for row in rows] == [str(n) for n in range(len(rows))]
        for row in rows:
            assert all(row[name] for name in PROGSNAP2_REQUIRED)
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", row["ClientTimestamp"])
            section = row["CodeStateSection"]
            if row["EventType"] == "File.Create":
                texts[section] = ""
            elif row["EventType"] == "File.Edit":
                at = int(row["SourceLocation"].removeprefix("Text:"))
                assert texts[section][at : at + len(row["DeleteText"])] == row["DeleteText"]
                texts[section] = _replace(texts[section], at, len(row["DeleteText"]), row["InsertText"])
    wanted = {f"{session}/{name}/{life.path}": life.final_text for (session, name), life in _lives(root).items()}
    assert texts == wanted


def test_weblinx_reads_and_validates_every_turn(root: Path, view: Any) -> None:
    folder = view(View.WEBLINX)
    intents: Counter[str] = Counter()
    outlines = 0
    for path in folder.glob("*/*"):
        demonstration = weblinx.Demonstration(path.name, base_dir=str(path.parent))
        assert demonstration.is_valid()
        replay = weblinx.Replay.from_demonstration(demonstration)
        assert replay.validate_turns()
        for turn in replay:
            intents[turn.intent] += 1
            assert turn.url.startswith("https://tickets.example.test")
            assert (turn.viewport_width, turn.viewport_height) == (1280, 800)
            if turn.intent in {"click", "textInput"}:
                assert turn.element["tagName"]
                assert turn.format_text
                outlines += bool(turn["state"]["outline"])
    assert min(intents[name] for name in ("click", "textInput", "change", "submit", "load", "tabremove")) > 0
    assert outlines > 10


def test_chrome_recorder_scripts_are_parsed_by_its_own_reader(view: Any, tmp_path: Path) -> None:
    home = tmp_path / "recorder"
    shutil.copytree(RECORDER, home)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=peer", "--omit=optional"],
                   cwd=home, check=True, capture_output=True, timeout=300)  # fmt: skip
    folder = view(View.CHROME_RECORDER)
    scripts = sorted(folder.rglob("*.json"))
    run = subprocess.run(
        ["node", "parse.mjs", *map(str, scripts)], cwd=home, check=True, capture_output=True, timeout=60
    )
    counts = json.loads(run.stdout)
    assert counts == [len(json.loads(path.read_text())["steps"]) for path in scripts]
    assert sum(counts) > 50
    kinds = Counter(step["type"] for path in scripts for step in json.loads(path.read_text())["steps"])
    assert min(kinds[name] for name in ("setViewport", "navigate", "click", "change")) > 0
    everything = "".join(path.read_text() for path in scripts)
    assert f"aria/{FILLER}" not in everything
    (home / "broken.json").write_text('{"title": "x", "steps": [{"type": "click"}]}')
    broken = subprocess.run(
        ["node", "parse.mjs", "broken.json"], cwd=home, check=False, capture_output=True, timeout=60
    )
    assert broken.returncode != 0


def test_chats_ask_for_the_next_action(view: Any) -> None:
    folder = view(View.CHAT)
    texts = [(folder / f"actions-{split}.jsonl").read_text() for split in SPLITS]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    assert len(lines) > 30
    for line in lines:
        roles = [message["role"] for message in line["messages"]]
        assert roles == ["system", "user", "assistant"]
        assert "### Page" in line["messages"][1]["content"]
        assert line["messages"][2]["content"].split()[0] in {
            "click",
            "textInput",
            "change",
            "submit",
            "scroll",
            "paste",
        }
