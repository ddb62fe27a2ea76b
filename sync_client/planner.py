"""What to send now: one study's upload as a small state machine without clock, socket or randomness of its own.

The shell asks ``next()`` until it says ``Stop``, carries each step out, and tells how it went: ``accepted()``,
``skip()`` or ``answered(answer, now_ms)``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from sync_client.answers import Answer, Reaction, problem_code, reaction_to, retry_after_ms

T = TypeVar("T")

UNREACHABLE = "receiver-unreachable"
"""The code for no answer at all."""

MAX_TRIES = 3
"""Tries of one item in one run; the timer starts the next run."""

FIRST_WAIT_MS = 1_000
WAIT_GROWTH = 4
MAX_WAIT_MS = 60_000
"""A run that would wait longer than a minute ends instead: the next timer run does the waiting."""


class Ending(enum.Enum):
    """How a study's upload ended in this run."""

    DONE = "done"
    LATER = "later"
    """The receiver can't be reached or can't answer properly now; another run goes on."""
    REFUSED = "refused"
    """The receiver refuses for good; a person has to look."""


class PutConsent(msgspec.Struct, frozen=True):
    """Send the consent record."""


class PutSegment(msgspec.Struct, Generic[T], frozen=True):
    """Send a segment."""

    segment: T


class Wait(msgspec.Struct, frozen=True):
    """Do nothing for so long."""

    milliseconds: int


class Stop(msgspec.Struct, frozen=True):
    """Send nothing more in this run. ``code`` says why; ``retry_ms``: not before that much time has passed."""

    ending: Ending
    code: str = ""
    note: str = ""
    retry_ms: int | None = None


Step = PutConsent | PutSegment[T] | Wait | Stop


class Tries:
    """Counts the tries of one item and says how long to wait before the next, or that it is enough."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        """``jitter`` gives numbers from 0 to 1, evenly spread."""
        self._jitter = jitter
        self._tried = 0

    def reset(self) -> None:
        """Begin with the next item."""
        self._tried = 0

    def failed(self, retry_after: int | None) -> int | None:
        """Note a failed try; give the wait in ms, or None when this run should end."""
        self._tried += 1
        wait = FIRST_WAIT_MS * WAIT_GROWTH ** (self._tried - 1)
        # Half of it at random: a fleet that failed together does not come back together.
        wait = int(wait * (0.5 + 0.5 * self._jitter()))
        wait = max(wait, retry_after or 0)
        return None if self._tried >= MAX_TRIES or wait > MAX_WAIT_MS else wait


class StudyPlan(Generic[T]):
    """One study's upload in one run: the consent record if need be, then segments in order, each until accepted.

    The chain allows no segment to overtake another, so what stops one stops the study. A deletion request is sent by
    the same rules, as a plan of one item.
    """

    def __init__(
        self, segments: Sequence[T], *, consent_known: bool, jitter: Callable[[], float], consent_helps: bool = True
    ) -> None:
        """``consent_helps`` false: a refusal for want of consent is final, as for a deletion request."""
        self._segments = segments
        self._at = 0
        self._consent_known = consent_known
        self._consent_sent = not consent_helps
        self._tries = Tries(jitter)
        self._wait: int | None = None
        self._stop: Stop | None = None

    def next(self) -> Step[T]:
        """Say what to do now."""
        if self._stop is not None:
            return self._stop
        if self._wait is not None:
            wait, self._wait = self._wait, None
            return Wait(wait)
        if self._at >= len(self._segments):
            return Stop(Ending.DONE)
        if not self._consent_known:
            return PutConsent()
        return PutSegment(self._segments[self._at])

    def accepted(self) -> None:
        """Tell that the item of the last step is done: the receipt was valid."""
        if self._consent_known:
            self._at += 1
        else:
            self._consent_known = self._consent_sent = True
        self._tries.reset()

    @property
    def done(self) -> int:
        """How many segments are behind: accepted or left out."""
        return self._at

    def skip(self) -> None:
        """Tell that the segment of the last step can't be sent at all (it is damaged, or gone): leave it out."""
        self._at += 1
        self._tries.reset()

    def answered(self, answer: Answer, now_ms: int) -> None:
        """Tell that the item of the last step got this answer, and no valid receipt."""
        reaction = reaction_to(answer.status)
        if reaction is Reaction.CONSENT and self._consent_known and not self._consent_sent:
            self._consent_known = False
        elif reaction in (Reaction.CONSENT, Reaction.REFUSED):
            self._stop = Stop(Ending.REFUSED, problem_code(answer), f"the receiver answered {answer.status}")
        else:
            self._failed(answer, now_ms)

    def _failed(self, answer: Answer, now_ms: int) -> None:
        asked = retry_after_ms(answer.retry_after, now_ms)
        self._wait = self._tries.failed(asked)
        if self._wait is None:
            self._stop = Stop(Ending.LATER, *later_reason(answer), retry_ms=asked)


def later_reason(answer: Answer) -> tuple[str, str]:
    """Give code and sentence for an item that is tried again in another run."""
    if answer.status == 0:
        return UNREACHABLE, answer.note
    if reaction_to(answer.status) is Reaction.ACCEPTED:
        return "receipt-invalid", "the answer is no receipt of the study's receiver"
    return problem_code(answer), f"the receiver answered {answer.status}"
