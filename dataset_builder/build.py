"""The build: sealed segments in, a dataset out. docs/DATASET.md describes what is written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from consent_ledger.manifest import StudyManifest
from dataset_builder.card import (
    CARD,
    SplitCounts,
    read_card,
)
from dataset_builder.engine import map_items
from dataset_builder.names import Pseudonyms
from dataset_builder.opening import Facts, inspect, open_segment
from dataset_builder.parts import EXAMPLES, WrittenFile, describe_file, keep_private, write_examples, write_table
from dataset_builder.plan import Plan, SessionPlan, Split, make_plan
from dataset_builder.rebuild import SecondPass, SessionResult, rebuild_session
from dataset_builder.report import BuildReport, make_report
from dataset_builder.source import SegmentSource
from dataset_builder.tables import TABLES
from event_model.errors import DatasetError
from event_model.ids import StudyId
from event_model.keys import RecipientSecretKey, Secret
from event_model.segment import SegmentContent
from privacy_filter.detectors.base import Detector

INSPECT = "inspect"
REBUILD = "rebuild"
WRITE = "write"


class BuildProgress(msgspec.Struct, frozen=True):
    """How far a build is: ``stage`` is ``inspect`` (segments), ``rebuild`` (sessions) or ``write`` (files)."""

    stage: str
    done: int
    total: int


Progress = Callable[[BuildProgress], None]


def build(
    *,
    source: Path,
    manifest: StudyManifest,
    secret: RecipientSecretKey,
    out: Path,
    salt: bytes,
    progress: Progress | None = None,
    second_pass: Detector | None = None,
) -> BuildReport:
    """Build a study's dataset from a receiver's data directory.

    ``out`` is replaced when everything is written; it must not exist, be empty, or be a dataset. ``salt`` keys the
    names of contributors and sessions: the same salt gives the same names. Damaged or foreign segments are set aside
    and named in the report. DatasetError: if the source can't be read, ``out`` can't be written or is something
    else, or the salt is too short.
    """
    pseudonyms = Pseudonyms(salt)
    _check_target(out)
    tell = progress or (lambda _progress: None)
    listed = SegmentSource(source).list(manifest.id)
    if not listed and not os.path.lexists(out / CARD):
        # Where a dataset stands already, everything may have been erased since: that must reach it.
        raise DatasetError(
            f"{source} holds no segment of the study {manifest.id}",
            code="source-empty",
            hint="Give the data directory of the receiver that serves this study; it has a folder `segments`.",
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        try:
            second = (
                None if second_pass is None else SecondPass(second_pass, Secret(salt).derive("overt second pass 1"))
            )
            (staging / "parts").mkdir()
            (staging / "new").mkdir()
            job = _Job(SegmentSource(source), manifest.id, secret, pseudonyms, second, staging / "parts")
            plan = make_plan(_inspect(job, [item.key for item in listed], tell), pseudonyms)
            results = _rebuild(job, plan.sessions, tell)
            report = _write(staging / "new", job, manifest, plan, results, tell)
            keep_private(staging / "new")
            _put_in_place(staging, out)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise DatasetError(
            f"the dataset can't be written: {error.strerror or error}",
            code="dataset-unwritable",
            hint="Free some disk space or choose another folder; nothing at the target was changed.",
        ) from error
    return msgspec.structs.replace(report, out=out)


class _Job:
    """What the tasks of one build share."""

    def __init__(
        self,
        source: SegmentSource,
        study: StudyId,
        secret: RecipientSecretKey,
        pseudonyms: Pseudonyms,
        second: SecondPass | None,
        parts: Path,
    ) -> None:
        self._source = source
        self._study = study
        self._secret = secret
        self._pseudonyms = pseudonyms
        self._second = second
        self._parts = parts

    def run(self, task: str, item: bytes) -> bytes:
        """Do one item: a key for ``inspect``, a session's plan for ``rebuild``."""
        if task == INSPECT:
            return msgspec.msgpack.encode(self._inspect(item.decode()))
        return msgspec.msgpack.encode(self._rebuild(msgspec.msgpack.decode(item, type=SessionPlan)))

    def part_of(self, session: SessionPlan | SessionResult) -> Path:
        """Name the folder of a session's part."""
        return self._parts / f"{session.contributor}.{session.session}"

    def _inspect(self, key: str) -> Facts:
        try:
            data = self._source.read(key)
        except DatasetError as error:
            return Facts(key=key, code=error.code, detail=error.message)
        return inspect(key, data, study=self._study, secret=self._secret)

    def _rebuild(self, plan: SessionPlan) -> SessionResult:
        return rebuild_session(
            plan, load=self._load, folder=self.part_of(plan), pseudonyms=self._pseudonyms, second=self._second
        )

    def _load(self, key: str) -> SegmentContent:
        return open_segment(key, self._source.read(key), study=self._study, secret=self._secret)


