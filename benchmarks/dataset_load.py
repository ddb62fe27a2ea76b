"""The load for the dataset benchmark: sealed segments in bulk, and the same events as plain Parquet."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from event_model.events import Event, kind_of
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
SOURCE = "lsp"


def make_load(folder: Path, *, segments: int, events: int) -> int:
    """Seal so many segments of so many events each, and write the events as plain Parquet; gives how many there are."""
    plan = FleetPlan(max(10, segments // 20), DAYS, SEED)
    manifest = found_study(
        folder / "study", workspaces=folder / "work", start_ms=plan.start_ms, end_ms=plan.end_ms
    ).payload
    people = [person for person in make_people(2 * plan.people, SEED) if person.role is Role.DEVELOPER][: plan.people]
    patterns = [_pattern(people[number % len(people)], number, SESSION_SEGMENTS * events) for number in range(PATTERNS)]
    plain = [_plain(pattern) for pattern in patterns]
    devices = [SimulatedDevice(person, seed=SEED, manifest=manifest, received=folder / "received") for person in people]
    (folder / "plain").mkdir()
    total = 0
    seqs = dict.fromkeys(devices, 0)
    for number in range((segments + 1) // SESSION_SEGMENTS):
        device = devices[number % len(devices)]
        turn = number // len(devices)
        start_ms = plan.start_ms + (turn % DAYS) * DAY_MS + 8 * 3_600_000 + (turn // DAYS) * 7_200_000
        left = (segments - number * SESSION_SEGMENTS) * events  # the last session may have fewer
        made = _moved(patterns[number % PATTERNS][:left], start_ms)
        session = device.session_id(number)
        total += device.put(session, SOURCE, made, together=events)
        rows = _of_session(plain[number % PATTERNS], device.pseudonym, session, seqs[device], start_ms)
        for part in range(0, len(made), events):
            pq.write_table(rows.slice(part, events), folder / "plain" / f"{number:06d}-{part:06d}.parquet")
        seqs[device] += len(made)
    return total


_WHOLE = {name: pa.int64() for name in ("seq", "index", "delta_ms", "document", "position", "deleted", "confidence")}
_TEXTS = dict.fromkeys(("contributor", "session", "source", "level", "kind", "inserted", "origin"), pa.string())
_OPENED = dict.fromkeys(("path", "workspace", "language", "text"), pa.string())
_DETAILS = {
    **dict.fromkeys(("anchor", "active", "first_line", "last_line", "length", "count", "continues"), pa.int64()),
    **dict.fromkeys(("cause", "command", "reason", "client", "client_version", "collector_version"), pa.string()),
    "position_encoding": pa.string(),
    "focused": pa.bool_(),
}
_TIME = pa.timestamp("ms", tz="UTC")
_PLAIN = pa.schema(list({**_TEXTS, **_WHOLE, **_OPENED, **_DETAILS, "joined": pa.bool_(), "time": _TIME}.items()))
"""What the table ``events`` has of an event itself, and the text and names with which documents are opened."""


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


def _plain(pattern: list[Event]) -> pa.Table:
    """Give a pattern's events as rows of nobody's session."""
    return pa.Table.from_pylist([_row(event) for event in pattern], _PLAIN)


def _of_session(rows: pa.Table, contributor: str, session: str, first_seq: int, start_ms: int) -> pa.Table:
    """Give the rows of a pattern as those of somebody's session."""
    named = {"contributor": pa.scalar(contributor), "session": pa.scalar(session)}
    columns = {name: pa.repeat(value, len(rows)) for name, value in named.items()}
    columns["seq"] = pa.chunked_array([rows["index"].to_numpy() + first_seq])
    columns["time"] = pa.chunked_array([rows["time"].cast(pa.int64()).to_numpy() + start_ms])
    for name, values in columns.items():
        place = _PLAIN.get_field_index(name)
        rows = rows.set_column(place, _PLAIN.field(place), values.cast(_PLAIN.field(place).type))
    return rows


def _row(event: Event) -> dict[str, object]:
    body = event.body
    values = {name: getattr(body, name, None) for name in _PLAIN.names}
    return {
        **{name: getattr(value, "value", value) for name, value in values.items()},
        "source": SOURCE,
        "index": event.index,
        "time": event.wall_ms,
        "delta_ms": event.delta_ms,
        "level": event.level.value,
        "kind": kind_of(body),
    }
