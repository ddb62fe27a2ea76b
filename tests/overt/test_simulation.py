"""The synthetic fleet: the same from the same seed, exact when replayed, and nothing planted comes through."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from dataset_builder.planted import Planted, find_planted, read_truth
from event_model.events import DocumentEdit, DocumentOpen, kind_of
from event_model.page_events import PageNavigate, PointerClick
from overt.cli import overt
from overt.demo.trace import read_trace
from overt.simulation import realism
from overt.simulation.fleet import FleetPlan, simulate
from overt.simulation.people import Role, make_people
from overt.simulation.plants import iban

TRACE = Path(__file__).parents[2] / "overt" / "demo" / "rustcode-excerpt.json.gz"
PLAN = FleetPlan(people=6, days=1, seed=7, edits=120)


def _run(*arguments: str) -> Any:
    result = CliRunner().invoke(overt, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def _build(fleet: Path, out: Path) -> Any:
    study = fleet / "study"
    return _run("dataset", "build", str(fleet / "received"), "--study", str(study / "study.json"),
                "--key", str(study / "study.key"), "--out", str(out))  # fmt: skip


def test_the_same_seed_gives_the_same_fleet() -> None:
    assert list(simulate(PLAN)) == list(simulate(PLAN))
    assert list(simulate(PLAN)) != list(simulate(FleetPlan(6, 1, 8, 120)))
    assert make_people(9, 7)[:6] == make_people(6, 7)


def test_both_roles_do_what_they_do() -> None:
    kinds: dict[Role, Counter[str]] = {role: Counter() for role in Role}
    for session in simulate(FleetPlan(6, 1, 3, 300)):
        kinds[session.person.role].update(kind_of(step.body) for step in session.steps)
    assert kinds[Role.DEVELOPER][kind_of(DocumentEdit)] > 1_000
    assert kinds[Role.DEVELOPER][kind_of(PointerClick)] == 0
    assert min(kinds[Role.SUPPORT][kind_of(kind)] for kind in (PageNavigate, PointerClick)) > 30


def test_no_edit_of_a_developer_lies_outside_its_document() -> None:
    for session in simulate(PLAN):
        texts: dict[int, str] = {}
        for step in session.steps:
            body = step.body
            if isinstance(body, DocumentOpen):
                texts[body.document] = body.text
            elif isinstance(body, DocumentEdit):
                text = texts[body.document]
                assert 0 <= body.position <= body.position + body.deleted <= len(text)
                texts[body.document] = text[: body.position] + body.inserted + text[body.position + body.deleted :]


@pytest.mark.parametrize("how", [[], ["--through-gate"]])
def test_a_fleet_becomes_an_exact_dataset_without_anything_planted(tmp_path: Path, how: list[str]) -> None:
    fleet, out = tmp_path / "fleet", tmp_path / "dataset"
    made = _run("simulate", str(fleet), "--people", "6", "--days", "1", "--seed", "7", "--edits", "120", *how)
    report = _build(fleet, out)
    assert report["counts"]["events"] >= made["events"]
    assert report["counts"]["documents"] == report["counts"]["documents_exact"] > 0
    assert report["counts"]["segments_set_aside"] == report["counts"]["events_missing"] == 0
    found = _run("dataset", "check", str(out), "--truth", str(fleet / "truth.jsonl"))
    assert found["planted"] == made["planted"] > 0
    assert found["leaks"] == []


def test_the_check_sees_what_no_filter_took_out(tmp_path: Path) -> None:
    fleet, out = tmp_path / "fleet", tmp_path / "dataset"
    _run("simulate", str(fleet), "--people", "6", "--days", "1", "--seed", "7", "--edits", "120", "--no-filter")
    result = CliRunner().invoke(
        overt,
        ["dataset", "build", str(fleet / "received"), "--study", str(fleet / "study/study.json"), "--key",
         str(fleet / "study/study.key"), "--out", str(out), "--no-second-pass", "--json"],
    )  # fmt: skip
    assert result.exit_code == 0
    leaks = find_planted(out, read_truth(fleet / "truth.jsonl"))
    assert {leak.value for leak in leaks} == {each.value for each in read_truth(fleet / "truth.jsonl")}
    assert any(leak.file.startswith("documents/") for leak in leaks)
    result = CliRunner().invoke(overt, ["dataset", "check", str(out), "--truth", str(fleet / "truth.jsonl")])
    assert result.exit_code == 9


def test_values_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"x": "the value"}')
    (tmp_path / "b.csv").write_text("value,value")
    leaks = find_planted(tmp_path, [Planted("token", "value"), Planted("token", "other")])
    assert [(leak.file, leak.times) for leak in leaks] == [("a.jsonl", 1), ("b.csv", 2)]


@pytest.mark.parametrize(
    "text", ['"a\\"b<c&d/e"', "a&quot;b&lt;c&amp;d/e", 'a""b<c&d/e', "a%22b%3Cc%26d/e", "a%22b%3Cc%26d%2Fe"]
)
def test_values_are_found_as_other_formats_write_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    assert [leak.value for leak in find_planted(tmp_path, [Planted("token", 'a"b<c&d/e')])] == ['a"b<c&d/e']


@pytest.mark.parametrize("name", ["typed.parquet", "typed.arrow"])
def test_values_are_found_key_by_key_over_batches(tmp_path: Path, name: str) -> None:
    keys = [None, *("x" * 4_090), *"the secret", *("y" * 9)]
    rows = pa.record_batch({"n": range(len(keys)), "inserted": keys})
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_batches([rows]), tmp_path / name)
    else:
        with pa.ipc.new_stream(tmp_path / name, rows.schema) as sink:
            for at in range(0, len(keys), 4_096):
                sink.write_batch(rows.slice(at, 4_096))
    assert [leak.file for leak in find_planted(tmp_path, [Planted("token", "the secret")])] == [name]


def test_account_numbers_have_check_digits_that_hold() -> None:
    import random

    from stdnum import iban as checker

    assert all(checker.is_valid(iban(random.Random(seed))) for seed in range(50))


def test_the_fleet_edits_much_as_people_do() -> None:
    real = realism.measure([realism.edits_of_trace(read_trace(TRACE))])
    made = realism.measure(realism.edits_of_sessions(simulate(FleetPlan(8, 1, 5, 300))))
    distances = {row.measure: row.distance for row in realism.compare(real, made)}
    assert distances["share: typed"] < 0.2
    assert max(distances.values()) < 0.6
    uniform = realism.measure([[realism.TimedEdit(0, at, 0, "x") for at in range(500)]])
    assert max(row.distance for row in realism.compare(real, uniform)) > 0.9
