"""The second pass adds what the first did not have, and nothing else."""

from __future__ import annotations

from dataset_builder.event_arrays import arrays_of
from dataset_builder.second_pass import Chunk, second_pass
from event_model.events import FILLER, DocumentEdit, DocumentOpen, Event, Finding, Mask
from event_model.ids import DocumentId
from event_model.keys import Secret
from event_model.levels import Level
from privacy_filter.detectors import default_detector

SECRET = "AKIA" + "Q3EGRTZV7XWLN5KM"
KEY = Secret(b"k" * 32)


def typed(text: str) -> tuple[Event, ...]:
    bodies = [
        DocumentOpen(DocumentId(1), "a.py", "", "python", ""),
        *(DocumentEdit(DocumentId(1), at, 0, letter) for at, letter in enumerate(text)),
    ]
    return tuple(Event(index, 0, 10, Level.CONTENT, body) for index, body in enumerate(bodies))


def more_masks(chunk: Chunk) -> list[Mask]:
    found = second_pass([chunk], detector=default_detector(), tag_key=KEY)
    return [mask for each in found for mask in each.more_masks]


def test_what_the_first_pass_missed_is_masked() -> None:
    events = typed(f'key = "{SECRET}"\n')
    assert len(more_masks(Chunk(0, arrays_of(events), (), ()))) == len(SECRET)


def test_filler_after_a_telling_name_is_not_masked_twice() -> None:
    events = typed(f'key = "{FILLER * len(SECRET)}"\n')
    masks = tuple(Mask(8 + place, "inserted", 0, 1, 1) for place in range(len(SECRET)))
    chunk = Chunk(0, arrays_of(events), masks, (Finding(1, "secret", "aws-access-key"),))
    assert more_masks(chunk) == []


def test_filler_that_no_mask_explains_is_masked() -> None:
    events = typed(f'key = "{FILLER * len(SECRET)}"\n')
    assert len(more_masks(Chunk(0, arrays_of(events), (), ()))) == len(SECRET)


def test_shapes_are_left_as_they_are_whatever_their_size() -> None:
    bodies = [
        DocumentOpen(DocumentId(1), "aaa.aa", "", "python", "aaaa aa = 0000\n" * 100_000),
        DocumentEdit(DocumentId(1), 0, 0, "aaaa_aaaaa = 'A0aa0A0aa0AA0aa0aA00aa0A'\n"),
    ]
    events = tuple(Event(index, 0, 10, Level.SHAPE, body) for index, body in enumerate(bodies))
    assert more_masks(Chunk(0, arrays_of(events), (), ())) == []
