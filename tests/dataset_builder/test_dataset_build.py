"""The whole build: from sealed segments to a dataset that replays."""

from __future__ import annotations

import gzip
import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dataset_builder import replay
from dataset_builder.build import BuildProgress, build
from dataset_builder.card import CARD
from dataset_builder.check import check
from dataset_builder.next_edit import Example, example_digest
from dataset_builder.read import documents, edits, final_text, replay_text
from event_model.errors import DatasetError
from event_model.events import FILLER, Body, CaptureGap, Finding, GapReason, Mask, SelectionChange
from event_model.ids import DocumentId
from privacy_filter.detectors.base import Hit
from tests.dataset_builder.dataset_world import (
    HOUR_MS,
    NOON_MS,
    OTHER_RECIPIENT,
    RECIPIENT,
    WORKSPACE,
    Clock,
    Contributor,
    closed,
    edit,
    events_of,
    manifest,
    opened,
    start,
    typed,
)

TRACE = Path(__file__).with_name("sveltecomponent-1200.json.gz")


def _session(text: str = "hello", *, path: str = "src/main.rs", hour: float = 0) -> list[Any]:
    bodies: list[Body] = [start(), opened("fn main() {}\n", path=path), *typed(text, at=11), closed()]
    return events_of(bodies, clock=Clock(NOON_MS + int(hour * HOUR_MS)))


def _files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_a_real_trace_replays_to_the_character(alice: Contributor, run: Any, out: Path) -> None:
    trace = json.loads(gzip.decompress(TRACE.read_bytes()))
    patches = [patch for txn in trace["txns"] for patch in txn["patches"]]
    bodies = [start(), opened(trace["startContent"], path="App.svelte"), *(edit(*patch) for patch in patches)]
    alice.seal(events_of(bodies), per_segment=500)
    report = run()
    assert report.exact
    assert report.counts.edits == report.counts.edits_applied == len(patches)
    assert final_text(out, path="App.svelte") == trace["endContent"]
    (life,) = documents(out)
    assert replay_text(life.initial_text, edits(out, life)) == trace["endContent"]
    found = check(out)
    assert (found.ok, found.documents_replayed, found.examples) == (True, 1, report.counts.examples)
    assert report.counts.examples > 30


def test_every_kind_of_event_has_a_row(alice: Contributor, run: Any, out: Path) -> None:
    selection = SelectionChange(DocumentId(1), 3, 5, count=2)
    gap = CaptureGap(4, GapReason.MESSAGE_MALFORMED)
    alice.seal(events_of([start(), opened("abc"), selection, edit(1, 1, "x"), gap, closed()]))
    run()
    rows = _rows(out / "events/study=pilot/date=2026-03-02/train.parquet")
    assert [row["kind"] for row in rows] == [
        "capture.start",
        "document.open",
        "selection.change",
        "document.edit",
        "capture.gap",
        "document.close",
    ]
    assert (rows[0]["client"], rows[0]["position_encoding"]) == ("neovim", "utf-32")
    assert (rows[2]["anchor"], rows[2]["active"], rows[2]["count"], rows[2]["cause"]) == (3, 5, 2, "unknown")
    assert (rows[3]["inserted"], rows[3]["removed"], rows[3]["applied"], rows[3]["life"]) == ("x", "b", True, 1)
    assert (rows[4]["count"], rows[4]["reason"]) == (4, "message-malformed")
    assert [row["seq"] for row in rows] == [row["index"] for row in rows] == list(range(6))


def test_damaged_foreign_and_unsigned_objects_are_set_aside(alice: Contributor, receiver: Path, run: Any) -> None:
    for hour in range(6):
        alice.seal(_session(hour=hour))
    alice.key_of(1).write_bytes(alice.key_of(1).read_bytes()[:-70] + bytes(70))
    alice.key_of(2).write_bytes(b"")
    alice.key_of(3).write_bytes(alice.envelope(alice.content(alice.new_session(), _session(), number=3, first_seq=24),
                                               recipient=OTHER_RECIPIENT))  # fmt: skip
    (receiver / "segments/pilot/README").write_text("hello")
    mallory = Contributor(receiver, 9)
    mallory.key_of(0).parent.mkdir(parents=True)
    mallory.key_of(0).write_bytes(alice.key_of(0).read_bytes())
    report = run()
    assert sorted(problem.code for problem in report.problems) == [
        "envelope-malformed",
        "foreign-recipient",
        "misplaced",
        "not-a-segment",
        "signature-invalid",
    ]
    assert report.counts.segments_set_aside == 5
    assert report.counts.documents == report.counts.documents_exact == 3
    assert report.counts.events_missing == 24
    assert not report.exact
    assert {problem.object for problem in report.problems} >= {"segments/pilot/README"}


