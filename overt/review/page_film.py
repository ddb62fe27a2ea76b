"""A web page's life as a film: its outline, and the pointer's way over it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from event_model.events import Event
from event_model.ids import DocumentId
from event_model.page_events import (
    FieldChange,
    OutlineNode,
    PageBody,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
    Scroll,
)

DEFAULT_SIZE = (1280, 720)
"""The window of a page whose size was not kept."""

Box = tuple[int, int, int, int]

Trail = tuple[tuple[int, int, int], ...]
"""A pointer's way: Unix ms, x, y."""


class Act(msgspec.Struct, frozen=True):
    """Something done on the page: when, where in the window, and the event that says what."""

    wall_ms: int
    box: Box
    point: tuple[int, int] | None
    event: Event


class Scene(msgspec.Struct, frozen=True):
    """A page from one address to the next: its window, the pointer's ways, what was done, and its last outline."""

    route: str
    title: str
    width: int
    height: int
    start_ms: int
    trails: tuple[Trail, ...]
    acts: tuple[Act, ...]
    outline: tuple[OutlineNode, ...]
    scrolled: int

    @property
    def track(self) -> dict[str, list[list[int]]]:
        """What is played: the pointer's way in order, and the moments of the acts, in ms since the first of them."""
        way = sorted(point for trail in self.trails for point in trail)
        first = min([self.start_ms, *(at for at, _, _ in way), *(act.wall_ms for act in self.acts)])
        return {
            "way": [[at - first, x, y] for at, x, y in way],
            "acts": [[act.wall_ms - first] for act in self.acts],
        }


class _Growing:
    """A scene while it grows."""

    def __init__(self, route: str, title: str, size: tuple[int, int], start_ms: int) -> None:
        self.route, self.title, self.size, self.start_ms = route, title, size, start_ms
        self.trails: list[Trail] = []
        self.acts: list[Act] = []
        self.outline: tuple[OutlineNode, ...] = ()
        self.scrolled = 0

    def add(self, event: Event, body: PageBody) -> None:
        if isinstance(body, PointerTrail):
            if body.points:
                self.trails.append(_timed(body, event.wall_ms))
        elif isinstance(body, PointerClick):
            left, top, _, _ = body.element.box
            self.acts.append(Act(event.wall_ms, body.element.box, (left + body.x, top + body.y), event))
        elif isinstance(body, FieldChange):
            self.acts.append(Act(event.wall_ms, body.element.box, None, event))
        elif isinstance(body, PageOutline):
            self.outline = body.nodes
        elif isinstance(body, Scroll):
            self.scrolled += 1

    def done(self) -> Scene:
        width, height = self.size
        return Scene(
            self.route, self.title, width, height, self.start_ms, tuple(self.trails), tuple(self.acts), self.outline,
            self.scrolled,
        )  # fmt: skip


def _timed(body: PointerTrail, end_ms: int) -> Trail:
    """Give each point its moment: a trail is told when it has come to its end."""
    at = end_ms - sum(step for step, _, _ in body.points)
    timed = []
    for step, x, y in body.points:
        at += step
        timed.append((at, x, y))
    return tuple(timed)


def scenes(events: Sequence[Event], page: DocumentId, *, start: int, end: int | None) -> list[Scene]:
    """Cut a page's events into scenes; a scene that begins before ``start`` lends its address only."""
    found: list[_Growing] = []
    now = _Growing("", "", DEFAULT_SIZE, 0)
    shown = False
    for event in events:
        body = event.body
        if not isinstance(body, PageBody) or body.document != page:
            continue
        if end is not None and event.index > end:
            break
        if isinstance(body, PageOpen | PageNavigate):
            size = now.size
            if isinstance(body, PageOpen) and body.width > 0 and body.height > 0:
                size = (body.width, body.height)
            now, shown = _Growing(body.route, body.title, size, event.wall_ms), False
        if event.index < start:
            continue
        if not shown:
            now.start_ms = event.wall_ms
            found.append(now)
            shown = True
        now.add(event, body)
    return [each.done() for each in found]
