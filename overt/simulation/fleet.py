"""The fleet at work: which sessions there are, day by day, and what happens in each. Pure."""

from __future__ import annotations

import datetime
import math
import random
from collections.abc import Iterator

import msgspec

from event_model.events import Event
from event_model.levels import Level
from overt.simulation.desk import Timed
from overt.simulation.developer import Developer
from overt.simulation.people import Person, Role, make_people
from overt.simulation.plants import Plant, Truth, make_plant
from overt.simulation.support import Support

SESSIONS_A_DAY = 2
EDITS_A_SESSION = 500
"""What a person does in one go, in the median; a day of real work has several times as much."""

PLANT_RATE = 0.5
"""How often a session has something planted in it."""

FIRST_DAY = datetime.date(2026, 3, 2)
"""A Monday; nobody works at weekends."""

WORKSPACES = 5
"""Working copies in a fleet: people share them, as in a company."""

DAYS_A_WEEK = 5
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class FleetPlan(msgspec.Struct, frozen=True):
    """What is simulated: the same plan gives the same events."""

    people: int
    days: int
    seed: int
    edits: int = EDITS_A_SESSION

    @property
    def start_ms(self) -> int:
        """The first moment of the first day, Unix ms."""
        return _day_ms(0)

    @property
    def end_ms(self) -> int:
        """The first moment after the last day, with a day to spare, Unix ms."""
        return _day_ms(self.days) + 2 * DAY_MS


class SimulatedSession(msgspec.Struct, frozen=True):
    """One session of one person: when it began, what happened, and what was planted in it."""

    person: Person
    number: int
    start_ms: int
    source: str
    steps: tuple[Timed, ...]
    truth: tuple[Truth, ...]

    def events(self, level: Level = Level.CONTENT) -> tuple[Event, ...]:
        """Give the events as a collector would number and time them."""
        now_ms = self.start_ms
        made = []
        for index, step in enumerate(self.steps):
            now_ms += step.gap_ms
            made.append(Event(index, now_ms, step.gap_ms, level, step.body))
        return tuple(made)


def simulate(plan: FleetPlan) -> Iterator[SimulatedSession]:
    """Give every session of a fleet, person by person and day by day."""
    for person in make_people(plan.people, plan.seed):
        yield from sessions_of(person, plan)


def sessions_of(person: Person, plan: FleetPlan) -> Iterator[SimulatedSession]:
    """Give one person's sessions, in order; none of them overlap."""
    source = random.Random(f"overt fleet {plan.seed} {person.number}")
    number = 0
    for day in range(plan.days):
        begins = _day_ms(day) + int((person.begins_hour + source.gauss(0, 0.3)) * HOUR_MS)
        for _ in range(SESSIONS_A_DAY):
            session = _session(person, plan, number, begins, source)
            yield session
            number += 1
            begins += sum(step.gap_ms for step in session.steps) + int(source.lognormvariate(math.log(HOUR_MS), 0.5))


def _session(person: Person, plan: FleetPlan, number: int, start_ms: int, source: random.Random) -> SimulatedSession:
    edits = max(40, int(source.lognormvariate(math.log(plan.edits), 0.4)))
    plants: tuple[Plant, ...] = (make_plant(source),) if source.random() < PLANT_RATE else ()
    work: Developer | Support
    if person.role is Role.SUPPORT:
        work = Support(person, source, events=edits, plants=plants)
    else:
        workspace = f"workspace-{source.randrange(WORKSPACES)}"
        work = Developer(person, source, edits=edits, plants=plants, workspace=workspace)
    work.work()
    truth = tuple(
        Truth(person.number, number, start_ms, where, plant.kind, plant.value, plant.how)
        for plant, where in work.places
    )
    collector = "browser" if person.role is Role.SUPPORT else "lsp"
    return SimulatedSession(person, number, start_ms, collector, tuple(work.desk.steps), truth)


def _day_ms(day: int) -> int:
    """Give the first moment of the n-th working day, Unix ms."""
    weeks, weekday = divmod(day, DAYS_A_WEEK)
    date = FIRST_DAY + datetime.timedelta(weeks=weeks, days=weekday)
    return int(datetime.datetime.combine(date, datetime.time(), datetime.UTC).timestamp() * 1000)
