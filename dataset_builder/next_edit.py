"""Examples for next-edit prediction: what was done so far, the code around the caret, and what it became. Pure.

The keys and markers are those of zeta (zed-industries): ``events``, ``input``, ``output``. Masked spans are
placeholders. docs/DATASET.md gives the rules.
"""

from __future__ import annotations

import enum
import hashlib
from collections import Counter, deque
from collections.abc import Mapping

import msgspec

from dataset_builder.bursts import Burst
from dataset_builder.slots import Slots

START_OF_FILE = "<|start_of_file|>"
REGION_START = "<|editable_region_start|>"
REGION_END = "<|editable_region_end|>"
CURSOR = "<|user_cursor_is_here|>"
_MARK = "<|"
_BAR = "|"
"""In every marker; one character is looked for many times faster than two."""

_MARKERS = (START_OF_FILE, REGION_START, REGION_END, CURSOR)

HISTORY = 6
"""How many earlier bursts an example tells of."""

DIFF_LINES = 3
"""Unchanged lines around a change in a diff, as ``diff -u`` has them."""

REGION_LINES = 4
"""Unchanged lines around a change that may be edited too."""

EXCERPT_LINES = 12
"""Unchanged lines around a change that are shown."""

MAX_LINE_CHARS = 2_000
"""A longer line is data, not code that somebody writes."""

DIGEST_BYTES = 16
"""Long enough that no two of a dataset's millions of examples collide."""


class Skip(enum.Enum):
    """Why a burst gives no example."""

    NO_HISTORY = "no-history"
    NO_CHANGE = "no-change"
    TOO_LARGE = "too-large"
    LINE_TOO_LONG = "line-too-long"
    MARKER_IN_TEXT = "marker-in-text"
    DUPLICATE = "duplicate"


class Example(msgspec.Struct, frozen=True):
    """One line of the next-edit file. ``index`` is the session's first event of the edit to predict."""

    events: str
    input: str
    output: str
    contributor: str
    session: str
    document: int
    life: int
    index: int
    origins: tuple[str, ...]


class _Around(msgspec.Struct, frozen=True):
    """The lines around a burst: whole lines above and below, and what else stands in its first and last line."""

    above: list[str]
    prefix: str
    suffix: str
    below: list[str]
    top: bool
    """Whether ``above`` begins with the document's first line."""


class NextEdits:
    """Makes examples from one session's bursts, in their order."""

    def __init__(self, *, contributor: str, session: str, slots: Slots, names: Mapping[int, str]) -> None:
        self._contributor = contributor
        self._session = session
        self._slots = slots
        self._names = names
        self._history: deque[str] = deque(maxlen=HISTORY)
        self.skipped: Counter[Skip] = Counter()

    def add(self, burst: Burst) -> Example | None:
        """Give the example of a burst, and remember the burst for the next ones; None if it gives no example."""
        result = self._example(burst)
        if isinstance(result, Skip):
            self.skipped[result] += 1
            return None
        return result

    def _example(self, burst: Burst) -> Example | Skip:
        if burst.too_large:
            return Skip.TOO_LARGE
        if burst.before == burst.after:
            return Skip.NO_CHANGE
        if _has_marker(burst):
            return Skip.MARKER_IN_TEXT
        around = _around(burst)
        if around is None:
            return Skip.LINE_TOO_LONG
        begin, ending = _region(around)
        if self._slots and self._render(begin + burst.before + ending) == self._render(begin + burst.after + ending):
            return Skip.NO_CHANGE  # only what is masked was changed
        history = "\n\n".join(self._history)
        path = self._render(burst.path)
        self._history.append(f'User edited "{path}":\n\n```diff\n{self._diff(burst, around)}```')
        if not history:
            return Skip.NO_HISTORY
        return self._framed(burst, around, path, history)

    def _framed(self, burst: Burst, around: _Around, path: str, history: str) -> Example:
        begin, ending = _region(around)
        far = "".join(around.above[:-REGION_LINES])
        rest = "".join(around.below[REGION_LINES:])
        left, right = self._cut(begin + burst.before + ending, len(begin) + burst.caret)
        before = self._render(left) + CURSOR + self._render(right)
        after = self._render(begin + burst.after + ending)
        top = f"{START_OF_FILE}\n" if around.top else ""
        below = self._render(rest)
        below += "" if below.endswith("\n") or not below else "\n"
        return Example(
            events=history,
            input=f"```{path}\n{top}{self._render(far)}{REGION_START}\n{before}\n{REGION_END}\n{below}```",
            output=f"```{path}\n{REGION_START}\n{after}\n{REGION_END}\n```",
            contributor=self._contributor,
            session=self._session,
            document=burst.document,
            life=burst.life,
            index=burst.first_index,
            origins=burst.origins,
        )

    def _diff(self, burst: Burst, around: _Around) -> str:
        """Write the change as one hunk of a unified diff."""
        old = f"{around.prefix}{burst.before}{around.suffix}".splitlines(keepends=True)
        new = f"{around.prefix}{burst.after}{around.suffix}".splitlines(keepends=True)
        if len(old) == len(new) == 1:
            same = same_end = 0  # the line that was changed
        else:
            same = _common(old, new)
            same_end = _common(old[same:][::-1], new[same:][::-1])
        above = (around.above + old[:same])[-DIFF_LINES:]
        below = (old[len(old) - same_end :] + around.below)[:DIFF_LINES]
        old, new = old[same : len(old) - same_end], new[same : len(new) - same_end]
        line = burst.line + same - len(above)
        size = len(above) + len(below)
        lines = [f" {text}" for text in above]
        lines += [f"-{text}" for text in old]
        lines += [f"+{text}" for text in new]
        lines += [f" {text}" for text in below]
        shown = "\n".join([text.rstrip("\r\n") for text in lines])
        return self._render(f"@@ -{_hunk(line, size + len(old))} +{_hunk(line, size + len(new))} @@\n{shown}\n")

    def _cut(self, text: str, position: int) -> tuple[str, str]:
        """Cut a text at the caret, or after the masked span that the caret is in."""
        while self._slots and 0 < position < len(text):
            finding = self._slots.finding(text[position - 1])
            if finding is None or finding != self._slots.finding(text[position]):
                break
            position += 1
        return text[:position], text[position:]

    def _render(self, text: str) -> str:
        return self._slots.render(text, self._names) if self._slots else text