def test_a_session_with_a_lost_segment_is_exact_until_the_loss(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session("abcdefghij"), per_segment=4)
    alice.key_of(1).unlink()
    report = run()
    assert report.counts.events_missing == 4
    (life,) = documents(out)
    assert (life.exact, life.broken_by, life.final_text) == (False, "events-missing", "fn main() {abc}\n"[:13] + "}\n")
    assert check(out).ok


def test_nothing_of_the_study_names_a_contributor_in_the_dataset(alice: Contributor, run: Any, out: Path) -> None:
    session = alice.seal(_session())
    alice.seal(_session(hour=1))
    alice.key_of(1).write_bytes(b"damaged")
    run()
    for name, data in _files(out).items():
        assert alice.pseudonym.encode() not in data, name
        assert session.encode() not in data, name
        assert WORKSPACE.encode() not in data, name
        assert alice.pseudonym not in name


def test_masks_become_numbered_placeholders_everywhere(alice: Contributor, run: Any, out: Path) -> None:
    bodies = [
        start(),
        opened("key = AKIA1\n" + "pad\n" * 40),
        edit(12, 0, "again = AKIA1\n"),
        edit(150, 0, "mail = m@x.org\n"),
        edit(60, 0, "done\n"),
    ]
    masks = [Mask(1, "text", 6, 5, 1), Mask(2, "inserted", 8, 5, 2), Mask(3, "inserted", 7, 7, 3)]
    findings = [
        Finding(1, "secret", "aws-access-key", b"t"),
        Finding(2, "secret", "aws-access-key", b"t"),
        Finding(3, "pii", "email"),
    ]
    alice.seal(events_of(bodies), masks=masks, findings=findings)
    report = run()
    (life,) = documents(out)
    assert [(span.start, span.length, span.placeholder) for span in life.final_masks] == [
        (6, 5, "<SECRET:aws-access-key:1>"),
        (20, 5, "<SECRET:aws-access-key:1>"),
        (life.final_text.index("mail = ") + 7, 7, "<EMAIL:1>"),
    ]
    assert life.final_text.startswith(f"key = {FILLER * 5}\nagain = {FILLER * 5}\n")
    assert report.counts.masked_spans == report.counts.masks == 3
    everything = b"".join(_files(out).values())
    assert b"AKIA1" not in everything
    assert b"m@x.org" not in everything
    assert [row["placeholder"] for row in _rows(out / "masks/study=pilot/date=2026-03-02/train.parquet")] == [
        "<SECRET:aws-access-key:1>",
        "<SECRET:aws-access-key:1>",
        "<EMAIL:1>",
    ]
    assert check(out).ok


class _FindsWord:
    """A detector that knows one word."""

    def find(self, text: str, *, whole_file: bool) -> list[Hit]:
        return [Hit(found.start(), found.end(), "secret", "password") for found in re.finditer("swordfish", text)]


