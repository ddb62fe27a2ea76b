"""The check sees what is wrong with a dataset, also when its card was made to agree."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataset_builder.build import build
from dataset_builder.card import CARD, read_card, write_card
from dataset_builder.check import CheckReport, check
from dataset_builder.parts import describe_file
from dataset_builder.read import documents, edits, final_text, replay_text
from event_model.errors import DatasetError
from event_model.events import Finding, Mask
from tests.dataset_builder.dataset_world import (
    HOUR_MS,
    NOON_MS,
    RECIPIENT,
    SALT,
    Clock,
    Contributor,
    edit,
    events_of,
    manifest,
    opened,
    start,
)

DAY = "study=pilot/date=2026-03-02"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five sessions, with masks in the initial text and in an edit."""
    root = tmp_path_factory.mktemp("check")
    alice = Contributor(root / "receiver", 1)
    pad = "// pad\n" * 40
    for hour in range(5):
        bodies = [start(), opened(f"pass = hunter2\n{pad}"), edit(0, 0, "pass = hunter3\n"), edit(250, 3, f"{hour}")]
        bodies.append(edit(150, 0, "third"))
        alice.seal(
            events_of(bodies, clock=Clock(NOON_MS + hour * HOUR_MS)),
            masks=[Mask(1, "text", 7, 7, 1), Mask(2, "inserted", 7, 7, 2)],
            findings=[Finding(1, "secret", "password", b"2"), Finding(2, "secret", "password", b"3")],
        )
    out = root / "dataset"
    build(source=root / "receiver", manifest=manifest(), secret=RECIPIENT, out=out, salt=SALT)
    assert check(out).ok
    return out


@pytest.fixture
def dataset(built: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(built, tmp_path / "dataset"))


def _accept(out: Path) -> CheckReport:
    """Make the card agree with the files, as somebody would who wants to hide a change; then check."""
    card = read_card(out)
    files = tuple(describe_file(out, out / file.name, file.rows) for file in card.files)
    write_card(msgspec.structs.replace(card, files=files), out)
    return check(out)


def _change(out: Path, name: str, column: str, change: Callable[[list[Any]], None]) -> None:
    path = out / name
    table = pq.read_table(path)
    values = table.column(column).to_pylist()
    change(values)
    at = table.schema.get_field_index(column)
    field = table.schema.field(at)
    pq.write_table(table.set_column(at, field, pa.array(values, type=field.type)), path)


def _set(at: int, value: Any) -> Callable[[list[Any]], None]:
    def change(values: list[Any]) -> None:
        values[at] = value

    return change


_SPAN = {"start": 0, "length": 4, "placeholder": "<X:1>"}


def _codes(report: CheckReport) -> set[str]:
    return {problem.code for problem in report.problems}


def test_a_changed_missing_or_added_file_is_named(dataset: Path) -> None:
    (dataset / f"events/{DAY}/test.parquet").write_bytes(b"changed")
    (dataset / f"masks/{DAY}/train.parquet").unlink()
    (dataset / "notes.txt").write_text("mine")
    report = check(dataset)
    assert {(problem.code, problem.where) for problem in report.problems} == {
        ("file-changed", f"events/{DAY}/test.parquet"),
        ("file-missing", f"masks/{DAY}/train.parquet"),
        ("file-foreign", "notes.txt"),
    }


