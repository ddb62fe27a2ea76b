"""Holds the rules of the table ``activities`` against what simulated people were about.

    python -m benchmarks.activities --people 30 --days 2 --seed 1

Every minute of a simulated fleet is named by the rules, from the events alone; the truth is what the person was about
for most of that minute's events. The last line is one JSON object: ``minutes``, ``accuracy``, the ``majority`` that
always naming the most frequent activity would reach, ``recall`` and ``precision`` by activity, ``confusion`` (truth,
then name), and ``by_confidence``: how many minutes were named with so much confidence (percent, by twenty), and the
share of them that is right.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from dataset_builder.activities import Activities
from dataset_builder.event_arrays import arrays_of
from dataset_builder.plan import SessionPlan
from dataset_builder.replay import SessionReplay
from dataset_builder.slots import Slots
from dataset_builder.tables import ACTIVITIES
from event_model.segment import MAX_SEGMENT_EVENTS
from overt.simulation.fleet import FleetPlan, SimulatedSession, simulate

STEP = 20


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.activities", description="Hold activities to the truth."
    )
    parser.add_argument("--people", type=int, default=30)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(measure(FleetPlan(options.people, options.days, options.seed))))


def measure(plan: FleetPlan) -> dict[str, Any]:
    """Name every minute of a fleet, and count what the names are worth."""
    confusion: defaultdict[str, Counter[str]] = defaultdict(Counter)
    confidence: defaultdict[int, Counter[bool]] = defaultdict(Counter)
    for session in simulate(plan):
        for truth, name, percent in minutes_of(session):
            confusion[truth][name] += 1
            confidence[percent // STEP * STEP][truth == name] += 1
    total = sum(sum(row.values()) for row in confusion.values())
    named: Counter[str] = Counter()
    for row in confusion.values():
        named.update(row)
    return {
        "minutes": total,
        "accuracy": round(sum(row[truth] for truth, row in confusion.items()) / total, 3),
        "majority": round(max(sum(row.values()) for row in confusion.values()) / total, 3),
        "recall": {truth: round(row[truth] / sum(row.values()), 3) for truth, row in sorted(confusion.items())},
        "precision": {name: round(confusion[name][name] / count, 3) for name, count in sorted(named.items())},
        "confusion": {truth: dict(sorted(row.items())) for truth, row in sorted(confusion.items())},
        "by_confidence": {
            str(step): [sum(found.values()), round(found[True] / sum(found.values()), 3)]
            for step, found in sorted(confidence.items())
        },
    }


def minutes_of(session: SimulatedSession) -> Iterator[tuple[str, str, int]]:
    """Give for each minute what the person was about, what the rules say, and how sure they are."""
    plan = SessionPlan("person", "session", "pseudonym", (), (), 0, 0, 0, 0)
    rules = Activities(plan, session.source)
    replay = SessionReplay(slots=Slots(), on_life=lambda _life: None)
    events = session.events()
    rows: list[tuple[object, ...]] = []
    for at in range(0, len(events), MAX_SEGMENT_EVENTS):
        arrays = arrays_of(events[at : at + MAX_SEGMENT_EVENTS])
        rows += rules.feed(arrays, replay.feed(arrays, {}).lives)
    rows += rules.end()
    names = [column.name for column in ACTIVITIES]
    for row in rows:
        window: dict[str, Any] = dict(zip(names, row, strict=True))
        steps = session.steps[window["first_index"] : window["last_index"] + 1]
        truth = Counter(step.doing for step in steps if step.doing).most_common(1)
        if truth:
            yield truth[0][0], window["activity"], window["confidence"]


if __name__ == "__main__":
    main()
