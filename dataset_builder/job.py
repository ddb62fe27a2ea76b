"""What the tasks of a build do: look at objects, rebuild a session, write a file. One job serves every runner."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import msgspec

from dataset_builder.names import Pseudonyms
from dataset_builder.opening import Facts, Opened, inspect, open_segment
from dataset_builder.parts import WrittenFile, describe_file, write_examples, write_table
from dataset_builder.plan import SessionPlan
from dataset_builder.rebuild import SecondPass, SessionResult, rebuild_session
from dataset_builder.source import SegmentSource
from event_model.errors import DatasetError
from event_model.ids import StudyId
from event_model.keys import RecipientSecretKey, Secret
from privacy_filter.detectors.base import Detector

INSPECT = "inspect"
REBUILD = "rebuild"
WRITE = "write"

RESULT = "result.msgpack"

MAX_KEPT_EVENTS = 1 << 18
"""Events of segments that are kept open between looking at them and rebuilding their sessions; some 50 MB. Of a small
build nothing is opened twice, and of a large one that would take what it does not have."""


class JobPlaces(msgspec.Struct, frozen=True):
    """Where a job reads and writes: the source, the folder of the sessions' parts, and that of the new files."""

    source: str
    study: StudyId
    parts: str
    new: str


class RebuildTask(msgspec.Struct, frozen=True):
    """A session to rebuild, and the name of its part."""

    part: str
    plan: SessionPlan


class WriteTask(msgspec.Struct, frozen=True, tag="table"):
    """A file to write from the parts of some sessions, in their order."""

    name: str
    table: str
    parts: tuple[str, ...]


class ExamplesTask(msgspec.Struct, frozen=True, tag="examples"):
    """All files of examples, with the parts of each: one task, since each example is written once among them all."""

    files: tuple[tuple[str, tuple[str, ...]], ...]


class Written(msgspec.Struct, frozen=True):
    """Files that a task wrote, and how many examples each left out because they had been written before."""

    files: tuple[WrittenFile, ...]
    duplicates: tuple[int, ...] = ()


def make_job(places: JobPlaces, secret: bytes, salt: bytes, detector: Any) -> BuildJob:
    """Make a job in whatever process; ``detector`` is ``True`` for this version's own, None for no second pass."""
    if detector is True:
        from privacy_filter.detectors import default_detector  # noqa: PLC0415 - rules are loaded where they are used

        detector = default_detector()
    return BuildJob(places, RecipientSecretKey(Secret(secret)), salt, detector)


class BuildJob:
    """The tasks of one build."""

    def __init__(self, places: JobPlaces, secret: RecipientSecretKey, salt: bytes, detector: Detector | None) -> None:
        self._places = places
        self._source = SegmentSource(places.source)
        self._secret = secret
        self._pseudonyms = Pseudonyms(salt)
        self._kept: dict[str, tuple[bytes, Opened]] = {}
        self._kept_events = 0
        self._second = None if detector is None else SecondPass(detector, Secret(salt).derive("overt second pass 1"))

    def run(self, task: str, item: bytes) -> bytes:
        """Do one item: keys for ``inspect``, a session's plan for ``rebuild``, what to write for ``write``."""
        if task == INSPECT:
            keys = msgspec.msgpack.decode(item, type=list[str])
            return msgspec.msgpack.encode([self._inspect(key) for key in keys])
        if task == REBUILD:
            return msgspec.msgpack.encode(self._rebuild(msgspec.msgpack.decode(item, type=RebuildTask)))
        what = msgspec.msgpack.decode(item, type=WriteTask | ExamplesTask)
        written = self._write(what) if isinstance(what, WriteTask) else self._write_examples(what)
        return msgspec.msgpack.encode(written)

    def _inspect(self, key: str) -> Facts:
        try:
            data = self._source.read(key)
        except DatasetError as error:
            return Facts(key=key, code=error.code, detail=error.message)
        facts, opened = inspect(key, data, study=self._places.study, secret=self._secret)
        if opened is not None and self._kept_events + facts.count <= MAX_KEPT_EVENTS:
            self._kept[key] = data, opened
            self._kept_events += facts.count
        return facts

    def _rebuild(self, task: RebuildTask) -> SessionResult:
        """Rebuild a session; its part takes its place whole, so that a build that is stopped leaves none by half."""
        target = Path(self._places.parts) / task.part
        unfinished = target.with_name(f"{task.part}.{os.getpid()}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        result = rebuild_session(
            task.plan, load=self._load, folder=unfinished, pseudonyms=self._pseudonyms, second=self._second
        )
        (unfinished / RESULT).write_bytes(msgspec.msgpack.encode(result))
        shutil.rmtree(target, ignore_errors=True)
        unfinished.rename(target)
        return result

    def _write(self, task: WriteTask) -> Written:
        target = self._target(task.name)
        rows = write_table(task.table, self._parts(task.parts), target)
        return Written((describe_file(Path(self._places.new), target, rows),))

    def _write_examples(self, task: ExamplesTask) -> Written:
        seen: set[bytes] = set()
        files: list[WrittenFile] = []
        left_out: list[int] = []
        for name, parts in task.files:
            target = self._target(name)
            written, duplicates = write_examples(self._parts(parts), target, seen=seen)
            files.append(describe_file(Path(self._places.new), target, written))
            left_out.append(duplicates)
        return Written(tuple(files), tuple(left_out))

    def _target(self, name: str) -> Path:
        target = Path(self._places.new) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _parts(self, parts: tuple[str, ...]) -> list[Path]:
        return [Path(self._places.parts) / part for part in parts]

    def _load(self, key: str) -> Opened:
        data = self._source.read(key)  # also of what is open already: it may have been erased since
        before, opened = self._kept.pop(key, (b"", None))
        if opened is not None:
            self._kept_events -= len(opened.events)
            if before == data:
                return opened
        return open_segment(key, data, study=self._places.study, secret=self._secret)


def read_result(part: Path) -> SessionResult | None:
    """Read the result of a session that an earlier build rebuilt; None if there is none that is whole."""
    try:
        return msgspec.msgpack.decode((part / RESULT).read_bytes(), type=SessionResult)
    except (OSError, msgspec.DecodeError):
        return None
