"""Views in the formats of others: read by the target's own reader where there is one, and replayed."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import weblinx
from click.testing import CliRunner

from dataset_builder.build import build
from dataset_builder.next_edit import CURSOR, REGION_END, REGION_START, START_OF_FILE, Example
from dataset_builder.planted import find_planted, read_truth
from dataset_builder.read import DocumentLife, documents, edits
from dataset_builder.view_crowd_code import CROWD_CODE
from dataset_builder.views import View, write_view
from event_model.events import FILLER, SelectionChange
from event_model.ids import DocumentId
from overt.cli import overt
from tests.dataset_builder.dataset_world import (
    RECIPIENT,
    SALT,
    Contributor,
    closed,
    edit,
    events_of,
    manifest,
    opened,
    start,
)
from tests.dataset_builder.progsnap2_rules import PROGSNAP2_PROPERTIES, progsnap2_errors

PROGSNAP2_TABLES = ("DatasetMetadata.csv", "MainTable.csv", "CodeStates/CodeState.csv", "LinkTables/EditText.csv")
SPLITS = ("train", "validation", "test")
RECORDER = Path(__file__).with_name("chrome_recorder")

PLACEHOLDER = re.compile(r"<[A-Z_]+(:[a-z0-9-]+)?:[0-9]+>")
"""In place of what is masked: the tables have filler there."""

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


def _read_zeta(text: str) -> str:
    """Read an editable region as zeta's editor does: one marker of each kind, and a line end at both sides within."""
    text = text.replace(CURSOR, "")
    assert text.count(REGION_START) == text.count(REGION_END) == 1
    assert text.count(START_OF_FILE) <= 1
    begin, end = text.index(REGION_START) + len(REGION_START), text.index(REGION_END)
    assert (text[begin], text[end - 1]) == ("\n", "\n")
    return text[begin + 1 : max(begin + 1, end - 1)]


def test_zeta_reads_every_example_and_the_edit_is_the_one_that_was_made(root: Path) -> None:
    """What the reader takes out stands in the document before the edit, and soon after it."""
    read = 0
    by_name = {(life.session, life.document, life.life): life for life in _lives(root).values()}
    states: dict[tuple[str, int, int], list[tuple[int, str]]] = {}
    for path in (root / "d/next_edit").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            example = msgspec.json.decode(line, type=Example)
            assert example.input.count(CURSOR) == 1
            assert CURSOR not in example.output
            before, after = _read_zeta(example.input), _read_zeta(example.output)
            assert before != after
            name = example.session, example.document, example.life
            if name not in by_name or PLACEHOLDER.search(example.input + example.output):
                continue
            if name not in states:
                states[name] = list(_states(root, by_name[name]))
            at = next(number for number, (index, _text) in enumerate(states[name]) if index == example.index)
            assert before in (states[name][at - 1][1] if at else by_name[name].initial_text)
            assert any(after in text for _index, text in states[name][at : at + 200])
            read += 1
    assert read > 20


def _states(root: Path, life: DocumentLife) -> Iterator[tuple[int, str]]:
    text = life.initial_text
    for change in edits(root / "d", life):
        text = _replace(text, change.position, change.deleted, change.inserted)
        yield change.index, text


def _read_crowd_code(path: Path) -> list[dict[str, str]]:
    """Read as crowd-code's own reader does: by lines, at commas outside quotes, escapes undone in its order."""
    head, *lines = re.split("\r\n|[\n\r\u2028\u2029]", path.read_bytes().decode())
    assert head.split(",") == list(CROWD_CODE)
    assert lines.pop() == ""
    rows = []
    for line in lines:
        row = dict(zip(CROWD_CODE, re.split(r',(?=(?:[^"]*"[^"]*")*[^"]*$)', line), strict=True))
        row["File"] = re.sub('^"(.*)"$', r"\1", row["File"])
        text = re.sub('^"(.*)"$', r"\1", row["Text"]).replace('""', '"')
        for escape, sign in ((r"\r\n", "\r\n"), (r"\n", "\n"), (r"\r", "\r"), (r"\t", "\t")):
            text = text.replace(escape, sign)
        rows.append(row | {"Text": text})
    return rows


def _replay_crowd_code(path: Path) -> list[tuple[str, str]]:
    """Replay as its reader does, which holds one text: a tab replaces it, any other row a range in code units."""
    rows = _read_crowd_code(path)
    assert [int(row["Sequence"]) for row in rows] == list(range(1, len(rows) + 1))
    states: list[tuple[str, str]] = []
    text = b""
    for row in rows:
        new = row["Text"].encode("utf-16-le", "surrogatepass")
        at, end = 2 * int(row["RangeOffset"]), 2 * (int(row["RangeOffset"]) + int(row["RangeLength"]))
        before, text = text, new if row["Type"] == "tab" else text[:at] + new + text[end:]
        assert not row["Type"].startswith("selection") or text == before
        states.append((row["File"], text.decode("utf-16-le", "surrogatepass")))
    return states


