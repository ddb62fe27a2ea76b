"""The door: what passes, what does not, and that what does not leaves no trace."""

from __future__ import annotations

import asyncio
import gc
import re
from pathlib import Path
from typing import Any

import pytest

from capture_gate import writer
from capture_gate.door import Door
from event_model.errors import StoreUnwritable
from event_model.events import (
    FILLER,
    CaptureGap,
    CapturePause,
    CaptureResume,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    EditorFocus,
    GapReason,
    Origin,
    kind_of,
)
from event_model.ids import DocumentId, StudyId
from event_model.levels import Level
from local_store import store as store_module
from local_store.forgetting import Selection
from local_store.journal import Journal
from local_store.store import Store


def edit(document: DocumentId, position: int, inserted: str, deleted: int = 0) -> DocumentEdit:
    return DocumentEdit(document, position, deleted, inserted, Origin.TYPED, 100)


def opened(door: Door, path: Path, text: str = "") -> DocumentId:
    verdict = door.open_document(path=path, language="python", text=text)
    assert verdict.document is not None, verdict.refusals
    return verdict.document


def replay(bodies: list[Any], document: DocumentId) -> str:
    text = ""
    for body in bodies:
        if getattr(body, "document", None) != document:
            continue
        if isinstance(body, DocumentOpen):
            text = body.text
        elif isinstance(body, DocumentEdit):
            text = text[: body.position] + body.inserted + text[body.position + body.deleted :]
    return text


async def kept(person: Any) -> list[Any]:
    store = await person.store()
    try:
        return [each async for each in store.events()]
    finally:
        await store.close()


async def bodies(person: Any) -> list[Any]:
    return [each.event.body for each in await kept(person)]


async def test_without_consent_no_file_is_made_and_nothing_stays_in_memory(person: Any) -> None:
    door = await person.door()
    verdict = door.open_document(path=person.work / "a.py", language="python", text="remember me not")
    door.offer(EditorFocus(focused=True))
    await door.flush()

    assert verdict.document is None
    assert [each.code for each in verdict.refusals] == ["no-consent"]
    assert door.status().state == "off"
    assert person.store_files == []
    gc.collect()
    held = [each for each in gc.get_objects() if isinstance(each, DocumentOpen | EditorFocus)]
    assert held == []
    await door.close()
    assert person.store_files == []


