"""The load for the dataset benchmark: sealed segments in bulk, and the same events as plain Parquet."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from event_model.events import DocumentEdit, Event, kind_of
from event_model.levels import Level
from overt.simulation.developer import Developer
from overt.simulation.fleet import DAY_MS, FleetPlan
from overt.simulation.people import Person, Role, make_people
from overt.simulation.sealing import SimulatedDevice
from overt.simulation.study import found_study

DAYS = 5
SESSION_SEGMENTS = 2
"""Segments of one session, so that sessions have to be put together."""

PATTERNS = 6
"""Different sessions; the others are these at other times, by other people."""

SEED = 1


def make_load(folder: Path, *, segments: int, events: int) -> int:
    """Seal so many segments of so many events each, and write the events as plain Parquet; gives how many there are."""
    plan = FleetPlan(max(10, segments // 20), DAYS, SEED)
    manifest = found_study(
        folder / "study", workspaces=folder / "work", start_ms=plan.start_ms, end_ms=plan.end_ms
    ).payload
    people = [person for person in make_people(2 * plan.people, SEED) if person.role is Role.DEVELOPER][: plan.people]
    patterns = [_pattern(people[number % len(people)], number, SESSION_SEGMENTS * events) for number in range(PATTERNS)]
    devices = [SimulatedDevice(person, seed=SEED, manifest=manifest, received=folder / "received") for person in people]
    (folder / "plain").mkdir()
    total = 0
    for number in range((segments + 1) // SESSION_SEGMENTS):
        device = devices[number % len(devices)]
        turn = number // len(devices)
        start_ms = plan.start_ms + (turn % DAYS) * DAY_MS + 8 * 3_600_000 + (turn // DAYS) * 7_200_000
        left = segments - number * SESSION_SEGMENTS  # the last session may have fewer
        made = _moved(patterns[number % PATTERNS][: left * events], start_ms)
        session = device.session_id(number)
        total += device.put(session, "lsp", made, together=events)
        for part in range(0, len(made), events):
            rows = [_row(device.pseudonym, session, event) for event in made[part : part + events]]
            pq.write_table(pa.Table.from_pylist(rows, _PLAIN), folder / "plain" / f"{number:06d}-{part:06d}.parquet")
    return total


_PLAIN = pa.schema(
    [
        ("contributor", pa.string()),
        ("session", pa.string()),
        ("index", pa.int64()),
        ("time", pa.timestamp("ms", tz="UTC")),
        ("delta_ms", pa.int64()),
        ("kind", pa.string()),
        ("document", pa.int64()),
        ("position", pa.int64()),
        ("deleted", pa.int64()),
        ("inserted", pa.string()),
        ("origin", pa.string()),
        ("body", pa.string()),
    ]
)


def _pattern(person: Person, number: int, events: int) -> list[Event]:
    """Make one long session of so many events."""
    work = Developer(person, random.Random(f"load {number}"), edits=events, plants=(), workspace="workspace")
    work.work()
    now_ms, made = 0, []
    for index, step in enumerate(work.desk.steps[:events]):
        now_ms += step.gap_ms
        made.append(Event(index, now_ms, step.gap_ms, Level.CONTENT, step.body))
    return made


def _moved(pattern: list[Event], start_ms: int) -> list[Event]:
    return [Event(event.index, event.wall_ms + start_ms, event.delta_ms, event.level, event.body) for event in pattern]


def _row(contributor: str, session: str, event: Event) -> dict[str, object]:
    body = event.body
    edit = body if isinstance(body, DocumentEdit) else None
    return {
        "contributor": contributor,
        "session": session,
        "index": event.index,
        "time": event.wall_ms,
        "delta_ms": event.delta_ms,
        "kind": kind_of(body),
        "document": getattr(body, "document", None),
        "position": None if edit is None else edit.position,
        "deleted": None if edit is None else edit.deleted,
        "inserted": None if edit is None else edit.inserted,
        "origin": None if edit is None else edit.origin.value,
        "body": None if edit is not None else msgspec.json.encode(body).decode(),
    }
