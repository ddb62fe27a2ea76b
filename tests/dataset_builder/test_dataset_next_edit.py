"""Next-edit examples: zeta's frame, the right region, placeholders, and what gives no example."""

from __future__ import annotations

from dataset_builder.bursts import Burst
from dataset_builder.event_arrays import arrays_of
from dataset_builder.names import Placeholders
from dataset_builder.next_edit import CURSOR, REGION_END, REGION_START, START_OF_FILE, Example, NextEdits, Skip
from dataset_builder.replay import SessionReplay
from dataset_builder.slots import Slots
from event_model.events import Body, Finding, Mask
from tests.dataset_builder.dataset_world import edit, events_of, opened, typed

TEXT = "".join(f"this is line {number}\n" for number in range(1, 41))


class Made:
    """The examples of one session."""

    def __init__(self, *bodies: Body, masks: dict[int, list[Mask]] | None = None) -> None:
        slots = Slots()
        names = Placeholders()
        names.add([Finding(1, "secret", "password", b"x")])
        self.edits = NextEdits(contributor="c", session="s", slots=slots, names=names)
        self.examples: list[Example] = []
        replay = SessionReplay(slots=slots, on_life=lambda life: None, on_burst=self._on_burst)
        replay.feed(arrays_of(events_of(bodies)), masks or {})
        replay.end()

    def _on_burst(self, burst: Burst) -> None:
        example = self.edits.add(burst)
        if example is not None:
            self.examples.append(example)

    @property
    def skipped(self) -> dict[Skip, int]:
        return dict(self.edits.skipped)


def _at(line: int) -> int:
    return TEXT.index(f"this is line {line}\n")


def test_an_example_is_framed_as_zeta_frames_it() -> None:
    made = Made(opened(TEXT), edit(_at(30), 0, "new "), *typed("abc", at=_at(20)))
    (example,) = made.examples
    assert example.events == (
        'User edited "src/main.rs":\n\n```diff\n@@ -27,7 +27,7 @@\n'
        " this is line 27\n this is line 28\n this is line 29\n-this is line 30\n+new this is line 30\n"
        " this is line 31\n this is line 32\n this is line 33\n```"
    )
    above = "".join(f"this is line {number}\n" for number in range(8, 16))
    near = "".join(f"this is line {number}\n" for number in range(16, 20))
    rest = "this is line 21\nthis is line 22\nthis is line 23\nthis is line 24"
    below = "".join(f"{'new ' if number == 30 else ''}this is line {number}\n" for number in range(25, 33))
    assert example.input == (
        f"```src/main.rs\n{above}{REGION_START}\n{near}{CURSOR}this is line 20\n{rest}\n{REGION_END}\n{below}```"
    )
    assert example.output == f"```src/main.rs\n{REGION_START}\n{near}abcthis is line 20\n{rest}\n{REGION_END}\n```"
    assert (example.index, example.origins) == (2, ("unknown",))


def test_an_excerpt_at_the_beginning_says_so() -> None:
    made = Made(opened("a\nb\n" + "c\n" * 90), edit(110, 0, "d"), edit(1, 0, "x"))
    assert made.examples[-1].input.startswith(f"```src/main.rs\n{START_OF_FILE}\n{REGION_START}\na{CURSOR}\nb\nc\n")


def test_an_empty_document_gives_a_diff_from_line_zero() -> None:
    made = Made(opened(""), edit(0, 0, "one\n" + "-" * 90), edit(300 - 207 + 1, 0, ""), opened("x", document=2),
                edit(1, 0, "y", document=2))  # fmt: skip
    assert "@@ -0,0 +1,2 @@\n+one\n+" in made.examples[-1].events


def test_history_tells_the_last_bursts_of_every_document() -> None:
    bodies: list[Body] = [opened(TEXT), opened(TEXT, document=2, path="b.rs")]
    bodies += [edit(_at(3 * number + 1), 0, f"<{number}>", document=1 + number % 2) for number in range(10)]
    made = Made(*bodies)
    last = made.examples[-1]
    assert last.events.count("User edited") == 6
    assert last.events.count('"b.rs"') == 3
    assert "<8>" not in last.input
    assert "<9>" in last.output


def test_masked_spans_are_placeholders_and_the_caret_stays_outside_them() -> None:
    text = "user = me\npassword = hunter2\n" + TEXT
    mask = {0: [Mask(0, "text", 21, 7, 1)]}
    made = Made(opened(text), edit(len(text), 0, "end\n"), edit(24, 0, "x"), masks=mask)
    (example,) = made.examples
    assert f"password = <SECRET:password:1>{CURSOR}\n" in example.input
    assert example.input.count("<SECRET:password:1>") == 1
    assert "hunter2" not in example.input + example.output + example.events
    assert "█" not in example.input + example.output


def test_what_gives_no_example_is_counted() -> None:
    made = Made(
        opened(TEXT),
        edit(0, 0, "first"),
        edit(200, 0, "z" * 2500),
        opened(f"{REGION_START}\n", document=2),
        edit(0, 0, "x", document=2),
        opened("y" * 9000, document=3),
        edit(4500, 0, "x", document=3),
        opened("q", document=4),
        edit(0, 1, "q", document=4),
    )
    assert made.examples == []
    assert made.skipped == {
        Skip.NO_HISTORY: 1,
        Skip.TOO_LARGE: 1,
        Skip.MARKER_IN_TEXT: 1,
        Skip.LINE_TOO_LONG: 1,
        Skip.NO_CHANGE: 1,
    }


def test_an_example_gives_the_output_when_its_region_is_replaced() -> None:
    """The region of the input, edited, is the region of the output: checked over many edits."""
    text = TEXT
    bodies: list[Body] = [opened(text)]
    for number in range(60):
        position = (number * 211) % len(text)
        inserted = ("word", "two\nlines", "", "\n")[number % 4]
        deleted = min((0, 3, 9, 1)[number % 4], len(text) - position)
        bodies.append(edit(position, deleted, inserted))
        text = text[:position] + inserted + text[position + deleted :]
    made = Made(*bodies)
    assert len(made.examples) > 30
    for example in made.examples:
        region = _region(example.input).replace(CURSOR, "")
        assert region != _region(example.output)
        assert region.split("\n")[0] == _region(example.output).split("\n")[0] or CURSOR in example.input
    assert _region(made.examples[-1].output) in text + "\n"


def _region(text: str) -> str:
    return text.split(f"{REGION_START}\n")[1].split(f"\n{REGION_END}", maxsplit=1)[0]
