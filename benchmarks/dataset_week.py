"""A simulated week of a fleet, built by the real commands, and held to everything that a dataset promises.

    python -m benchmarks.dataset_week --people 50 --days 5 --edits 250 --seed 11

The fleet is simulated, built, viewed in every format, reported on and released. Then: each planted value is looked for
in every file of all that; every document is compared with what the person had in front of them; every cell of the
report is counted again in SQL, and the release's figures too; and two people's segments are erased and the dataset
built again, which must give byte for byte what a build gives that never had them. ``--through-gate`` simulates through
consent, gate, store, sync and receiver. The last line is one JSON object; the exit code is 1 if anything does not hold.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow.parquet as pq

from benchmarks.dataset_cells import differences
from dataset_builder.anonymise import GENERAL, OTHER
from dataset_builder.card import read_card
from dataset_builder.insights import find_insights
from dataset_builder.planted import find_planted, read_truth
from dataset_builder.reidentify import Reidentification
from dataset_builder.release import check_release, release
from dataset_builder.report_page import TABLES
from dataset_builder.views import View
from event_model.events import FILLER, DocumentEdit, DocumentOpen
from event_model.keys import Secret, SigningKey
from overt.commands.simulate import TRUTH
from overt.simulation.fleet import FleetPlan, simulate

ERASED = 2
"""People whose segments are erased."""


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dataset_week", description="Hold a week to its word.")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--edits", type=int, default=250, help="edits a session, in the median")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--through-gate", action="store_true", help="through consent, gate, store, sync and receiver")
    options = parser.parse_args()
    plan = FleetPlan(options.people, options.days, options.seed, options.edits)
    with tempfile.TemporaryDirectory(prefix="overt-week-") as folder:
        result = Week(Path(folder), plan, through_gate=options.through_gate).run()
    print(json.dumps(result))
    sys.exit(not result["holds"])


class Week:
    """One fleet's week in a folder of its own."""

    def __init__(self, root: Path, plan: FleetPlan, *, through_gate: bool) -> None:
        self._plan = plan
        self._gate = ["--through-gate"] if through_gate else []
        self._fleet = root / "fleet"
        self._made = root / "made"
        self._dataset = self._made / "dataset"
        self._other = root / "other"
        self._seconds: dict[str, float] = {}
        self._began = time.perf_counter()

    def run(self) -> dict[str, Any]:
        """Do everything, and say what was found."""
        plan = self._plan
        simulated = self._overt("simulate", str(self._fleet), "--people", str(plan.people), "--days", str(plan.days),
                                "--seed", str(plan.seed), "--edits", str(plan.edits), *self._gate)  # fmt: skip
        self._lap("simulate")
        cpu = _cpu()
        counts = self._build(self._fleet / "received", self._dataset)["counts"]
        build_cpu = _cpu() - cpu
        self._lap("build")
        for view in View:
            self._overt("dataset", "view", str(self._dataset), "--format", view.value,
                        "--out", str(self._made / view.value))  # fmt: skip
        self._overt("dataset", "report", str(self._dataset), "--out", str(self._made / "report"))
        before, after = self._release()
        self._lap("views, report and release")
        planted = read_truth(self._fleet / TRUTH)
        leaks = find_planted(self._made, planted)
        self._lap("planted")
        documents, wrong = self._documents()
        self._lap("documents")
        cells, told = self._cells()
        self._lap("cells")
        same = self._erase()
        self._lap("erasure")
        files = sum(path.is_file() for path in self._made.rglob("*"))
        return {
            "holds": not leaks and not wrong and not told and same and counts["documents"] == documents > 0 < cells,
            "events": counts["events"],
            "sessions": simulated["sessions"],
            "planted": len(planted),
            "planted_found": [f"{leak.kind} in {leak.file}" for leak in leaks],
            "files_searched": files,
            "documents": documents,
            "documents_exact": counts["documents_exact"],
            "documents_wrong": wrong,
            "cells_counted_again": cells,
            "cells_wrong": told,
            "erased_is_never_had": same,
            "found_again_in_dataset": msgspec.to_builtins(before),
            "found_again_in_release": msgspec.to_builtins(after),
            "build_cpu_s": round(build_cpu, 1),
            "seconds": self._seconds,
        }

    def _release(self) -> tuple[Reidentification, Reidentification]:
        """Release as two people do (the log is tried in the tests); say how easily people are found again."""
        card = release(
            self._dataset, self._made / "release", licence="None.", statement="Nobody is in it.", epsilon=0.5,
            approvers=[SigningKey(Secret(bytes([number]) * 32)) for number in (1, 2)], total=1.0,
            budget=self._made / "budget.json", log=lambda _digest: None,
        )  # fmt: skip
        check_release(self._made / "release")
        return card.reidentification_before, card.reidentification_after

    def _documents(self) -> tuple[int, list[str]]:
        """Compare each document's last text with what its person saw: equal but for what is masked.

        By time and file name: through the gate, a path begins at its folder of the scope.
        """
        rows = _rows(self._dataset, "documents", "epoch_ms(opened), path, final_text, final_masks, exact")
        found = {(opened_ms, Path(path).name): rest for opened_ms, path, *rest in rows}
        wrong = []
        count = 0
        for opened_ms, path, left in _last_texts(self._plan):
            text = left
            count += 1
            shown, masks, exact = found.pop((opened_ms, Path(path).name), ("", [], False))
            for mask in masks:
                start, end = mask["start"], mask["start"] + mask["length"]
                text = text[:start] + "".join(c if c in "\r\n" else FILLER for c in text[start:end]) + text[end:]
            if text != shown or not exact:
                wrong.append(path)
        return count, [*wrong, *(path for _opened, path in found)]

    def _cells(self) -> tuple[int, list[str]]:
        """Count every cell of the report and of the release again; give how many there are, and what differs."""
        found = find_insights(self._dataset, k=read_card(self._dataset).study.k)
        told = list(differences(self._dataset, found))
        for table in TABLES:
            file = self._made / "report" / f"{table}.parquet"
            if (pq.read_table(file).to_pylist() if file.exists() else []) != getattr(found, table):
                told.append(f"{table}: the report's file has other rows")
        told += _release_differences(self._dataset, self._made / "release", found.k)
        cells = sum(len(getattr(found, table)) for table in TABLES)
        return cells + sum(bool(count) for grid in found.heatmaps.values() for row in grid for count in row), told

    def _erase(self) -> bool:
        """Erase people's segments, build again, and compare with a build that never had them."""
        folder = next((self._fleet / "received" / "segments").iterdir())
        people = sorted(path.name for path in folder.iterdir())[:ERASED]
        never = self._other / "received" / "segments" / folder.name
        shutil.copytree(folder, never, ignore=lambda _path, names: [name for name in names if name in people])
        for pseudonym in people:
            shutil.rmtree(folder / pseudonym)
        self._build(self._fleet / "received", self._dataset)
        self._build(self._other / "received", self._other / "dataset")
        work = b"".join(path.read_bytes() for path in self._made.glob("dataset.work/*.msgpack"))
        return _files(self._dataset) == _files(self._other / "dataset") and not any(p.encode() in work for p in people)

    def _build(self, source: Path, out: Path) -> dict[str, Any]:
        study = self._fleet / "study"
        return self._overt("dataset", "build", str(source), "--study", str(study / "study.json"),
                           "--key", str(study / "study.key"), "--out", str(out))  # fmt: skip

    def _overt(self, *arguments: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "overt", *arguments, "--json"]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def _lap(self, name: str) -> None:
        now = time.perf_counter()
        self._seconds[name] = round(now - self._began, 1)
        self._began = now
        print(f"{name}: {self._seconds[name]} s", file=sys.stderr, flush=True)