async def test_what_is_in_scope_is_kept_and_replays(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py", "abc")
    door.offer(edit(document, 3, "déf🙂"))
    door.offer(edit(document, 0, "", deleted=1))
    door.offer(DocumentSave(document))
    status = await door.flush()
    await door.close()

    events = await kept(person)
    assert [kind_of(each.event.body) for each in events][:2] == ["capture.start", "document.open"]
    assert replay([each.event.body for each in events], document) == "bcdéf🙂"
    assert [each.event.index for each in events] == list(range(5))
    assert status.studies[0].durable == 5


@pytest.mark.parametrize("name", [".env", "id_rsa", "server.pem", ".ssh/config"])
async def test_denied_files_leave_no_trace(person: Any, door: Door, name: str) -> None:
    verdict = door.open_document(path=person.work / name, language="x", text="planted-marker")
    assert verdict.document is None
    assert "denied-path" in [each.code for each in verdict.refusals]
    await door.close()
    assert await kept(person) == []


async def test_a_file_outside_the_scope_leaves_no_trace(person: Any, door: Door, tmp_path: Path) -> None:
    verdict = door.open_document(path=tmp_path / "elsewhere.py", language="x", text="planted-marker")
    assert [each.code for each in verdict.refusals] == ["out-of-scope"]
    assert [each.code for each in door.explain(tmp_path / "elsewhere.py")] == ["out-of-scope"]
    assert door.explain(person.work / "a.py") == ()


async def test_a_link_out_of_the_scope_is_seen_through(person: Any, door: Door, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("planted-marker")
    (person.work / "link.py").symlink_to(tmp_path / "elsewhere.py")
    verdict = door.open_document(path=person.work / "link.py", language="x", text="planted-marker")
    assert verdict.document is None


async def test_what_is_no_file_is_refused(door: Door) -> None:
    verdict = door.open_document(path=None, language="x", text="output of a terminal")
    assert [each.code for each in verdict.refusals] == ["no-file"]


async def test_binary_text_is_refused_and_ends_a_document(person: Any, door: Door) -> None:
    verdict = door.open_document(path=person.work / "a.bin", language="x", text="a\x00b")
    assert [each.code for each in verdict.refusals] == ["document-binary"]
    document = opened(door, person.work / "a.py", "abc")
    door.offer(edit(document, 0, "\x00"))
    assert not door.captures(document)
    await door.close()
    assert (await bodies(person))[-1].reason is GapReason.DOCUMENT_BINARY


async def test_events_without_a_document_ride_only_with_a_captured_one(person: Any, door: Door) -> None:
    door.offer(EditorFocus(focused=True))
    assert door.status().studies[0].offered == 0
    document = opened(door, person.work / "a.py")
    door.offer(DocumentClose(document))
    before = door.status().studies[0].offered
    door.offer(EditorFocus(focused=True))
    assert door.status().studies[0].offered == before


async def test_a_kind_the_study_does_not_ask_for_is_not_kept(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    before = door.status().studies[0].offered
    door.offer(EditorFocus(focused=True))
    assert "editor.focus" not in person.manifest().decode()
    assert door.status().studies[0].offered == before
    assert door.captures(document)


async def test_a_pause_ends_documents_and_keeps_nothing_until_resumed(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py", "abc")
    door.pause()
    assert door.status().state == "paused"
    assert not door.captures(document)
    door.offer(edit(document, 0, "planted-marker"))
    assert door.open_document(path=person.work / "b.py", language="x", text="planted-marker").document is None
    door.resume()
    assert door.status().state == "capturing"
    again = opened(door, person.work / "a.py", "abc")
    await door.close()

    found = await bodies(person)
    assert "planted-marker" not in str(found)
    assert again != document
    kinds = [type(body) for body in found]
    assert kinds.index(CapturePause) < kinds.index(CaptureResume)


async def test_a_pause_by_another_process_is_seen(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    door.offer(edit(document, 0, "before"))
    person.ledger.pause(None, person.clock.wall_ms())
    door.offer(edit(document, 0, "planted-marker"))  # at the same millisecond
    await door.close()
    kept = str(await bodies(person))
    assert "before" in kept
    assert "planted-marker" not in kept


async def test_leaving_wins_over_what_is_buffered(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    await door.flush()
    door.offer(edit(document, 0, "planted-marker"))
    # Another process withdraws; this one has not looked since, and writes what it buffered.
    person.ledger.leave(StudyId("test-study"), now_ms=person.clock.wall_ms(), installation=person.keys.installation)
    await door._sessions.commit()
    assert "planted-marker" not in str(await bodies(person))
    await door.close()
    assert "planted-marker" not in str(await bodies(person))


async def test_an_expired_study_ends_capture_by_time_alone(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    person.clock.advance(40 * 86_400_000)
    door.offer(edit(document, 0, "planted-marker"))
    assert door.status().state == "off"
    assert door.status().reasons[0].code in {"study-ended", "consent-expired"}
    await door.close()
    assert "planted-marker" not in str(await bodies(person))


async def test_joining_while_an_editor_runs_begins_capture(person: Any) -> None:
    door = await person.door()
    changes: list[str] = []
    door.on_change(lambda: changes.append(door.status().state))
    person.join()
    person.clock.advance(1000)
    door.status()
    while not door.live:
        await door._sessions.activate()
    opened(door, person.work / "a.py")
    assert changes[-1] == "capturing"
    await door.close()
    assert len(await bodies(person)) == 2


async def test_secrets_are_masked_when_sealed_and_lowered_levels_are_kept(person: Any) -> None:
    person.join(edit=lambda text: text.replace('"selection.change" = "content"', '"editor.focus" = "rhythm"'))
    door = await person.door()
    document = opened(door, person.work / "a.py")
    secret = "AKIA" + "Q3EGRTZV7XWLN5KM"
    for place, character in enumerate(f'key = "{secret}"\n'):
        door.offer(edit(document, place, character))
    door.offer(EditorFocus(focused=True))
    await door.close()

    events = await kept(person)
    text = replay([each.event.body for each in events], document)
    assert text == f'key = "{FILLER * len(secret)}"\n'
    assert events[-1].event.level is Level.RHYTHM
    assert door.status().studies == () or secret not in str(events)


async def test_a_large_document_is_kept_as_shape_with_a_reason(person: Any, door: Door) -> None:
    verdict = door.open_document(path=person.work / "big.txt", language="x", text="word 42\n" * 130_000)
    assert verdict.document is not None
    assert [each.code for each in verdict.refusals] == ["document-large"]
    door.offer(edit(verdict.document, 0, "planted marker 7"))
    await door.close()
    found = await kept(person)
    assert "planted" not in str(found)
    assert {each.event.level for each in found[1:]} == {Level.SHAPE}
    assert len(found[-1].event.body.inserted) == len("planted marker 7")


async def test_a_huge_document_is_refused_and_a_huge_paste_ends_it(person: Any, door: Door) -> None:
    huge = "planted line\n" * 400_000
    verdict = door.open_document(path=person.work / "huge.txt", language="x", text=huge)
    assert [each.code for each in verdict.refusals] == ["document-too-large"]
    document = opened(door, person.work / "a.txt", "small")
    door.offer(edit(document, 0, huge))
    assert not door.captures(document)
    await door.close()
    found = await bodies(person)
    assert "planted" not in str(found)
    assert found[-1].reason is GapReason.DOCUMENT_TOO_LARGE


async def test_a_long_line_is_kept_as_shape_with_a_reason(person: Any, door: Door) -> None:
    verdict = door.open_document(path=person.work / "min.js", language="x", text="planted;" * 2000)
    assert [each.code for each in verdict.refusals] == ["line-too-long"]
    await door.close()
    assert "planted" not in str(await bodies(person))


async def test_a_rename_keeps_the_text_once(person: Any, door: Door) -> None:
    first = opened(door, person.work / "a.py", "text kept once")
    verdict = door.open_document(path=person.work / "b.py", language="python", text="text kept once", continues=first)
    door.offer(DocumentClose(first))
    await door.close()
    found = [body for body in await bodies(person) if isinstance(body, DocumentOpen)]
    assert [(body.path, body.text, body.continues) for body in found] == [
        ("a.py", "text kept once", None),
        ("b.py", "", first),
    ]
    assert verdict.document is not None


async def test_two_studies_get_their_own_names_for_everything(person: Any) -> None:
    (person.work / ".git").mkdir()
    person.join("study-one")
    person.join("study-two")
    door = await person.door()
    opened(door, person.work / "a.py", "shared")
    await door.close()
    by_study: dict[str, Any] = {}
    for each in await kept(person):
        if isinstance(each.event.body, DocumentOpen):
            by_study[each.study] = (each.session, each.event.body.workspace)
    assert set(by_study) == {"study-one", "study-two"}
    (session_one, workspace_one), (session_two, workspace_two) = by_study.values()
    assert session_one != session_two
    assert workspace_one != workspace_two


async def test_a_filter_that_fails_closes_the_study(person: Any) -> None:
    class Broken:
        def find(self, text: str, *, whole_file: bool) -> list[Any]:
            raise RuntimeError("planted-marker in an error")

    person.join()
    door = await person.door(detector=Broken())
    verdict = door.open_document(path=person.work / "a.py", language="x", text="planted-marker\n")
    if verdict.document is not None:
        door.offer(edit(verdict.document, 0, "x\n"))
        door.offer(edit(verdict.document, 0, "", deleted=1))
    assert door.status().state == "off"
    assert door.status().reasons[0].code == "filter-failed"
    assert "planted-marker" not in str(door.status())
    await door.close()


async def test_forgetting_the_last_minutes_ends_the_documents(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py", "early")
    await door.flush()
    person.clock.advance(60_000)
    since = person.clock.wall_ms()
    door.offer(edit(document, 0, "planted-marker"))
    forgotten = await door.forget(since)
    assert forgotten == 1
    assert not door.captures(document)
    await door.close()
    found = await bodies(person)
    assert "planted-marker" not in str(found)
    assert any(isinstance(body, DocumentOpen) and body.text == "early" for body in found)


async def test_leaving_in_another_process_ends_a_running_session_quietly(person: Any, door: Door) -> None:
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    document = opened(door, person.work / "a.py", "planted-marker")
    await door.flush()
    person.ledger.leave(StudyId("test-study"), now_ms=person.clock.wall_ms(), installation=person.keys.installation)
    store = await person.store()
    await store.forget_study(StudyId("test-study"))
    await store.close()
    person.clock.advance(1000)
    door.offer(edit(document, 0, "planted-marker"))
    await door.close()
    gc.collect()
    assert complaints == []
    assert await kept(person) == []


async def test_forgetting_in_another_process_renews_the_session(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py", "planted-marker")
    await door.flush()
    store = await person.store()
    await store.forget_study(StudyId("test-study"))
    await store.close()
    door.offer(edit(document, 0, "planted-marker"))
    await door.flush()
    assert not door.captures(document)
    assert door.status().state == "capturing"
    again = opened(door, person.work / "a.py", "new text")
    await door.close()
    found = await bodies(person)
    assert "planted-marker" not in str(found)
    assert replay(found, again) == "new text"
    assert [body.reason for body in found if isinstance(body, CaptureGap)] == [GapReason.FORGOTTEN]


async def test_events_forgotten_by_another_process_end_the_session_at_its_next_write(person: Any, door: Door) -> None:
    path = person.work / "a.py"
    document = opened(door, path, "0123456789")
    door.offer(edit(document, 10, "planted-marker"))
    await door.flush()
    store = await person.store()
    assert (await store.forget(Selection(path="*a.py"))).events
    await store.close()
    door.offer(edit(document, 24, "after"))
    await door.flush()
    assert not door.captures(document)
    again = opened(door, path, "0123456789planted-after")
    door.offer(edit(again, 0, "new "))
    await door.close()
    assert replay(await bodies(person), again) == "new 0123456789planted-after"
    assert "planted-marker" not in str(await bodies(person))


async def test_events_forgotten_by_another_process_are_noticed_without_an_event(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py", "text")
    await door.flush()
    changed = asyncio.Event()
    door.on_change(changed.set)
    store = await person.store()
    await store.forget(Selection(path="*a.py"))
    await store.close()
    person.ledger.stir()
    async with asyncio.timeout(5):
        while door.captures(document):
            changed.clear()
            await changed.wait()
    assert door.status().state == "capturing"


async def test_what_is_held_while_the_disk_is_full_is_not_called_off(
    person: Any, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StoreUnwritable("the disk is full")

    document = opened(door, person.work / "a.py")
    await door.flush()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "append", full)
        door.offer(edit(document, 0, "held"))
        status = await door.flush()
        assert status.state == "capturing"
        assert [each.code for each in status.reasons] == ["store-unwritable"]
        assert status.studies[0].offered > status.studies[0].durable
    assert (await door.flush()).reasons == ()
    await door.close()
    assert "held" in str(await bodies(person))


async def test_what_settles_late_is_sealed_without_another_event(person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SEAL_IDLE_S", 0.05)
    person.join(edit=lambda text: re.sub(r"settle_s = \d+", "settle_s = 3000", text))
    door = await person.door()
    opened(door, person.work / "a.py", "text")
    await door.flush()
    async with asyncio.timeout(5):
        await asyncio.sleep(0.2)  # idle time passed, and nothing had settled
        assert door.status().studies[0].sealed == 0
        person.clock.advance(3_100_000)
        while not door.status().studies[0].sealed:
            await asyncio.sleep(0.02)
    await door.close()


async def test_the_sign_follows_another_process_without_an_event(person: Any, door: Door) -> None:
    opened(door, person.work / "a.py")
    changed = asyncio.Event()
    door.on_change(changed.set)
    person.ledger.pause(None, person.clock.wall_ms())
    async with asyncio.timeout(5):
        await changed.wait()
    assert door.status().state == "paused"
    changed.clear()
    person.ledger.resume()
    async with asyncio.timeout(5):
        await changed.wait()
    assert door.status().state == "capturing"


async def test_the_sign_follows_the_very_first_consent_without_an_event(person: Any) -> None:
    """An editor that was open before anything of overt's was on the disk."""
    door = await person.door()
    assert not person.home.exists()
    live = asyncio.Event()
    door.on_change(lambda: live.set() if door.live else None)
    await asyncio.sleep(0)
    person.join()
    async with asyncio.timeout(5):
        await live.wait()
    await door.close()


async def test_the_sign_follows_a_withdrawal_without_an_event(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    changed = asyncio.Event()
    door.on_change(changed.set)
    person.ledger.leave(StudyId("test-study"), now_ms=person.clock.wall_ms(), installation=person.keys.installation)
    async with asyncio.timeout(5):
        await changed.wait()
    assert not door.captures(document)


async def test_a_pause_that_ends_by_itself_is_seen(person: Any, door: Door) -> None:
    door.pause(person.clock.wall_ms() + 200)
    changed = asyncio.Event()
    door.on_change(changed.set)
    person.clock.advance(1000)
    async with asyncio.timeout(5):
        await changed.wait()
    assert door.status().state == "capturing"


async def test_a_failed_filter_stays_off_whatever_changes(person: Any) -> None:
    class Broken:
        def find(self, text: str, *, whole_file: bool) -> list[Any]:
            raise RuntimeError

    person.join()
    door = await person.door(detector=Broken())
    door.open_document(path=person.work / "a.py", language="x", text="planted\n")
    assert door.status().reasons[0].code == "filter-failed"
    door.pause()
    door.resume()
    await door._sessions.activate()
    assert door.open_document(path=person.work / "b.py", language="x", text="planted\n").document is None
    assert door.status().state == "off"
    await door.close()


async def test_the_sign_is_on_again_when_the_key_is_back(person: Any) -> None:
    person.join()
    key = person.home / "keys" / "root.key"
    kept_key = key.read_bytes()
    key.unlink()
    door = await person.door()
    assert door.status().state == "off"
    key.write_bytes(kept_key)
    key.chmod(0o600)
    await door._sessions.activate()
    opened(door, person.work / "a.py")
    assert door.status().state == "capturing"
    await door.close()


async def test_a_write_after_the_end_of_consent_is_refused(person: Any, door: Door) -> None:
    opened(door, person.work / "a.py")
    person.clock.advance(40 * 86_400_000)
    await door._sessions.commit()
    await door.close()
    assert await kept(person) == []


async def test_what_came_together_is_written_at_once(person: Any, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    document = opened(door, person.work / "a.py")
    await door.flush()
    for number in range(2):  # the session's file is there after its second write
        door.offer(edit(document, number, str(number)))
        await door.flush()
    monkeypatch.setattr(store_module, "QUICK_SYNC_S", 60.0)
    writes = 0
    extend = Journal.extend

    def counted(*arguments: Any, **options: Any) -> bool | None:
        nonlocal writes
        writes += 1
        return extend(*arguments, **options)

    monkeypatch.setattr(Journal, "extend", counted)
    door.begin()
    for number in range(2, 5):
        door.offer(edit(document, number, str(number)))
    before = door.status().studies[0].durable
    door.done(write=True)  # no await: it is on disk when this returns
    assert (writes, door.status().studies[0].durable - before) == (1, 3)
    await door.close()
    assert replay(await bodies(person), document) == "01234"


async def test_what_comes_together_is_not_taken_after_a_pause(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    door.begin()
    door.offer(edit(document, 0, "before"))
    door.done()
    person.ledger.pause(None, person.clock.wall_ms())  # another process: nobody told this door
    door.begin()
    door.offer(edit(document, 6, "after"))
    door.done(write=True)
    await door.close()
    assert "after" not in str(await bodies(person))


async def test_a_write_that_is_due_sees_a_withdrawal_by_another_process(
    person: Any, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = opened(door, person.work / "a.py")
    await door.flush()
    for number in range(2):  # the session's file is there after its second write
        door.offer(edit(document, number, str(number)))
        await door.flush()
    monkeypatch.setattr(store_module, "QUICK_SYNC_S", 60.0)
    door.offer(edit(document, 2, "too late"))
    person.ledger.leave(StudyId("test-study"), now_ms=person.clock.wall_ms(), installation=None)
    writer_ = door._sessions._writer
    assert writer_ is not None
    writer_._due()  # in this very turn of the loop: nothing else can have noticed
    assert not writer_._buffered(), "it was not written at once"
    await door.close()
    assert "too late" not in str(await bodies(person))


async def test_dated_events_keep_their_order_and_distances(person: Any, door: Door) -> None:
    document = opened(door, person.work / "a.py")
    person.clock.advance(1000)
    now = person.clock.wall_ms()
    for number, at_ms in enumerate((now - 600, now - 350, now - 5000, now - 300)):
        door.date(at_ms)
        door.offer(edit(document, number, str(number)))
    door.date(None)
    door.offer(DocumentSave(document))
    await door.close()
    events = [each.event for each in await kept(person) if not isinstance(each.event.body, DocumentOpen)]
    deltas = {str(getattr(each.body, "inserted", "save")): (each.delta_ms, now - each.wall_ms) for each in events[1:6]}
    assert deltas == {"0": (400, 600), "1": (250, 350), "2": (0, 350), "3": (50, 300), "save": (300, 0)}
