"""A piece of a session in brief: who worked on what, from when to when, and how much was masked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from event_model.events import (
    CaptureGap,
    CaptureStart,
    CompletionAccept,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    Event,
    Finding,
    GapReason,
    Mask,
    kind_of,
)
from event_model.levels import Level
from event_model.page_events import PageBody, PageNavigate, PageOpen

BREAK_MS = 180_000
"""Work on a thing that rests longer than this begins a new stretch: a coffee, not a thought."""

Thing = tuple[str, int]
"""What a stretch is about: ``file`` and the document's number, ``page`` and the page's, or ``tool`` and 0."""

TOOL: Thing = ("tool", 0)


class Named(msgspec.Struct, frozen=True):
    """A document as it was opened: its path (a page's route), what kind of text it is, and what it continues."""

    name: str
    language: str = ""
    continues: int | None = None


class Stretch(msgspec.Struct, frozen=True):
    """Work on one thing in one session without a long rest. Times are Unix ms, indexes the session's.

    ``masked`` holds the numbers of the session's findings; ``counts`` how often each kind of event came.
    """

    thing: Thing
    start_ms: int
    end_ms: int
    first_index: int
    last_index: int
    level: Level
    counts: Mapping[str, int]
    written: int = 0
    removed: int = 0
    masked: frozenset[int] = frozenset()

    @property
    def events(self) -> int:
        """How many events it is made of."""
        return sum(self.counts.values())


class Digest(msgspec.Struct, frozen=True):
    """A piece in brief. ``categories`` maps findings to ``secret`` or ``pii``; ``tool`` is the editor's own name."""

    stretches: tuple[Stretch, ...]
    names: Mapping[Thing, Named]
    categories: Mapping[int, str]
    tool: str = ""
    forgotten: int = 0


class _Growing:
    """A stretch while it grows."""

    def __init__(self, thing: Thing, event: Event) -> None:
        self.thing = thing
        self.start_ms = self.end_ms = event.wall_ms
        self.first_index = self.last_index = event.index
        self.level = event.level
        self.counts: dict[str, int] = {}
        self.written = self.removed = 0
        self.masked: set[int] = set()

    def add(self, event: Event, findings: Iterable[int]) -> None:
        """Count one event in."""
        body = event.body
        kind = kind_of(body)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.start_ms, self.end_ms = min(self.start_ms, event.wall_ms), max(self.end_ms, event.wall_ms)
        self.last_index = event.index
        self.level = max(self.level, event.level, key=lambda level: level.rank)
        if isinstance(body, DocumentEdit):
            self.written += len(body.inserted)
            self.removed += body.deleted
        self.masked.update(findings)

    def done(self) -> Stretch:
        return Stretch(
            self.thing, self.start_ms, self.end_ms, self.first_index, self.last_index, self.level, self.counts,
            self.written, self.removed, frozenset(self.masked),
        )  # fmt: skip


def thing_of(event: Event) -> Thing:
    """Say what an event is about."""
    body = event.body
    document = getattr(body, "document", None)
    if document is None:
        return TOOL
    return ("page" if isinstance(body, PageBody) else "file", document)


def digest(events: Sequence[Event], masks: Sequence[Mask] = (), findings: Sequence[Finding] = ()) -> Digest:
    """Read a piece of one session, in index order. What was forgotten is counted and tells nothing else."""
    by_index: dict[int, set[int]] = {}
    for mask in masks:
        by_index.setdefault(mask.index, set()).add(mask.finding)
    growing: dict[Thing, _Growing] = {}
    done: list[Stretch] = []
    names: dict[Thing, Named] = {}
    tool, forgotten = "", 0
    for event in events:
        body = event.body
        if isinstance(body, CaptureGap) and body.reason is GapReason.FORGOTTEN:
            forgotten += body.count
            continue
        thing = thing_of(event)
        if isinstance(body, DocumentOpen):
            names[thing] = Named(body.path, body.language, body.continues)
        elif isinstance(body, CaptureStart):
            tool = body.client
        elif isinstance(body, PageOpen | PageNavigate):
            names[thing] = Named(body.route, "web")
        stretch = growing.get(thing)
        if stretch is None or event.wall_ms - stretch.end_ms > BREAK_MS:
            if stretch is not None:
                done.append(stretch.done())
            stretch = growing[thing] = _Growing(thing, event)
        stretch.add(event, by_index.get(event.index, ()))
    done.extend(each.done() for each in growing.values())
    done.sort(key=lambda each: (each.start_ms, each.first_index))
    return Digest(tuple(done), names, {each.number: each.category for each in findings}, tool, forgotten)


def joined(first: Stretch, second: Stretch) -> Stretch | None:
    """Put two stretches of one thing together where no rest lies between them; ``None`` where one does."""
    if first.thing != second.thing or second.start_ms - first.end_ms > BREAK_MS:
        return None
    counts = dict(first.counts)
    for kind, count in second.counts.items():
        counts[kind] = counts.get(kind, 0) + count
    return Stretch(
        thing=first.thing,
        start_ms=min(first.start_ms, second.start_ms),
        end_ms=max(first.end_ms, second.end_ms),
        first_index=min(first.first_index, second.first_index),
        last_index=max(first.last_index, second.last_index),
        level=max(first.level, second.level, key=lambda level: level.rank),
        counts=counts,
        written=first.written + second.written,
        removed=first.removed + second.removed,
        masked=first.masked | second.masked,
    )


def saved(stretch: Stretch) -> int:
    """How often the thing was saved."""
    return stretch.counts.get(kind_of(DocumentSave), 0)


def accepted(stretch: Stretch) -> int:
    """How many suggestions were taken."""
    return stretch.counts.get(kind_of(CompletionAccept), 0)
