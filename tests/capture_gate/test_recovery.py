"""What a killed collector leaves behind is masked and sealed by the next process, once."""

from __future__ import annotations

from typing import Any

from capture_gate.door import Door
from capture_gate.recovery import recover
from event_model.events import FILLER, DocumentEdit, DocumentOpen, Origin
from event_model.ids import DocumentId, StudyId

SECRET = "AKIA" + "Q3EGRTZV7XWLN5KM"


async def killed(person: Any, text: str, *, detector: Any = None) -> DocumentId:
    """Type a text into the real store and vanish: no close, no seal, as kill -9 does."""
    door = await (person.door() if detector is None else person.door(detector=detector))
    verdict = door.open_document(path=person.work / "a.py", language="python", text="")
    assert verdict.document is not None
    for place, character in enumerate(text):
        door.offer(DocumentEdit(verdict.document, place, 0, character, Origin.TYPED, 100))
    await door.flush()
    await vanish(door)
    return verdict.document


async def vanish(door: Door) -> None:
    sessions = door._sessions
    assert sessions._writer is not None
    await sessions._writer.close()
    assert sessions.store is not None
    await sessions.store.close()


async def sealed_text(person: Any) -> str:
    text = ""
    store = await person.store()
    for info in await store.segments():
        for event in (await store.read(info)).events:
            body = event.body
            if isinstance(body, DocumentOpen):
                text = body.text
            elif isinstance(body, DocumentEdit):
                text = text[: body.position] + body.inserted + text[body.position + body.deleted :]
    await store.close()
    return text


async def recovered(person: Any, **options: Any) -> Any:
    store = await person.store()
    try:
        return await recover(store, person.ledger, person.keys.installation, clock=person.clock, **options)
    finally:
        await store.close()


async def test_pending_events_are_masked_and_sealed(person: Any) -> None:
    person.join()
    await killed(person, f'key = "{SECRET}"\n')
    done = await recovered(person)
    assert (done.sessions, done.events, done.discarded) == (1, 2 + len(SECRET) + 9, 0)
    assert await sealed_text(person) == f'key = "{FILLER * len(SECRET)}"\n'


async def test_a_second_recovery_finds_nothing(person: Any) -> None:
    person.join()
    await killed(person, "x = 1\n")
    await recovered(person)
    assert (await recovered(person)).sessions == 0


async def test_a_running_session_is_left_alone(person: Any, door: Door) -> None:
    verdict = door.open_document(path=person.work / "a.py", language="python", text="x")
    assert verdict.document is not None
    await door.flush()
    assert (await recovered(person)).sessions == 0


async def test_what_a_withdrawn_study_left_is_discarded(person: Any) -> None:
    person.join()
    await killed(person, "planted-marker")
    person.ledger.leave(StudyId("test-study"), now_ms=person.clock.wall_ms(), installation=person.keys.installation)
    done = await recovered(person)
    assert done.discarded == 2 + len("planted-marker")
    assert await sealed_text(person) == ""


async def test_an_ended_study_still_seals_what_was_captured_while_it_ran(person: Any) -> None:
    person.join()
    await killed(person, "x = 1\n")
    person.clock.advance(40 * 86_400_000)
    assert (await recovered(person)).events == 8
    assert await sealed_text(person) == "x = 1\n"


async def test_where_the_filter_fails_no_text_is_kept(person: Any) -> None:
    class Broken:
        def find(self, text: str, *, whole_file: bool) -> list[Any]:
            raise RuntimeError

    person.join()
    await killed(person, "planted-marker\n")
    done = await recovered(person, detector=Broken())
    assert done.lowered == done.events
    assert await sealed_text(person) == FILLER * len("planted-marker") + "\n"
