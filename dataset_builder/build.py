"""The build: sealed segments in, a dataset out. docs/DATASET.md describes what is written."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from consent_ledger.manifest import StudyManifest
from dataset_builder.card import CARD, SplitCounts, read_card
from dataset_builder.engine import Engine, Runner, Workshop
from dataset_builder.helpers import Recipe
from dataset_builder.job import (
    INSPECT,
    REBUILD,
    WRITE,
    ExamplesTask,
    JobPlaces,
    RebuildTask,
    WriteTask,
    Written,
    make_job,
    read_result,
)
from dataset_builder.layout import date_of, examples_file, table_file
from dataset_builder.names import Pseudonyms
from dataset_builder.opening import Facts
from dataset_builder.parts import WrittenFile, keep_private
from dataset_builder.plan import Plan, SessionPlan, Split, make_plan
from dataset_builder.rebuild import SessionResult
from dataset_builder.report import BuildReport, Reused, make_report
from dataset_builder.source import Listed, SegmentSource
from dataset_builder.staging import staging_for
from dataset_builder.tables import TABLES
from dataset_builder.work import KnownFile, WorkFolder
from event_model.errors import DatasetError
from event_model.keys import RecipientSecretKey
from privacy_filter.detectors.base import Detector

OBJECTS_A_TASK = 16
"""Objects that are looked at in one task: handing over a task costs as much as looking at one or two."""

SMALL_BYTES = 1 << 20
"""Sealed bytes below which starting processes takes longer than doing the work."""

Part = tuple[SessionPlan, str]
"""A session, and the name of its part."""


class BuildProgress(msgspec.Struct, frozen=True):
    """How far a build is: ``stage`` is ``inspect`` (segments), ``rebuild`` (sessions) or ``write`` (files)."""

    stage: str
    done: int
    total: int


Progress = Callable[[BuildProgress], None]


def build(
    *,
    source: Path | str,
    manifest: StudyManifest,
    secret: RecipientSecretKey,
    out: Path,
    salt: bytes,
    progress: Progress | None = None,
    second_pass: Detector | bool = False,
    engine: Engine | None = None,
    work: Path | None = None,
) -> BuildReport:
    """Build a study's dataset from a receiver's data directory, or from ``s3://bucket/prefix``.

    ``out`` is replaced when everything is written; it must not exist, be empty, or be a dataset. ``salt`` keys the
    names of contributors and sessions: the same salt gives the same names. ``second_pass`` reads everything again with
    this version's detector, or with one that is given. With a ``work`` folder, only what is new since the last build is
    opened, and a build that was stopped goes on where it was; the bytes are the same. Damaged or foreign segments are
    set aside and named in the report. DatasetError: if the source can't be read, ``out`` can't be written or is
    something else, another build writes it (``build-running``), or the salt is too short.
    """
    pseudonyms = Pseudonyms(salt)
    _check_target(out)
    listed = SegmentSource(str(source)).list(manifest.id)
    if not listed and not os.path.lexists(out / CARD):
        # Where a dataset stands already, everything may have been erased since: that must reach it.
        raise DatasetError(
            f"{source} holds no segment of the study {manifest.id}",
            code="source-empty",
            hint="Give the data directory of the receiver that serves this study; it has a folder `segments`.",
        )
    try:
        with staging_for(out) as staging:
            name = "" if second_pass is False else "this version's" if second_pass is True else repr(second_pass)
            with WorkFolder(work or staging / "work", salt=salt, study=manifest.id, second_pass=name) as folder:
                places = JobPlaces(str(source), manifest.id, str(folder.parts), str(staging / "new"))
                (staging / "new").mkdir()
                recipe = Recipe(make_job, places, secret.raw.reveal(), salt, second_pass or None)
                with Workshop(recipe, _fitting(engine, listed, second_pass)) as workshop:
                    run = _Run(workshop, folder, progress or (lambda _step: None))
                    report = run.everything(staging / "new", out, manifest, pseudonyms, listed)
                keep_private(staging / "new")
                _put_in_place(staging, out)
                run.leave()
    except OSError as error:
        raise DatasetError(
            f"the dataset can't be written: {error.strerror or error}",
            code="dataset-unwritable",
            hint="Free some disk space or choose another folder; nothing at the target was changed.",
        ) from error
    return msgspec.structs.replace(report, out=out)


class _Run:
    """One build: what it does in its stages, and what it leaves to the next."""

    def __init__(self, workshop: Workshop, work: WorkFolder, tell: Progress) -> None:
        self._workshop = workshop
        self._work = work
        self._tell = tell
        self._listed: Sequence[Listed] = ()
        self._facts: list[Facts] = []
        self._parts: list[Part] = []
        self._files: dict[str, KnownFile] = {}
        self._reused = Reused(0, 0, 0)

    def everything(
        self, new: Path, old: Path, manifest: StudyManifest, pseudonyms: Pseudonyms, listed: Sequence[Listed]
    ) -> BuildReport:
        """Do all stages, and describe what was written."""
        self._listed = listed
        self._inspect()
        plan = make_plan(self._facts, pseudonyms)
        results = self._rebuild(plan)
        files, splits = self._write(new, old, manifest.id, results)
        report = make_report(new, manifest, plan, results, splits, files)
        return msgspec.structs.replace(report, reused=self._reused)

    def leave(self) -> None:
        """Leave to the next build what this one made, and nothing of what is gone."""
        self._work.keep_facts(self._listed, self._facts)
        self._work.keep_files(self._files)
        self._work.sweep(part for _plan, part in self._parts)

    def _inspect(self) -> None:
        known = self._work.known_facts(self._listed)
        self._facts = list(known.values())
        self._reused = msgspec.structs.replace(self._reused, objects=len(known))
        keys = [item.key for item in self._listed if item.key not in known]
        tell = self._stage(INSPECT, len(known), len(self._listed))
        tasks = [keys[at : at + OBJECTS_A_TASK] for at in range(0, len(keys), OBJECTS_A_TASK)]
        for result in self._workshop.map(INSPECT, [msgspec.msgpack.encode(t) for t in tasks]):
            self._facts += msgspec.msgpack.decode(result, type=list[Facts])
            tell(len(self._facts))
        self._work.keep_facts(self._listed, self._facts)

    def _rebuild(self, plan: Plan) -> dict[SessionPlan, SessionResult]:
        self._parts = [(session, self._work.part_name(session)) for session in plan.sessions]
        results = {
            session: result
            for session, part in self._parts
            if (result := read_result(self._work.parts / part)) is not None
        }
        self._reused = msgspec.structs.replace(self._reused, sessions=len(results))
        by_name = {(session.contributor, session.session): session for session in plan.sessions}
        # The largest first, so that no worker is left with one at the end.
        todo = sorted(
            (RebuildTask(part, session) for session, part in self._parts if session not in results),
            key=lambda task: (-task.plan.events, task.part),
        )
        tell = self._stage(REBUILD, len(results), len(plan.sessions))
        for data in self._workshop.map(REBUILD, [msgspec.msgpack.encode(t) for t in todo]):
            result = msgspec.msgpack.decode(data, type=SessionResult)
            results[by_name[result.contributor, result.session]] = result
            tell(len(results))
        return results

    def _write(
        self, new: Path, old: Path, study: str, results: dict[SessionPlan, SessionResult]
    ) -> tuple[list[WrittenFile], dict[str, SplitCounts]]:
        """Write the tables' files and those of the examples; give them, and count what is in each split."""
        kept = [(session, part) for session, part in self._parts if not results[session].code]
        by_split = {split: [each for each in kept if each[0].split is split] for split in Split}
        tasks = _table_tasks(study, kept)
        made_from = {name: self._work.file_digest(name, task.parts) for name, task in tasks.items()}
        files = dict(self._keep_files(new, old, made_from))
        self._reused = msgspec.structs.replace(self._reused, files=len(files))
        tell = self._stage(WRITE, len(files), len(tasks) + len(Split))
        todo = [_examples_task(by_split), *(task for name, task in tasks.items() if name not in files)]
        examples: list[tuple[WrittenFile, int]] = []
        for data in self._workshop.map(WRITE, [msgspec.msgpack.encode(task) for task in todo]):
            written = msgspec.msgpack.decode(data, type=Written)
            if written.duplicates:
                examples = list(zip(written.files, written.duplicates, strict=True))
            else:
                files |= {file.name: file for file in written.files}
            tell(len(files) + len(examples))
        self._files = {name: KnownFile(made_from[name], file) for name, file in files.items()}
        splits = {
            split.value: _count([results[session] for session, _part in of_split], file.rows, duplicates)
            for (split, of_split), (file, duplicates) in zip(by_split.items(), examples, strict=True)
        }
        return [files[name] for name in sorted(files)] + [file for file, _duplicates in examples], splits

    def _keep_files(self, new: Path, old: Path, made_from: dict[str, str]) -> Iterator[tuple[str, WrittenFile]]:
        """Take over the files of the dataset that stands, where they are what they would be again."""
        for name, known in self._work.known_files().items():
            if made_from.get(name) == known.made_from and _is(old / name, known.file):
                (new / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(old / name, new / name)
                yield name, known.file

    def _stage(self, stage: str, done: int, total: int) -> Callable[[int], None]:
        """Begin a stage of which so much is done already; gives what tells how far it is."""
        self._tell(BuildProgress(stage, done, total))
        return lambda now: self._tell(BuildProgress(stage, now, total))


def _table_tasks(study: str, kept: Sequence[Part]) -> dict[str, WriteTask]:
    """Say which files the tables have, and from which parts: those first that take longest, with the most events."""
    made_of: dict[tuple[str, str], list[Part]] = {}
    for table in TABLES:
        for session, part in kept:
            name = table_file(table, study, date_of(session), session.split)
            made_of.setdefault((name, table), []).append((session, part))
    order = sorted(made_of.items(), key=lambda each: (-sum(session.events for session, _part in each[1]), each[0]))
    return {name: WriteTask(name, table, tuple(part for _session, part in parts)) for (name, table), parts in order}


def _examples_task(by_split: Mapping[Split, Sequence[Part]]) -> ExamplesTask:
    files = ((examples_file(split), tuple(part for _session, part in parts)) for split, parts in by_split.items())
    return ExamplesTask(tuple(files))


def _count(found: Sequence[SessionResult], examples: int, duplicates: int) -> SplitCounts:
    """Count what is in a split."""
    return SplitCounts(
        contributors=len({result.contributor for result in found}),
        sessions=len(found),
        events=sum(result.events for result in found),
        documents=sum(result.documents for result in found),
        masks=sum(result.masks + result.masks_second_pass for result in found),
        examples=examples,
        duplicates=duplicates,
    )


def _fitting(engine: Engine | None, listed: Sequence[Listed], second_pass: Detector | bool) -> Engine:  # noqa: FBT001
    """Choose how to run: one process where there is little to do, or where the detector is this process's own."""
    engine = engine or Engine(workers=os.cpu_count() or 1)
    small = sum(item.size for item in listed) < SMALL_BYTES
    if engine.runner is Runner.NATIVE and (small or not isinstance(second_pass, bool)):
        return msgspec.structs.replace(engine, workers=1)
    return engine


def _is(path: Path, file: WrittenFile) -> bool:
    """Say whether a file is there, to the byte."""
    try:
        if path.stat().st_size != file.bytes:
            return False
        with path.open("rb") as data:
            return hashlib.file_digest(data, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _check_target(out: Path) -> None:
    """Refuse a target that holds something else than a dataset."""
    if not os.path.lexists(out):
        return
    if out.is_dir() and not out.is_symlink():
        if not any(out.iterdir()):
            return
        if (out / CARD).is_file():
            try:
                read_card(out)
            except DatasetError as error:
                if error.code != "dataset-version":  # an older version's is replaced as well
                    raise
            return
    raise DatasetError(
        f"{out} exists and is not a dataset", code="target-taken", hint="Choose a folder that does not exist yet."
    )


def _put_in_place(staging: Path, out: Path) -> None:
    """Move the new dataset to its place; the old one goes with the staging folder."""
    if out.exists():
        out.rename(staging / "old")
    (staging / "new").rename(out)