def test_the_second_pass_masks_what_the_device_did_not_know(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(events_of([start(), opened("say swordfish\n"), *typed("swordfish", at=14), edit(0, 3, "SAY")]))
    report = run(second_pass=_FindsWord())
    assert report.counts.masks_second_pass == 10
    assert b"swordfish" not in b"".join(_files(out).values())
    (life,) = documents(out)
    assert life.final_text == f"SAY {FILLER * 9}\n{FILLER * 9}"
    assert [span.placeholder for span in life.final_masks] == ["<SECRET:password:1>"] * 2
    assert {row["found_by"] for row in _rows(out / "masks/study=pilot/date=2026-03-02/train.parquet")} == {"builder"}
    assert check(out).ok


def test_the_same_segments_give_the_same_bytes(alice: Contributor, receiver: Path, run: Any, tmp_path: Path) -> None:
    bob = Contributor(receiver, 2)
    for hour in range(4):
        alice.seal(_session("abc", hour=hour), per_segment=3)
        bob.seal(_session("xyz", hour=hour + 0.1), per_segment=5)
    run()
    run(out=tmp_path / "again")
    assert _files(tmp_path / "dataset") == _files(tmp_path / "again")
    run(out=tmp_path / "other", salt=b"another salt for the same people")
    assert _files(tmp_path / "dataset") != _files(tmp_path / "other")


def test_a_deleted_contributor_leaves_no_trace(alice: Contributor, receiver: Path, run: Any, tmp_path: Path) -> None:
    """A build after an erasure is the build that never had them."""
    alice.seal(_session("abc"))
    run(out=tmp_path / "without")
    bob = Contributor(receiver, 2)
    bob.seal(_session("xyz", hour=1))
    run()
    assert _files(tmp_path / "dataset") != _files(tmp_path / "without")
    bob.key_of(0).unlink()
    run()
    assert _files(tmp_path / "dataset") == _files(tmp_path / "without")


def test_splits_share_neither_sessions_nor_examples(alice: Contributor, run: Any, out: Path) -> None:
    for hour in range(12):
        pad = "// pad\n" * 30
        bodies: list[Body] = [
            start(),
            opened(pad, path=f"{hour}.rs"),
            edit(0, 0, "one"),
            edit(190, 0, "two"),
            edit(90, 0, f"{hour % 9}"),
        ]
        alice.seal(events_of(bodies, clock=Clock(NOON_MS + hour * HOUR_MS)))
    report = run()
    assert [report.splits[name].sessions for name in ("train", "validation", "test")] == [10, 1, 1]
    examples = {
        name: [msgspec.json.decode(line, type=Example) for line in _lines(out / f"next_edit/{name}.jsonl")]
        for name in ("train", "validation", "test")
    }
    sessions = [{example.session for example in each} for each in examples.values()]
    assert not sessions[0] & sessions[1] | sessions[0] & sessions[2] | sessions[1] & sessions[2]
    pairs = [example_digest(example) for each in examples.values() for example in each]
    assert len(pairs) == len(set(pairs))
    assert report.splits["validation"].duplicates + report.splits["test"].duplicates > 0
    assert check(out).ok


def test_progress_tells_every_stage(alice: Contributor, run: Any) -> None:
    alice.seal(_session("abcdef"), per_segment=3)
    alice.seal(_session(hour=1))
    told: list[BuildProgress] = []
    run(progress=told.append)
    writes = [each.done for each in told if each.stage == "write"]  # the three files of examples come together
    assert [(each.stage, each.done, each.total) for each in told if each.stage != "inspect"] == [
        ("rebuild", 0, 2),
        ("rebuild", 1, 2),
        ("rebuild", 2, 2),
        *(("write", done, 8) for done in writes),
    ]
    assert writes == sorted(set(writes))
    assert (writes[0], writes[-1]) == (0, 8)
    assert [(each.done, each.total) for each in told if each.stage == "inspect"] == [(0, 4), (4, 4)]


def test_a_new_build_takes_the_place_of_the_old_one(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session("abc"))
    run()
    alice.seal(_session("xyz", path="b.rs", hour=1))
    run()
    assert {life.path for life in documents(out)} == {"src/main.rs", "b.rs"}
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == [".dataset.lock"]


def test_a_new_build_takes_the_place_of_one_by_an_older_version(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session("abc"))
    (out / "events").mkdir(parents=True)
    (out / "events/train.parquet").write_bytes(b"as an older version laid it out")
    (out / CARD).write_text('{"format": "overt dataset 1"}')
    assert run().exact
    assert check(out).ok
    assert not (out / "events/train.parquet").exists()


def test_a_folder_that_is_no_dataset_is_left_alone(run: Any, out: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    with pytest.raises(DatasetError) as caught:
        run()
    assert caught.value.code == "target-taken"
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]


def test_a_failing_build_leaves_the_old_dataset_and_no_litter(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session("abc"))
    run()
    before = _files(out)

    def stop(told: BuildProgress) -> None:
        if told.stage == "write":
            raise KeyboardInterrupt

    alice.seal(_session("xyz", hour=1))
    with pytest.raises(KeyboardInterrupt):
        run(progress=stop)
    assert _files(out) == before
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == [".dataset.lock"]


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        build(source=tmp_path / "no", manifest=manifest(), secret=RECIPIENT, out=tmp_path / "out", salt=bytes(32))
    assert caught.value.code == "source-missing"


def test_an_object_that_vanishes_during_the_build_is_named(alice: Contributor, run: Any) -> None:
    alice.seal(_session("abc"))

    def erase(told: BuildProgress) -> None:
        if told.stage == "rebuild" and told.done == 0:
            alice.key_of(0).unlink()

    with pytest.raises(DatasetError) as caught:
        run(progress=erase)
    assert caught.value.code == "source-changed"


def _rows(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_a_session_with_too_much_text_is_set_aside_and_named(
    alice: Contributor, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "MAX_SESSION_CHARS", 1_000)
    alice.seal(events_of([start(), opened("x" * 300), *(opened(document=n + 1, continues=n) for n in range(1, 9))]))
    alice.seal(_session(hour=1))
    report = run()
    assert [result.code for result in report.sessions_set_aside] == ["session-too-large"]
    assert (report.counts.sessions_set_aside, report.counts.documents) == (1, 1)


def test_a_folder_without_segments_of_the_study_is_refused(receiver: Path, run: Any, out: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        run()
    assert caught.value.code == "source-empty"
    assert not out.exists()


def test_when_everything_was_erased_the_dataset_becomes_empty(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session())
    run()
    alice.key_of(0).unlink()
    assert run().counts.events == 0
    assert list(documents(out)) == []


def test_a_dataset_is_its_owners_alone_whatever_the_umask(alice: Contributor, run: Any, out: Path) -> None:
    alice.seal(_session())
    before = os.umask(0)
    try:
        run()
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in out.rglob("*") if path.is_file()}
    folders = {path.stat().st_mode & 0o777 for path in (out, *out.rglob("*")) if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})
