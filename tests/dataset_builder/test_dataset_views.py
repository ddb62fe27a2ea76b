"""Views in other formats, and loading with other people's tools."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataset_builder import loading
from dataset_builder.check import check
from dataset_builder.views import INSTRUCTION, View, write_view
from event_model.errors import DatasetError
from event_model.events import Body, DocumentEdit, Finding, Mask
from event_model.ids import DocumentId
from tests.dataset_builder.dataset_world import (
    HOUR_MS,
    NOON_MS,
    Clock,
    Contributor,
    closed,
    edit,
    events_of,
    opened,
    start,
    typed,
)

TRACE = Path(__file__).with_name("sveltecomponent-1200.json.gz")


def apply_trace(trace: dict[str, Any]) -> str:
    """Replay as the format's README says."""
    text = trace["startContent"]
    for txn in trace["txns"]:
        for position, deleted, inserted in txn["patches"]:
            text = text[:position] + inserted + text[position + deleted :]
    return text


@pytest.fixture
def built(alice: Contributor, run: Any, out: Path) -> Path:
    """Several sessions with two bursts each, so that every split has something."""
    for hour in range(4):
        bodies: list[Body] = [start(), opened("fn main() {}\n\n\n\n\n\n\n" + "// x\n" * 60)]
        bodies += [*typed(f"let a{hour} = 1;", at=11), *typed(f"// end {hour}", at=250), closed()]
        alice.seal(events_of(bodies, clock=Clock(NOON_MS + hour * 24 * HOUR_MS)))
    run()
    return out


