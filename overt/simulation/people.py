"""Who is in the fleet: each person has a role, working hours, and habits at the keyboard of their own. Pure."""

from __future__ import annotations

import enum
import math
import random

import msgspec

FIRST_NAMES = ("Aino", "Bela", "Carla", "Dmitri", "Esra", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kaja", "Liam")
LAST_NAMES = ("Aalto", "Berger", "Costa", "Dvorak", "Eriksen", "Fischer", "Garcia", "Horvat", "Ivanov", "Jansen")

SUPPORT = frozenset({2, 5, 8})
"""Which of every ten people work in the ticket tool; the others write code."""

KEY_MS = 130.0
"""The median time between two keys of a run, as in published keystroke studies (100 to 240 ms)."""

CLIENTS = (("vscode", "1.96", "utf-16"), ("neovim", "0.10.2", "utf-32"), ("emacs", "30.1", "utf-32"))


class Role(enum.Enum):
    """What a person does all day."""

    DEVELOPER = "developer"
    SUPPORT = "support"


class Person(msgspec.Struct, frozen=True):
    """One person's habits. Times are milliseconds; spreads are the sigma of a log-normal distribution."""

    number: int
    role: Role
    name: str
    key_ms: float
    key_spread: float
    word_factor: float
    """How much longer the first key of a word takes."""
    thought_ms: float
    thought_spread: float
    thought_rate: float
    """How often a person stops to think before a word."""
    slip_rate: float
    """How often a wrong key is hit."""
    notice_chars: float
    """How many more keys are hit, in the mean, before a slip is noticed."""
    completes: float
    """How often a completion is taken where one is offered."""
    delegates: float
    """How often an agent is asked."""
    begins_hour: float
    client: tuple[str, str, str]


def make_people(count: int, seed: int) -> tuple[Person, ...]:
    """Make a fleet; the same seed gives the same people, and a larger fleet begins with the smaller one."""
    return tuple(_person(number, random.Random(f"overt person {seed} {number}")) for number in range(count))


def _person(number: int, source: random.Random) -> Person:
    def around(median: float, spread: float) -> float:
        return source.lognormvariate(math.log(median), spread)

    return Person(
        number=number,
        role=Role.SUPPORT if number % 10 in SUPPORT else Role.DEVELOPER,
        name=f"{source.choice(FIRST_NAMES)} {source.choice(LAST_NAMES)}",
        key_ms=around(KEY_MS, 0.25),
        key_spread=source.uniform(0.3, 0.6),
        word_factor=source.uniform(1.2, 1.9),
        thought_ms=around(1_600, 0.3),
        thought_spread=source.uniform(0.8, 1.2),
        thought_rate=source.uniform(0.06, 0.16),
        slip_rate=source.uniform(0.01, 0.045),
        notice_chars=source.uniform(0.3, 2.0),
        completes=source.uniform(0.0, 0.35),
        delegates=source.uniform(0.0, 0.2),
        begins_hour=source.uniform(7.0, 10.5),
        client=source.choice(CLIENTS),
    )
