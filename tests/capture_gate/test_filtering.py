"""What the gate seals of what was being written: nothing of a secret that was begun, of its rhythm, or unread."""

from pathlib import Path
from typing import Any

import pytest

from event_model.errors import FilterUnavailable
from event_model.events import FILLER, DocumentEdit, Origin
from event_model.ids import DocumentId
from privacy_filter import redactor

BEGUN = 'api_token = "q7vK2mX9tR4w'
"""A secret that somebody is in the middle of."""


def edit(document: DocumentId, position: int, inserted: str) -> DocumentEdit:
    return DocumentEdit(document, position, 0, inserted, Origin.TYPED, 100)


async def written(person: Any, text: str, steps: list[int], *, settle: int = 120, path: str = "a.py") -> list[Any]:
    """Type a text key by key, ``steps`` milliseconds apart in turn, close, and give what was sealed."""
    person.join(edit=lambda toml: toml.replace("settle_s = 120", f"settle_s = {settle}"))
    door = await person.door()
    document = door.open_document(path=person.work / path, language="python", text="").document
    assert document is not None
    for at, sign in enumerate(text):
        person.clock.advance(steps[at % len(steps)])
        door.offer(edit(document, at, sign))
        await door.flush()
    await door.close()
    store = await person.store()
    try:
        return [each.event async for each in store.events()]
    finally:
        await store.close()


async def test_closing_in_the_middle_of_a_secret_masks_what_was_begun(person: Any) -> None:
    events = await written(person, BEGUN, [120])
    text = "".join(event.body.inserted for event in events if isinstance(event.body, DocumentEdit))
    assert text == 'api_token = "' + FILLER * 12


async def test_a_long_pause_in_the_middle_of_a_secret_seals_nothing_of_it(person: Any) -> None:
    secret = "ghp_" + "q7vK2mX9tR4wB8nL3cZ5sD1fG6hJ0pQaWeRt"
    text = f'key = "{secret[:14]}'
    person.join(edit=lambda toml: toml.replace("settle_s = 120", "settle_s = 30"))
    door = await person.door()
    document = door.open_document(path=person.work / "a.py", language="python", text="").document
    assert document is not None
    for at, sign in enumerate(text + secret[14:]):
        person.clock.advance(400_000 if at == len(text) else 120)
        door.offer(edit(document, at, sign))
        await door.flush()
    await door.close()
    store = await person.store()
    events = [each.event async for each in store.events()]
    await store.close()
    sealed = "".join(event.body.inserted for event in events if isinstance(event.body, DocumentEdit))
    assert sealed == 'key = "' + FILLER * len(secret)


async def test_the_rhythm_of_a_secret_is_not_kept(person: Any) -> None:
    events = await written(person, 'x = "' + "ghp_" + "q7vK2mX9tR4wB8nL3cZ5sD1fG6hJ0pQaWeRt" + '"\n', [70, 310, 150])
    edits = [event for event in events if isinstance(event.body, DocumentEdit)]
    masked = [event.delta_ms for event in edits if event.body.inserted == FILLER]
    assert masked[1:-1] == [0] * 38
    assert [event.delta_ms for event in edits[:5]] == [70, 310, 150, 70, 310]
    assert len({event.wall_ms for event in edits if event.body.inserted == FILLER}) == 2


async def test_a_document_that_outgrows_the_filter_is_kept_as_shape(person: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(redactor, "MAX_DOCUMENT_CHARS", 20)
    events = await written(person, "Twenty signs are it.Secret 42 then", [120])
    text = "".join(event.body.inserted for event in events if isinstance(event.body, DocumentEdit))
    assert text == "Twenty signs are it." + FILLER + "aaaaa 00 aaaa"


async def test_names_of_files_are_read_too(person: Any) -> None:
    name = "ghp_" + "q7vK2mX9tR4wB8nL3cZ5sD1fG6hJ0pQaWeRt"
    events = await written(person, "x", [120], path=f"notes-{name}.txt")
    assert not any(name[4:16] in repr(event) for event in events)
    assert Path(f"notes-{FILLER * len(name)}.txt").name in repr(events)


async def test_names_of_who_wrote_in_a_repository_are_masked(person: Any) -> None:
    git = person.work / ".git"
    (git / "logs").mkdir(parents=True)
    (git / "config").write_text("[user]\n\tname = Grete Hermann\n\temail = g.hermann@firm.example\n")
    line = f"{'0' * 40} {'1' * 40} Ada Lovelace <ada@engine.example> 1700000000 +0100\tcommit: x\n"
    (git / "logs" / "HEAD").write_text(line)
    events = await written(person, "Ada Lovelace and Grete Hermann, not Emmy.\n", [120])
    text = "".join(event.body.inserted for event in events if isinstance(event.body, DocumentEdit))
    assert text == f"{FILLER * 12} and {FILLER * 13}, not Emmy.\n"


async def test_without_the_engine_that_was_chosen_nothing_is_captured(person: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("OVERT_ENGINE", "trawler")
    person.join()
    with pytest.raises(FilterUnavailable):
        await person.door()
    assert person.store_files == []