@pytest.mark.parametrize(
    ("name", "column", "change", "code"),
    [
        (f"documents/{DAY}/train.parquet", "final_text", _set(0, "other"), "replay-failed"),
        (f"documents/{DAY}/train.parquet", "edits_applied", _set(0, 2), "counts-differ"),
        (f"documents/{DAY}/train.parquet", "exact", _set(0, False), "exact-false"),
        (f"documents/{DAY}/train.parquet", "session", _set(0, "stray"), "rows-stray"),
        (f"events/{DAY}/train.parquet", "position", _set(3, 10**9), "replay-failed"),
        (f"events/{DAY}/train.parquet", "removed", _set(3, "xyz"), "replay-failed"),
        (f"events/{DAY}/train.parquet", "applied", _set(3, False), "counts-differ"),
        (f"events/{DAY}/train.parquet", "index", _set(3, 0), "order"),
        (f"events/{DAY}/train.parquet", "life", _set(3, 9), "life-missing"),
        (f"masks/{DAY}/train.parquet", "length", _set(0, 9), "mask-open"),
        (f"masks/{DAY}/train.parquet", "offset", _set(1, 0), "mask-open"),
        (
            f"documents/{DAY}/train.parquet",
            "final_masks",
            _set(0, [{"start": 0, "length": 4, "placeholder": "<X:1>"}]),
            "mask-open",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_named(
    dataset: Path, name: str, column: str, change: Callable[[list[Any]], None], code: str
) -> None:
    _change(dataset, name, column, change)
    assert code in _codes(_accept(dataset))


def test_text_under_a_mask_is_named(dataset: Path) -> None:
    """As a build would write it that forgot to mask: events, documents and card agree, the mask does not."""

    def unmask(values: list[Any]) -> None:
        values[2] = "pass = hunter3\n"

    _change(dataset, f"events/{DAY}/train.parquet", "inserted", unmask)
    assert "mask-open" in _codes(_accept(dataset))


def test_a_session_in_two_splits_is_named(dataset: Path) -> None:
    for table in ("events", "documents", "masks"):
        (dataset / table / f"{DAY}/test.parquet").write_bytes((dataset / table / f"{DAY}/train.parquet").read_bytes())
    assert "split-leak" in _codes(_accept(dataset))


def test_an_example_of_another_split_is_named(dataset: Path) -> None:
    lines = (dataset / "next_edit/train.jsonl").read_bytes().splitlines(keepends=True)
    (dataset / "next_edit/test.jsonl").write_bytes(lines[0])
    assert _codes(_accept(dataset)) >= {"split-leak", "example-duplicate"}


@pytest.mark.parametrize("line", [b"{}\n", b"not json\n", b"\xff\n", b'{"events":""}\n'])
def test_a_malformed_example_is_named(dataset: Path, line: bytes) -> None:
    (dataset / "next_edit/train.jsonl").write_bytes(line)
    assert "example-malformed" in _codes(_accept(dataset))


def test_other_columns_are_named(dataset: Path) -> None:
    table = pq.read_table(dataset / f"masks/{DAY}/train.parquet")
    pq.write_table(table.drop_columns(["placeholder"]), dataset / f"masks/{DAY}/train.parquet")
    assert _codes(_accept(dataset)) >= {"columns-differ"}


def test_a_card_that_counts_otherwise_is_named(dataset: Path) -> None:
    card = read_card(dataset)
    write_card(msgspec.structs.replace(card, counts=msgspec.structs.replace(card.counts, events=7)), dataset)
    assert _codes(check(dataset)) == {"counts-differ"}


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 5000, b"\xff", b'{"format": "another dataset 1"}'])
def test_what_is_no_dataset_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / CARD).write_bytes(data)
    with pytest.raises(DatasetError) as caught:
        check(tmp_path)
    assert caught.value.code == "not-a-dataset"
    with pytest.raises(DatasetError):
        check(tmp_path / "nowhere")


@pytest.mark.parametrize("card", [b'{"format": "overt dataset 1", "tables": []}', b'{"format": "overt dataset 99"}'])
def test_a_card_of_another_version_is_named_as_such(dataset: Path, card: bytes) -> None:
    (dataset / CARD).write_bytes(card)
    with pytest.raises(DatasetError, match="another version of overt") as caught:
        check(dataset)
    assert caught.value.code == "dataset-version"
    assert "overt dataset build" in caught.value.hint


def test_a_damaged_parquet_file_that_its_card_accepts_is_an_error(dataset: Path) -> None:
    (dataset / f"events/{DAY}/train.parquet").write_bytes(b"PAR1 and no more")
    card = read_card(dataset)
    digest = hashlib.sha256(b"PAR1 and no more").hexdigest()
    files = tuple(
        msgspec.structs.replace(file, sha256=digest) if file.name == f"events/{DAY}/train.parquet" else file
        for file in card.files
    )
    write_card(msgspec.structs.replace(card, files=files), dataset)
    with pytest.raises(DatasetError) as caught:
        check(dataset)
    assert caught.value.code == "dataset-damaged"


def test_readers_give_documents_edits_and_texts(dataset: Path) -> None:
    lives = list(documents(dataset))
    assert [life.split for life in lives] == ["train"] * 3 + ["validation", "test"]
    assert [life.split for life in documents(dataset, split="test")] == ["test"]
    assert list(documents(dataset, path="nowhere")) == []
    for life in lives:
        changes = list(edits(dataset, life))
        assert [change.index for change in changes] == [2, 3, 4]
        assert replay_text(life.initial_text, changes) == life.final_text
    assert final_text(dataset, path="src/main.rs") == lives[-1].final_text
    with pytest.raises(DatasetError) as caught:
        final_text(dataset, path="nowhere")
    assert caught.value.code == "document-missing"
    with pytest.raises(DatasetError) as caught:
        replay_text("", edits(dataset, lives[0]))
    assert caught.value.code == "replay-failed"
