"""One session, from its segments to its part of the dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from dataset_builder.activities import Activities
from dataset_builder.bursts import Burst
from dataset_builder.event_table import EventTable
from dataset_builder.names import Placeholders, Pseudonyms
from dataset_builder.next_edit import NextEdits
from dataset_builder.opening import Opened
from dataset_builder.pages import PageRows
from dataset_builder.parts import PartWriter
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import Life, SessionReplay
from dataset_builder.rows import SessionRows
from dataset_builder.second_pass import Chunk, first_pass, second_pass
from dataset_builder.slots import Slots
from event_model.errors import SegmentError
from event_model.events import Mask
from event_model.keys import Secret
from privacy_filter.detectors.base import Detector


class SessionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one session gave; ``code`` is ``""`` unless the session had to be set aside.

    ``skipped`` counts the bursts that gave no example, by reason.
    """

    contributor: str
    session: str
    code: str = ""
    detail: str = ""
    events: int = 0
    edits: int = 0
    edits_applied: int = 0
    documents: int = 0
    documents_exact: int = 0
    gaps: int = 0
    masks: int = 0
    masks_second_pass: int = 0
    masked_spans: int = 0
    examples: int = 0
    conflicts: int = 0
    skipped: dict[str, int] = {}


class SecondPass(msgspec.Struct, frozen=True):
    """The detector of the second pass, and the key from which its tags are derived."""

    detector: Detector
    tag_key: Secret


class _Session:
    """What is held while a session is rebuilt."""

    def __init__(self, plan: SessionPlan, source: str, pseudonyms: Pseudonyms, part: PartWriter) -> None:
        self._part = part
        self._slots = Slots()
        self._names = Placeholders()
        self._rows = SessionRows(plan, source, slots=self._slots, names=self._names, pseudonyms=pseudonyms)
        self._examples = NextEdits(
            contributor=plan.contributor, session=plan.session, slots=self._slots, names=self._names
        )
        self._events = EventTable(plan, source)
        self._pages = PageRows(plan)
        self._activities = Activities(plan, source)
        self._replay = SessionReplay(slots=self._slots, on_life=self._on_life, on_burst=self._on_burst)
        self._counts: Counter[str] = Counter()
        self._who = (plan.contributor, plan.session)

    def feed(self, chunk: Chunk) -> None:
        """Replay a chunk and write what it gives."""
        self._names.add(chunk.findings)
        masks: dict[int, list[Mask]] = {}
        for mask in (*chunk.masks, *chunk.more_masks):
            masks.setdefault(mask.index, []).append(mask)
        replayed = self._replay.feed(chunk.events, masks)
        self._part.add_batch("events", self._events.batch(chunk.events, replayed, chunk.first_seq))
        self._part.add("masks", self._rows.masks(chunk))
        self._part.add("pages", self._pages.rows(chunk.events, masks, chunk.first_seq))
        self._part.add("activities", self._activities.feed(chunk.events, replayed.lives))
        self._counts["masks"] += len(chunk.masks)
        self._counts["masks_second_pass"] += len(chunk.more_masks)

    def end(self) -> None:
        """End the replay, and with it every document that is still open."""
        self._replay.end()
        self._part.add("activities", self._activities.end())

    @property
    def result(self) -> SessionResult:
        """What was counted so far."""
        contributor, session = self._who
        skipped = {skip.value: count for skip, count in self._examples.skipped.items()}
        return SessionResult(
            contributor=contributor,
            session=session,
            conflicts=self._names.conflicts,
            skipped=dict(sorted(skipped.items())),
            edits=self._counts["edits"],
            edits_applied=self._counts["edits_applied"],
            documents_exact=self._counts["documents_exact"],
            gaps=self._counts["gaps"],
            masks=self._counts["masks"],
            masks_second_pass=self._counts["masks_second_pass"],
            masked_spans=self._counts["masked_spans"],
        )

    def _on_life(self, life: Life) -> None:
        row = self._rows.document(life)
        self._part.add("documents", [row], chars=len(life.initial) + len(life.text))
        self._counts["edits"] += life.edits
        self._counts["edits_applied"] += life.applied
        self._counts["documents_exact"] += life.exact
        self._counts["gaps"] += life.gaps
        self._counts["masked_spans"] += len(self._slots.spans(life.text.text()))

    def _on_burst(self, burst: Burst) -> None:
        example = self._examples.add(burst)
        if example is not None:
            self._part.add_example(example)


def rebuild_session(
    plan: SessionPlan,
    *,
    load: Callable[[str], Opened],
    folder: Path,
    pseudonyms: Pseudonyms,
    second: SecondPass | None,
) -> SessionResult:
    """Rebuild a session and write its part to a folder that does not exist yet.

    A session that can't be rebuilt is set aside with a code, never fatal. OSError: if the part can't be
    written, as when the build was stopped and its folder is gone.
    """
    contents = map(load, plan.keys)
    first = next(contents)
    chunks = first_pass(_all(first, contents))
    if second is not None:
        chunks = second_pass(chunks, detector=second.detector, tag_key=second.tag_key)
    try:
        with PartWriter(folder) as part:
            session = _Session(plan, first.header.source, pseudonyms, part)
            for chunk in chunks:
                session.feed(chunk)
            session.end()
    except SegmentError as error:
        return SessionResult(contributor=plan.contributor, session=plan.session, code=error.code, detail=error.message)
    return msgspec.structs.replace(
        session.result,
        events=part.counts["events"],
        documents=part.counts["documents"],
        examples=part.counts["next_edit"],
    )


def _all(first: Opened, rest: Iterator[Opened]) -> Iterator[Opened]:
    yield first
    yield from rest