def test_crowd_code_replays_to_the_final_texts(root: Path, view: Any) -> None:
    folder = view(View.CROWD_CODE)
    wanted = {(life.session, life.path, life.final_text) for life in _lives(root).values()}
    found: set[tuple[str, str, str]] = set()
    for path in folder.rglob("*.csv"):
        found.update((path.stem, name, text) for name, text in _replay_crowd_code(path))
    assert wanted <= found
    assert len(wanted) > 5


def test_crowd_code_holds_what_its_escapes_can_t(tmp_path: Path) -> None:
    """Backslashes before letters, quotes, line ends of all kinds, wide characters, and a change of files in between."""
    first = 'a = "\\n\\\\t"\r\n\tb\n\\\n\U0001f600\\r'
    bodies = [start(), opened(first), opened("other", document=2, path="b.rs"), edit(len(first), 0, '\\n"\t'),
              edit(5, 0, "!", document=2), edit(3, 4, "\U0001f600,\\t"), SelectionChange(DocumentId(1), 1, 4),
              edit(12, 1, "z"), closed(), closed(2)]  # fmt: skip
    Contributor(tmp_path / "r", 1).seal(events_of(bodies))
    build(source=tmp_path / "r", manifest=manifest(), secret=RECIPIENT, out=tmp_path / "d", salt=SALT)
    assert write_view(tmp_path / "d", View.CROWD_CODE, tmp_path / "v").left_out == 0
    (path,) = (tmp_path / "v").rglob("*.csv")
    states = _replay_crowd_code(path)
    assert {life.final_text for life in documents(tmp_path / "d")} <= {text for _name, text in states}
    assert "selection_keyboard" in path.read_text() or "selection_command" in path.read_text()


def test_progsnap2_keeps_its_rules_and_replays(root: Path, view: Any) -> None:
    folder = view(View.PROGSNAP2)
    texts: dict[str, str] = {}
    closed_with: dict[str, str] = {}
    for split in SPLITS:
        tables = {name: _sheet(folder / split / name) for name in PROGSNAP2_TABLES}
        assert {row["Property"] for row in tables["DatasetMetadata.csv"]} == PROGSNAP2_PROPERTIES
        states = {row["CodeStateID"]: row["Code"] for row in tables["CodeStates/CodeState.csv"]}
        texts_of = {row["EventID"]: row for row in tables["LinkTables/EditText.csv"]}
        rows = tables["MainTable.csv"]
        assert [row["EventID"] for row in rows] == [row["Order"] for row in rows] == [str(n) for n in range(len(rows))]
        for row in rows:
            assert progsnap2_errors(row, states) == []
            section = row["CodeStateSection"]
            if row["EventType"] == "File.Create":
                texts[section] = ""
            elif row["EventType"] == "File.Edit":
                at, edit_text = int(row["SourceLocation"].removeprefix("Text:")), texts_of[row["EventID"]]
                gone = edit_text["DeleteText"]
                assert texts[section][at : at + len(gone)] == gone
                texts[section] = _replace(texts[section], at, len(gone), edit_text["InsertText"])
            if row["CodeStateID"]:
                assert states[row["CodeStateID"]] == texts[section]
            if row["EventType"] == "File.Close":
                closed_with[section] = states[row["CodeStateID"]]
    wanted = {f"{session}/{name}/{life.path}": life.final_text for (session, name), life in _lives(root).items()}
    assert texts == wanted
    assert closed_with.items() <= wanted.items()
    assert closed_with


@pytest.mark.parametrize(
    "change",
    [
        {"EventType": "File.Typed"},
        {"SubjectID": None},
        {"InsertText": "x"},
        {"EditType": None},
        {"EditType": "Typing"},
        {"SessionID": "1"},
        {"ClientTimestamp": "2026-03-02T12:00:00.000"},
        {"CodeStateID": "77"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_rules_of_progsnap2_refuse(change: dict[str, str | None]) -> None:
    row = {"EventType": "File.Edit", "EventID": "1", "CodeStateID": "", "SubjectID": "a", "ToolInstances": "overt",
           "Order": "1", "ClientTimestamp": "2026-03-02T12:00:00.000+00:00", "CodeStateSection": "a.py",
           "EditType": "Insert", "SourceLocation": "Text:0"}  # fmt: skip
    assert progsnap2_errors(row, {"0": ""}) == []
    assert progsnap2_errors({**row, **change}, {"0": ""}) != []


def _sheet(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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