def _region(around: _Around) -> tuple[str, str]:
    """Give what stands in the editable region before and after the change."""
    begin = "".join(around.above[-REGION_LINES:]) + around.prefix
    # The last line end belongs to the marker's line, as in zeta's own excerpts.
    return begin, (around.suffix + "".join(around.below[:REGION_LINES])).removesuffix("\n")


def example_digest(example: Example) -> bytes:
    """Name an example by what is asked and answered: input and output, without the path in their first line."""
    texts = [text.partition("\n")[2] for text in (example.input, example.output)]
    return hashlib.blake2b(f"{len(texts[0])} {''.join(texts)}".encode(), digest_size=DIGEST_BYTES).digest()


def _has_marker(burst: Burst) -> bool:
    """Say whether one of the markers stands in what an example is cut from."""
    texts = (burst.head, burst.before, burst.after, burst.tail)
    for text in texts:
        if _BAR in text and _MARK in text:
            return any(marker in text for marker in _MARKERS for text in texts)
    return False


def _around(burst: Burst) -> _Around | None:
    """Cut the lines around a burst; None where a line is longer than ``MAX_LINE_CHARS`` or than the window."""
    # One line more than is shown, and whether there are more still: texts are long, and excerpts short.
    above = burst.head.rsplit("\n", EXCERPT_LINES + 1)
    prefix = above.pop()
    below = burst.tail.split("\n", EXCERPT_LINES + 1)
    suffix = below.pop(0)
    top = burst.at_start and len(above) <= EXCERPT_LINES
    if not burst.at_start:
        if not above:
            return None
        above.pop(0)
    if below:
        suffix += "\n"
        last = below.pop()
    elif burst.at_end:
        last = ""
    else:
        return None
    lines_above = [line + "\n" for line in above[-EXCERPT_LINES:]]
    lines_below = [line + "\n" for line in below]
    if last and burst.at_end and "\n" not in last:
        lines_below.append(last)
    del lines_below[EXCERPT_LINES:]
    edited = f"{prefix}{burst.before}{suffix}\n{prefix}{burst.after}{suffix}"
    lines = [*lines_above, *lines_below]
    if len(edited) > MAX_LINE_CHARS:
        lines += edited.split("\n")
    if lines and max(map(len, lines)) > MAX_LINE_CHARS:
        return None
    return _Around(lines_above, prefix, suffix, lines_below, top)


def _hunk(line: int, size: int) -> str:
    """Write a range as a unified diff does: an empty one lies after the line before it."""
    return f"{line if size else line - 1},{size}"


def _common(one: list[str], other: list[str]) -> int:
    """Count the equal lines at the beginning of both."""
    for count, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return count
    return min(len(one), len(other))
