"""A support session: tickets are found, read and answered in the ticket tool, with the trouble that people have."""

from __future__ import annotations

import math
import random

from event_model.events import CaptureStart
from event_model.ids import DocumentId
from event_model.page_events import (
    Clipboard,
    ClipboardAction,
    Element,
    FieldChange,
    FieldContent,
    FormSubmit,
    KeyRhythm,
    LengthBucket,
    NavigateCause,
    PageClose,
    PageFocus,
    PageNavigate,
    PageOpen,
    PageOutline,
    PointerClick,
    PointerTrail,
    Scroll,
)
from overt.simulation import tickets
from overt.simulation.desk import Desk
from overt.simulation.people import Person
from overt.simulation.plants import Plant

TRAIL_STEP_MS = 50
"""Twenty points a second, as the extension takes them."""

RAGE, DEAD, BACK_AND_FORTH, HESITATION = 0.05, 0.06, 0.10, 0.08
"""How often, per ticket, a person clicks on and on, clicks on nothing, goes to and fro, or does not know what to do."""

PAGE = DocumentId(1)
BUCKETS = ((4, LengthBucket.FEW), (16, LengthBucket.SHORT), (64, LengthBucket.LINE), (256, LengthBucket.LONG))

_SENTENCES = (
    "Thank you for writing to us.",
    "We have looked into it and sent you a new one.",
    "Could you tell us when this happened first?",
    "Please try again after restarting the app.",
    "I have asked our accountants and will come back to you.",
)