def _last_texts(plan: FleetPlan) -> Iterator[tuple[int, str, str]]:
    """Give when each document of a fleet was opened (Unix ms), its path, and the text that its person left."""
    for session in simulate(plan):
        open_texts: dict[int, tuple[int, str, str]] = {}
        for event in session.events():
            body = event.body
            if isinstance(body, DocumentOpen):
                open_texts[body.document] = event.wall_ms, body.path, body.text
            elif isinstance(body, DocumentEdit):
                opened_ms, path, text = open_texts[body.document]
                text = text[: body.position] + body.inserted + text[body.position + body.deleted :]
                open_texts[body.document] = opened_ms, path, text
        yield from open_texts.values()


def _release_differences(dataset: Path, target: Path, k: int) -> Iterator[str]:
    """Name each value and each noisy count of a release behind which fewer than k people stand in the dataset."""
    for table in ("events", "pages", "activities"):
        schema = pq.read_schema(target / f"{table}.parquet")
        for column in sorted(GENERAL & set(schema.names)):
            shown = {row[0] for row in _ask(f"SELECT DISTINCT \"{column}\" FROM '{target}/{table}.parquet'")}
            for value in shown - {None, "", OTHER}:
                people: set[str] = set()
                for source in ("events", "documents", "pages"):
                    if column in pq.read_schema(next((dataset / source).rglob("*.parquet"))).names:
                        where = f"contributor FROM read_parquet('{dataset}/{source}/*/*/*.parquet')"
                        people |= {row[0] for row in _ask(f'SELECT DISTINCT {where} WHERE "{column}" = ?', value)}
                if len(people) < k:
                    yield f"release: {column} {value} of {len(people)} people"
    cells: Counter[tuple[str, str]] = Counter()
    for table, query in {
        "activities": "concat_ws(' / ', activity, language, application), contributor",
        "kinds": "concat_ws(' / ', kind, coalesce(origin, '')), contributor",
    }.items():
        cells.update((table, row[0]) for row in {*_rows(dataset, "events" if table == "kinds" else table, query)})
    for table, cell, count in _ask(f"SELECT * FROM '{target}/counts.parquet'"):
        if cells[table, cell] < k or count < k:
            yield f"release: {table} {cell} of {cells[table, cell]} people"


def _rows(dataset: Path, table: str, columns: str) -> list[tuple[Any, ...]]:
    return _ask(f"SELECT {columns} FROM read_parquet('{dataset}/{table}/*/*/*.parquet')")


def _ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.execute(query, values).fetchall()


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _cpu() -> float:
    """CPU seconds of the children of this process that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
