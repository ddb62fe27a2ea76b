"""What to build from intact segments: order, chain and sequence, sessions, splits. Pure."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec

from dataset_builder.names import Pseudonyms
from dataset_builder.opening import Facts

HOLD_OUT = 10
"""One in ten contributors is kept for the test split, and one in ten occasions for validation."""

MIN_OCCASIONS = 3
"""Fewer than three occasions can't be cut three ways: all of them are for training."""


class Split(enum.Enum):
    """What a session may be used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class Problem(msgspec.Struct, frozen=True):
    """Something that is wrong with the segments: what, where, and a sentence.

    ``object`` is the name of the object and holds the study's pseudonym: it is for whoever builds, and is not written
    to the dataset; ``contributor`` is the dataset's name for the same, ``""`` if it is not known.
    """

    code: str
    contributor: str
    epoch: int
    number: int
    detail: str
    object: str
    set_aside: bool = True


class Gap(msgspec.Struct, frozen=True):
    """Events of a contributor that no segment holds: erased, lost, or in a segment that was set aside."""

    contributor: str
    first_seq: int
    count: int


class SessionPlan(msgspec.Struct, frozen=True):
    """One session to rebuild: its names, its objects in the order of their events, when it was, and its split."""

    contributor: str
    session: str
    pseudonym: str
    keys: tuple[str, ...]
    digests: tuple[str, ...]
    start_ms: int
    end_ms: int
    events: int
    masks: int
    split: Split = Split.TRAIN

    @property
    def order(self) -> tuple[int, str, str]:
        """Where the session stands in every table: by time, then by name."""
        return self.start_ms, self.contributor, self.session


class Plan(msgspec.Struct, frozen=True):
    """Everything that is decided before any session is rebuilt."""

    sessions: tuple[SessionPlan, ...]
    problems: tuple[Problem, ...]
    gaps: tuple[Gap, ...]
    objects: int
    bytes: int


def make_plan(facts: Iterable[Facts], pseudonyms: Pseudonyms) -> Plan:
    """Plan a build from what is known of every object."""
    everything = sorted(facts, key=lambda fact: fact.key)
    problems = [_problem(fact, pseudonyms, fact.code, fact.detail) for fact in everything if fact.code]
    gaps: list[Gap] = []
    sessions: list[SessionPlan] = []
    for chain in _by_contributor(fact for fact in everything if not fact.code):
        good, aside = _drop_overlaps(chain)
        problems += [_problem(fact, pseudonyms, code, detail) for fact, code, detail in aside]
        problems += [
            _problem(fact, pseudonyms, "chain-broken", "the segment before it is not the one it names", set_aside=False)
            for fact in _chain_breaks(good)
        ]
        gaps += _sequence_gaps(good, pseudonyms)
        sessions += _sessions(good, pseudonyms)
    return Plan(
        sessions=assign_splits(sessions, pseudonyms),
        problems=tuple(sorted(problems, key=lambda problem: (problem.object, problem.code))),
        gaps=tuple(sorted(gaps, key=lambda gap: (gap.contributor, gap.first_seq))),
        objects=len(everything),
        bytes=sum(fact.size for fact in everything),
    )


def assign_splits(sessions: Sequence[SessionPlan], pseudonyms: Pseudonyms) -> tuple[SessionPlan, ...]:
    """Put each session into one split, and all of them in order.

    Sessions of a contributor that overlap in time are one *occasion* and stay together. With ten contributors or more,
    a tenth of them are held out whole for testing, chosen by keyed digest, and the latest tenth of the others'
    occasions is for validation. With fewer, the latest tenth of all occasions is for testing and the tenth before it
    for validation; with fewer than three occasions everything is for training.
    """
    people = sorted({plan.pseudonym for plan in sessions}, key=pseudonyms.rank)
    held_out = set(people[: len(people) // HOLD_OUT])
    occasions = _occasions(plan for plan in sessions if plan.pseudonym not in held_out)
    part = max(1, len(occasions) // HOLD_OUT) if len(occasions) >= MIN_OCCASIONS else 0
    tested = 0 if held_out else part
    splits = [Split.TRAIN] * (len(occasions) - part - tested) + [Split.VALIDATION] * part + [Split.TEST] * tested
    assigned = [
        msgspec.structs.replace(plan, split=split)
        for split, occasion in zip(splits, occasions, strict=True)
        for plan in occasion
    ]
    assigned += [msgspec.structs.replace(plan, split=Split.TEST) for plan in sessions if plan.pseudonym in held_out]
    return tuple(sorted(assigned, key=lambda plan: plan.order))


def _by_contributor(facts: Iterable[Facts]) -> Iterator[list[Facts]]:
    groups: defaultdict[str, list[Facts]] = defaultdict(list)
    for fact in facts:
        groups[fact.pseudonym].append(fact)
    for pseudonym in sorted(groups):
        yield sorted(groups[pseudonym], key=lambda fact: (fact.epoch, fact.number))


def _drop_overlaps(chain: Sequence[Facts]) -> tuple[list[Facts], list[tuple[Facts, str, str]]]:
    """Set aside what would count an event twice: the later segment that claims a place already taken."""
    good: list[Facts] = []
    aside: list[tuple[Facts, str, str]] = []
    epoch = next_seq = 0
    next_index: dict[str, int] = {}
    for fact in chain:
        if fact.epoch != epoch:  # each counts from 0
            epoch, next_seq = fact.epoch, 0
        if fact.first_seq < next_seq:
            aside.append((fact, "sequence-overlap", f"event {fact.first_seq} is in an earlier segment too"))
        elif fact.first_index < next_index.get(fact.session, 0):
            aside.append((fact, "index-overlap", "an earlier segment of the session holds the same events"))
        else:
            good.append(fact)
            next_seq = fact.first_seq + fact.count
            next_index[fact.session] = fact.first_index + fact.count
    return good, aside


def _chain_breaks(chain: Sequence[Facts]) -> Iterator[Facts]:
    """Give segments that follow another directly but name a different one as the one before.

    Where a number is missing between two, the chain can't be followed, and the gap in the sequence says so.
    """
    for before, fact in pairwise(chain):
        follows = fact.epoch == before.epoch and fact.number == before.number + 1
        if follows and fact.prev_digest != before.digest:
            yield fact


def _sequence_gaps(chain: Sequence[Facts], pseudonyms: Pseudonyms) -> Iterator[Gap]:
    next_seq: int | None = None
    epoch: int | None = None
    for fact in chain:
        if fact.epoch != epoch:  # each counts from 0
            epoch, next_seq = fact.epoch, None
        # The first event of a contributor has number 0 or 1: nothing is missing before it.
        missing = fact.first_seq - next_seq if next_seq is not None else max(0, fact.first_seq - 1)
        if missing > 0:
            yield Gap(pseudonyms.contributor(fact.pseudonym), fact.first_seq - missing, missing)
        next_seq = fact.first_seq + fact.count


def _sessions(chain: Sequence[Facts], pseudonyms: Pseudonyms) -> Iterator[SessionPlan]:
    groups: defaultdict[str, list[Facts]] = defaultdict(list)
    for fact in chain:
        groups[fact.session].append(fact)
    for session, facts in groups.items():
        facts.sort(key=lambda fact: fact.first_index)
        pseudonym = facts[0].pseudonym
        yield SessionPlan(
            contributor=pseudonyms.contributor(pseudonym),
            session=pseudonyms.session(pseudonym, session),
            pseudonym=pseudonym,
            keys=tuple(fact.key for fact in facts),
            digests=tuple(fact.digest for fact in facts),
            start_ms=min(fact.first_ms for fact in facts),
            end_ms=max(fact.last_ms for fact in facts),
            events=sum(fact.count for fact in facts),
            masks=sum(fact.masks for fact in facts),
        )


def _occasions(sessions: Iterable[SessionPlan]) -> list[list[SessionPlan]]:
    """Bring together sessions of a contributor that overlap in time; the earliest first."""
    groups: list[list[SessionPlan]] = []
    ends: dict[str, tuple[int, list[SessionPlan]]] = {}
    for plan in sorted(sessions, key=lambda plan: plan.order):
        end, group = ends.get(plan.pseudonym, (-1, []))
        if not group or plan.start_ms > end:
            group = []
            groups.append(group)
        group.append(plan)
        ends[plan.pseudonym] = max(end, plan.end_ms), group
    return groups


def _problem(fact: Facts, pseudonyms: Pseudonyms, code: str, detail: str, *, set_aside: bool = True) -> Problem:
    contributor = pseudonyms.contributor(fact.pseudonym) if fact.pseudonym else ""
    return Problem(code, contributor, fact.epoch, fact.number, detail, fact.key, set_aside)