def _environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def _python(line: str, tmp_path: Path) -> str:
    command = [sys.executable, "-c", line]
    return subprocess.run(
        command, env=_environment(tmp_path), cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout


def test_editing_traces_replay_to_their_end(alice: Contributor, run: Any, out: Path, tmp_path: Path) -> None:
    trace = json.loads(gzip.decompress(TRACE.read_bytes()))
    patches = [
        DocumentEdit(DocumentId(1), *patch, joined=at > 0)
        for txn in trace["txns"]
        for at, patch in enumerate(txn["patches"])
    ]
    alice.seal(events_of([start(), opened(trace["startContent"]), *patches]))
    run()
    report = write_view(out, View.EDITING_TRACES, tmp_path / "traces")
    (path,) = (tmp_path / "traces" / "train").iterdir()
    written = json.loads(path.read_bytes())
    assert (report.items, report.left_out) == (1, 0)
    assert [txn["patches"] for txn in written["txns"]] == [txn["patches"] for txn in trace["txns"]]
    assert apply_trace(written) == written["endContent"] == trace["endContent"]


def test_editing_traces_of_several_documents_are_kept_apart(
    alice: Contributor, run: Any, out: Path, tmp_path: Path
) -> None:
    both = DocumentEdit(DocumentId(2), 0, 0, "B", joined=True)
    bodies = [opened("a"), opened("b", document=2, path="b.rs"), edit(0, 0, "x", document=2), edit(1, 0, "A"), both]
    alice.seal(events_of(bodies))
    alice.seal(events_of([opened("c"), edit(9, 0, "outside")], clock=Clock(NOON_MS + HOUR_MS)))
    run()
    report = write_view(out, View.EDITING_TRACES, tmp_path / "traces")
    written = {
        path.name.split(".", 1)[1]: json.loads(path.read_bytes()) for path in (tmp_path / "traces").rglob("*.json")
    }
    assert report.left_out == 1
    assert {name: trace["endContent"] for name, trace in written.items()} == {"1.1.json": "aA", "2.1.json": "Bxb"}
    assert [txn["patches"] for txn in written["2.1.json"]["txns"]] == [[[0, 0, "x"]], [[0, 0, "B"]]]
    assert all(apply_trace(trace) == trace["endContent"] for trace in written.values())


@pytest.mark.parametrize("view", View)
def test_a_view_shows_nothing_masked(view: View, alice: Contributor, run: Any, out: Path, tmp_path: Path) -> None:
    secret = "hunter2hunter2"
    bodies = [start(), opened("x\n" * 200), *typed("let a = 1;"), edit(300, 0, f"key = {secret}\n"), closed()]
    mask = Mask(index=12, field="inserted", offset=6, length=len(secret), finding=1)
    alice.seal(events_of(bodies), masks=[mask], findings=[Finding(1, "secret", "password", None)])
    run()
    write_view(out, view, tmp_path / "view")
    texts = [path.read_text() for path in (tmp_path / "view").rglob("*") if path.is_file()]
    assert any("key = " in text for text in texts) or view in {View.WEBLINX, View.CHROME_RECORDER}
    assert not any(secret in text for text in texts)


def test_a_chat_asks_for_the_next_edit_and_answers(built: Path, tmp_path: Path) -> None:
    report = write_view(built, View.CHAT, tmp_path / "chat")
    chats = 0
    for split in ("train", "validation", "test"):
        lines = (tmp_path / "chat" / f"{split}.jsonl").read_text().splitlines()
        examples = (built / "next_edit" / f"{split}.jsonl").read_text().splitlines()
        for line, example in zip(lines, map(json.loads, examples), strict=True):
            messages = json.loads(line)["messages"]
            assert [message["role"] for message in messages] == ["system", "user", "assistant"]
            assert messages[0]["content"] == INSTRUCTION
            assert example["events"] in messages[1]["content"]
            assert example["input"] in messages[1]["content"]
            assert messages[2]["content"] == example["output"]
            chats += 1
    assert chats == report.items > 0


def test_a_view_never_overwrites(built: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        write_view(built, View.CHAT, tmp_path)
    assert caught.value.code == "target-taken"


def test_duckdb_loads_by_the_printed_line(built: Path) -> None:
    rows = duckdb.sql(loading.sql(built)).fetchall()
    assert sum(events for _date, kind, events in rows if kind == "document.open") == 4
    assert len({date for date, _kind, _events in rows}) > 1
    assert sum(events for _date, _kind, events in rows) == check(built).events


def test_hugging_face_datasets_load_by_the_printed_lines(built: Path, tmp_path: Path) -> None:
    assert "num_rows: 4" in _python(loading.documents(built), tmp_path)
    shown = _python(loading.examples(built), tmp_path)
    assert "train: Dataset" in shown
    assert "test: Dataset" in shown


@pytest.mark.parametrize("name", ["copy", "it's a `x`"])
def test_the_printed_lines_load_in_a_shell_what_there_is(built: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / name
    shutil.copytree(built, out)
    (out / "next_edit/validation.jsonl").write_bytes(b"")
    counts, documents, examples = loading.lines(out)
    assert ("'\"'" in counts) == (name != "copy")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    shown = [
        subprocess.run(["sh", "-c", line], check=True, stdout=subprocess.PIPE, text=True,
                       env={**os.environ, "PATH": path, "HF_HOME": str(tmp_path / "hf")}).stdout
        for line in (counts, documents, examples)
    ]  # fmt: skip
    assert "document.open" in shown[0]
    assert "num_rows: 4" in shown[1]
    assert "train: Dataset" in shown[2]
    assert "validation" not in shown[2]
    for split in ("train", "test"):
        (out / f"next_edit/{split}.jsonl").write_bytes(b"")
    shutil.rmtree(out / "documents")
    assert loading.lines(out) == (counts,)


def test_croissant_is_valid_and_loads(built: Path, tmp_path: Path) -> None:
    line = (
        "import mlcroissant as mlc\n"
        f"dataset = mlc.Dataset(jsonld={str(built / 'croissant.json')!r})\n"
        "assert not dataset.metadata.ctx.issues.errors, dataset.metadata.ctx.issues.report()\n"
        "rows = list(dataset.records('documents-train'))\n"
        "print(len(rows), rows[0]['documents-train/path'].decode())\n"
    )
    assert _python(line, tmp_path).split() == ["2", "src/main.rs"]
    assert check(built).ok