class Support:
    """One session of about so many events."""

    def __init__(self, person: Person, source: random.Random, *, events: int, plants: tuple[Plant, ...]) -> None:
        self.desk = Desk(person, source)
        self._source = source
        self._target = events
        self._plants = list(plants)
        self._route = tickets.TICKETS
        self._subjects = [tickets.subject(source) for _ in range(tickets.ROWS)]
        self._pointer = (640, 400)
        self.places: list[tuple[Plant, str]] = []

    def work(self) -> None:
        """Do the whole session."""
        desk = self.desk
        desk.put(CaptureStart("chromium", "140", "0.1.0", "utf-16"))
        desk.wait(900)
        title = tickets.TITLES[self._route]
        desk.put(PageOpen(PAGE, 1, self._route, title, tickets.WIDTH, tickets.HEIGHT))
        desk.put(PageFocus(PAGE, focused=True, visible=True))
        while len(desk.steps) < self._target or self._plants:
            self._ticket()
        desk.wait(3_000)
        desk.put(PageClose(PAGE))

    def _ticket(self) -> None:
        """Find a ticket, read it, and mostly answer it."""
        self.desk.doing = "reviewing"
        self._look()
        for chance, find in ((0.2, self._search), (0.15, self._filter), (0.12, self._read_up), (0.06, self._hunt)):
            if self._source.random() < chance:
                find()
        self.desk.doing = "reviewing"
        row = self._source.randrange(tickets.ROWS) + 1
        for _ in range(self._source.randint(1, 3) if self._source.random() < BACK_AND_FORTH else 0):
            self._click(tickets.row_link(row, self._subjects[row - 1]))
            self._go(tickets.TICKET)
            self.desk.wait(1_200, 0.3)
            self._go(tickets.TICKETS, NavigateCause.TRAVERSE)
        self._click(tickets.row_link(row, self._subjects[row - 1]))
        self._go(tickets.TICKET)
        self._look()
        self.desk.wait(6_000, 0.8)
        if self._source.random() < 0.5:
            self.desk.put(Scroll(PAGE, 0, self._source.randrange(100, 900, 50)))
        if self._source.random() < DEAD:
            self._click(tickets.BODY_TEXT)
            self.desk.wait(4_000, 0.3)  # for what does not come
        if self._source.random() < 0.8 or self._plants:
            self._answer()
        self._click(tickets.NEXT)
        self._go(tickets.TICKETS)
        self._subjects = [tickets.subject(self._source) for _ in range(tickets.ROWS)]

    def _search(self) -> None:
        """Search for tickets, and look at what is found."""
        self.desk.doing = "searching"
        words = tickets.subject(self._source).split()[0].lower()
        self._fill(tickets.SEARCH_FIELD, words, FieldContent.WORDS)
        self._go(tickets.SEARCH)
        self._look()

    def _filter(self) -> None:
        """Narrow the list down until what is wanted stands in it."""
        self.desk.doing = "searching"
        for _ in range(self._source.randint(1, 3)):
            if self._source.random() < 0.6:
                self._fill(tickets.FILTER, tickets.subject(self._source).split()[0].lower(), FieldContent.WORDS)
            else:
                self._click(tickets.FILTER_STATE)
                self.desk.wait(900)
                choice = FieldChange(PAGE, tickets.FILTER_STATE, FieldContent.CHOICE, LengthBucket.SHORT, "waiting")
                self.desk.put(choice)
            self._look()

    def _hunt(self) -> None:
        """Search again and again with other words, with a short look at what is found, for minutes."""
        for _ in range(self._source.randint(4, 10)):
            self._search()
            for _ in range(self._source.randint(0, 3)):
                self._glance(tickets.TICKET, tickets.SEARCH)
        self._click(tickets.NEXT)
        self._go(tickets.TICKETS)

    def _read_up(self) -> None:
        """Look something up in the help: words are tried until an article fits, which is read."""
        self.desk.doing = "searching"
        self._click(tickets.HELP_LINK)
        self._go(tickets.HELP)
        for _ in range(self._source.randint(1, 4)):
            self._fill(tickets.HELP_FIELD, tickets.subject(self._source).lower(), FieldContent.WORDS)
            self._go(tickets.HELP_FOUND)
            self._look()
            for _ in range(self._source.randint(0, 2)):
                self._glance(tickets.ARTICLE, tickets.HELP_FOUND)
        self._click_row()
        self.desk.doing = "reviewing"
        self._go(tickets.ARTICLE)
        self._look()
        for _ in range(self._source.randint(1, 4)):
            self.desk.wait(9_000, 0.6)
            self.desk.put(Scroll(PAGE, 0, self._source.randrange(100, 2_000, 50)))
        self._click(tickets.NEXT)
        self._go(tickets.TICKETS)

    def _glance(self, found: str, back: str) -> None:
        """Open something that was found, see that it is not what is wanted, and go back."""
        self._click_row()
        self._go(found)
        self._look()
        self.desk.wait(2_500, 0.5)
        self._go(back, NavigateCause.TRAVERSE)

    def _click_row(self) -> None:
        row = self._source.randrange(tickets.ROWS) + 1
        self._click(tickets.row_link(row, self._subjects[row - 1]))

    def _answer(self) -> None:
        self.desk.doing = "form-filling"
        self._click(tickets.button("Assign to me", 2))
        self._click(tickets.button("Reply", 1))
        self._go(tickets.REPLY)
        self._look()
        if self._source.random() < HESITATION:
            self.desk.wait(18_000, 0.3)
        sentences: list[str] = self._source.choices(_SENTENCES, k=self._source.randint(1, 3))
        if self._plants:
            plant = self._plants.pop()
            sentences.insert(self._source.randrange(len(sentences) + 1), plant.line.removeprefix("# "))
            self.places.append((plant, tickets.REPLY))
        self._fill(tickets.ANSWER, " ".join(sentences), FieldContent.TEXT)
        if self._source.random() < 0.2:
            self.desk.put(Clipboard(PAGE, ClipboardAction.PASTE, tickets.ANSWER))
        self._click(tickets.STATUS)
        self.desk.wait(700)
        self.desk.put(FieldChange(PAGE, tickets.STATUS, FieldContent.CHOICE, LengthBucket.SHORT, "waiting", form=1))
        if self._source.random() < RAGE:
            for _ in range(self._source.randint(4, 7)):
                self.desk.wait(160, 0.2)
                self._put_click(tickets.SEND)
            self.desk.wait(4_000)
        self._click(tickets.SEND)
        self.desk.put(FormSubmit(PAGE, tickets.FORM, 1))
        self._go(tickets.TICKET)

    # Small things

    def _go(self, route: str, cause: NavigateCause = NavigateCause.PUSH) -> None:
        self._route = route
        self.desk.wait(180)
        self.desk.put(PageNavigate(PAGE, route, tickets.TITLES[route], cause))

    def _look(self) -> None:
        self.desk.wait(1_500, 0.7)
        self.desk.put(PageOutline(PAGE, tickets.outline(self._route, self._subjects)))

    def _click(self, element: Element) -> None:
        """Move the pointer to an element, as people do (fast, then slow), and click."""
        x, y, width, height = element.box
        target = (
            x + int(min(max(self._source.gauss(0.5, 0.18), 0.02), 0.98) * width),
            y + int(min(max(self._source.gauss(0.5, 0.18), 0.02), 0.98) * height),
        )
        distance = math.dist(self._pointer, target)
        # Fitts's law: the time to point grows with the distance over the size of the target.
        spent = 120 + 150 * math.log2(1 + distance / max(10, min(width, height)))
        steps = max(2, int(spent / TRAIL_STEP_MS))
        points = []
        for step in range(steps + 1):
            part = step / steps
            eased = 1 - (1 - part) ** 3
            wobble = self._source.gauss(0, 2) if 0 < step < steps else 0
            points.append(
                (
                    TRAIL_STEP_MS if step else 0,
                    round(self._pointer[0] + (target[0] - self._pointer[0]) * eased + wobble),
                    round(self._pointer[1] + (target[1] - self._pointer[1]) * eased + wobble),
                )
            )
        self.desk.wait(700, 0.8)
        self.desk.put(PointerTrail(PAGE, tuple(points)))
        self._pointer = target
        self.desk.wait(90)
        self._put_click(element)

    def _put_click(self, element: Element) -> None:
        self.desk.put(PointerClick(PAGE, element, self._pointer[0] - element.box[0], self._pointer[1] - element.box[1]))

    def _fill(self, element: Element, text: str, content: FieldContent) -> None:
        """Type into a field: the rhythm of the keys as they come, then what the field holds."""
        self._click(element)
        person, source = self.desk.person, self._source
        keys: list[str] = []
        intervals: list[int] = []
        for at, sign in enumerate(text):
            new_word = at > 0 and text[at - 1] == " "
            median = person.key_ms * (person.word_factor if new_word else 1.0)
            slip = sign.isalnum() and source.random() < person.slip_rate
            for key in "cdc" if slip else "c":
                keys.append(key)
                intervals.append(round(source.lognormvariate(math.log(median), person.key_spread)) if keys[1:] else 0)
        for start in range(0, len(keys), 200):
            part = intervals[start : start + 200]
            self.desk.put(KeyRhythm(PAGE, element, "".join(keys[start : start + 200]), (0, *part[1:])))
            self.desk.wait(max(1, sum(part)), 0.01)
        bucket = next((bucket for limit, bucket in BUCKETS if len(text) <= limit), LengthBucket.TEXT)
        form = 1 if element is tickets.ANSWER else 0
        self.desk.put(FieldChange(PAGE, element, content, bucket, text, form=form))