def _inspect(job: _Job, keys: Sequence[str], tell: Progress) -> list[Facts]:
    facts: list[Facts] = []
    tell(BuildProgress(INSPECT, 0, len(keys)))
    for result in map_items(job, INSPECT, [key.encode() for key in keys]):
        facts.append(msgspec.msgpack.decode(result, type=Facts))
        tell(BuildProgress(INSPECT, len(facts), len(keys)))
    return facts


def _rebuild(job: _Job, plans: Sequence[SessionPlan], tell: Progress) -> dict[tuple[str, str], SessionResult]:
    results: dict[tuple[str, str], SessionResult] = {}
    tell(BuildProgress(REBUILD, 0, len(plans)))
    for data in map_items(job, REBUILD, [msgspec.msgpack.encode(plan) for plan in plans]):
        result = msgspec.msgpack.decode(data, type=SessionResult)
        results[result.contributor, result.session] = result
        tell(BuildProgress(REBUILD, len(results), len(plans)))
    return results


def _write(
    new: Path,
    job: _Job,
    manifest: StudyManifest,
    plan: Plan,
    results: dict[tuple[str, str], SessionResult],
    tell: Progress,
) -> BuildReport:
    """Write the files of the dataset from the sessions' parts."""
    files: list[WrittenFile] = []
    splits: dict[str, SplitCounts] = {}
    seen: set[bytes] = set()
    total = len(Split) * (len(TABLES) + 1)
    for split in Split:
        kept = [
            result
            for session in plan.sessions
            if session.split is split and not (result := results[session.contributor, session.session]).code
        ]
        rows, duplicates = _write_split(new, split, [job.part_of(result) for result in kept], seen, files)
        splits[split.value] = SplitCounts(
            contributors=len({result.contributor for result in kept}),
            sessions=len(kept),
            events=rows["events"],
            documents=rows["documents"],
            masks=rows["masks"],
            examples=rows[EXAMPLES],
            duplicates=duplicates,
        )
        tell(BuildProgress(WRITE, len(files), total))
    return make_report(new, manifest, plan, results, splits, files)


def _write_split(
    new: Path, split: Split, parts: Sequence[Path], seen: set[bytes], files: list[WrittenFile]
) -> tuple[dict[str, int], int]:
    """Write one split's files and give their rows, and how many examples were left out as duplicates."""
    rows: dict[str, int] = {}
    for table in TABLES:
        target = new / table / f"{split.value}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        rows[table] = write_table(table, parts, target)
        files.append(describe_file(new, target, rows[table]))
    target = new / EXAMPLES / f"{split.value}.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    rows[EXAMPLES], duplicates = write_examples(parts, target, seen=seen)
    files.append(describe_file(new, target, rows[EXAMPLES]))
    return rows, duplicates


def _check_target(out: Path) -> None:
    """Refuse a target that holds something else than a dataset."""
    if not os.path.lexists(out):
        return
    if out.is_dir() and not out.is_symlink():
        if not any(out.iterdir()):
            return
        if (out / CARD).is_file():
            read_card(out)
            return
    raise DatasetError(
        f"{out} exists and is not a dataset", code="target-taken", hint="Choose a folder that does not exist yet."
    )


def _put_in_place(staging: Path, out: Path) -> None:
    """Move the new dataset to its place; the old one goes with the staging folder."""
    if out.exists():
        out.rename(staging / "old")
    (staging / "new").rename(out)
