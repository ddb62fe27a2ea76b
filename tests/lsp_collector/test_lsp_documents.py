from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model.events import (
    CaptureGap,
    CommandRun,
    CompletionAccept,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    EditorFocus,
    GapReason,
    Origin,
    SelectionCause,
    SelectionChange,
    ViewportChange,
)
from event_model.positions import PositionEncoding
from lsp_collector import documents as documents_module
from lsp_collector.documents import Documents
from tests.lsp_collector.lsp_recorder import replay
from tests.lsp_collector.lsp_wire import Talk, changed, closed, edit, note, opened, place, renamed, saved, uri


@pytest.fixture
async def talk() -> Talk:
    talk = Talk()
    await talk.start()
    return talk


def gaps(talk: Talk) -> list[CaptureGap]:
    return [each for each in talk.bodies if isinstance(each, CaptureGap)]


def edits(talk: Talk) -> list[DocumentEdit]:
    return [each for each in talk.bodies if isinstance(each, DocumentEdit)]


# --- the plain way


async def test_documents_record_open_edit_save_and_close(talk: Talk) -> None:
    await talk.say(opened("a.py", "one\ntwo\n"))
    await talk.say(changed("a.py", edit((1, 0), (1, 3), "2")), saved("a.py"), closed("a.py"))
    assert talk.bodies == [
        DocumentOpen(1, "a.py", "", "python", "one\ntwo\n"),
        DocumentEdit(1, 4, 3, "2"),
        DocumentSave(1),
        DocumentClose(1),
    ]


async def test_documents_join_the_edits_of_one_transaction(talk: Talk) -> None:
    """Each change of a transaction is on the text that the one before it left (several cursors)."""
    await talk.say(opened("a.py", "x\nx\n"))
    await talk.say(changed("a.py", edit((1, 0), (1, 0), "b"), edit((0, 0), (0, 0), "a")))
    assert edits(talk) == [DocumentEdit(1, 2, 0, "b"), DocumentEdit(1, 0, 0, "a", joined=True)]
    assert replay(talk.bodies) == {"a.py": "ax\nbx\n"}


async def test_documents_keep_changes_that_change_nothing(talk: Talk) -> None:
    """What the editor named as a change is one, so that what is counted there is counted here; a text is not."""
    await talk.say(opened("a.py", "x"), changed("a.py", edit((0, 1), (0, 1), ""), edit((0, 1), (0, 1), "y")))
    await talk.say(changed("a.py", {"text": "xy"}))
    assert edits(talk) == [DocumentEdit(1, 1, 0, ""), DocumentEdit(1, 1, 0, "y", joined=True)]


async def test_documents_take_an_end_that_is_past_the_last_line(talk: Talk) -> None:
    await talk.say(opened("a.py", "a\nb\nc"))
    await talk.say(changed("a.py", edit((1, 0), (3, 0), "z\n")))
    await talk.say(changed("a.py", edit((3, 0), (3, 0), "end")))
    assert replay(talk.bodies) == {"a.py": "a\nz\nend"}
    assert not gaps(talk)


async def test_documents_take_a_change_of_the_whole_text_as_the_smallest_edit(talk: Talk) -> None:
    await talk.say(opened("a.py", "def f():\n    pass\n"))
    await talk.say(changed("a.py", {"text": "def f():\n    return 1\n    pass\n"}))
    assert edits(talk) == [DocumentEdit(1, 13, 0, "return 1\n    ")]
    await talk.say(changed("a.py", {"text": "def f():\n    return 1\n    pass\n"}))
    assert len(edits(talk)) == 1


async def test_documents_keep_apart_what_is_edited_at_the_same_time(talk: Talk) -> None:
    await talk.say(opened("a.py", ""), opened("sub/b.py", ""), opened("other/c.rs", "", "rust"))
    for at, letter in enumerate("hello"):
        for name in ("a.py", "sub/b.py", "other/c.rs"):
            await talk.say(changed(name, edit((0, at), (0, at), letter + name[0])))
            await talk.say(changed(name, edit((0, at + 1), (0, at + 2), "")))
    assert set(replay(talk.bodies).values()) == {"hello"}


# --- encodings


@pytest.mark.parametrize(
    ("encodings", "chosen", "column"),
    [
        (None, "utf-16", 3),
        ([], "utf-16", 3),
        (["utf-32", "utf-16"], "utf-32", 2),
        (["utf-8"], "utf-8", 5),
        (["koi8-r", "utf-16"], "utf-16", 3),
        (["koi8-r"], "utf-16", 3),
    ],
)
async def test_documents_count_in_the_encoding_of_the_client(
    encodings: list[str] | None, chosen: str, column: int
) -> None:
    talk = Talk()
    result = await talk.start(encodings=encodings)
    assert result["capabilities"]["positionEncoding"] == chosen
    assert talk.clients[0].position_encoding == chosen
    await talk.say(opened("a.py", "x😀y"), changed("a.py", edit((0, column), (0, column), "!")))
    assert replay(talk.bodies) == {"a.py": "x😀!y"}


ALPHABET = "ab \t\n\r\n\rßéж漢字😀𝔘\u0301"


def at(text: str, offset: int, encoding: str) -> tuple[int, int]:
    """The line and character of an offset, by another way than the product's: terminators counted one by one."""
    line, start, index = 0, 0, 0
    while index < offset:
        if text[index] == "\n" or (text[index] == "\r" and text[index + 1 : index + 2] != "\n"):
            line, start = line + 1, index + 1
        index += 1
    codec = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}[encoding]
    return line, len(text[start:offset].encode(codec[0])) // codec[1]


def inside_terminator(text: str, offset: int) -> bool:
    """Between CR and LF there is no place: a position there is the line's end, before both."""
    return text[offset - 1 : offset + 1] == "\r\n" and offset > 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@given(start=st.text(ALPHABET, max_size=60), seed=st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
async def test_documents_follow_any_edits_to_the_character(encoding: str, start: str, seed: int) -> None:
    """Random edits, as an editor would send them, against a plain string."""
    chance = random.Random(seed)
    talk = Talk()
    await talk.start(encodings=[encoding])
    model = start
    await talk.say(opened("a.py", model))
    for version in range(2, 12):
        changes = []
        for _ in range(chance.choice([1, 1, 1, 3])):
            places = [each for each in range(len(model) + 1) if not inside_terminator(model, each)]
            low, high = sorted((chance.choice(places), chance.choice(places)))
            text = "".join(chance.choices(ALPHABET, k=chance.randrange(6)))
            if chance.random() < 0.1:
                model = text + model
                changes.append({"text": model})
                continue
            changes.append(edit(at(model, low, encoding), at(model, high, encoding), text))
            model = model[:low] + text + model[high:]
        await talk.say(changed("a.py", *changes, version=version))
    await talk.say(saved("a.py"))
    assert replay(talk.bodies) == {"a.py": model}
    assert not gaps(talk)


# --- what is not captured leaves nothing


@pytest.mark.parametrize("name", [".env", "keys/server.pem", ".env.local"])
async def test_documents_keep_nothing_of_a_denied_file(talk: Talk, name: str) -> None:
    await talk.say(opened(name, "TOKEN=1"), changed(name, edit((0, 0), (0, 0), "x")), saved(name, "xTOKEN=1"))
    await talk.say(closed(name))
    assert talk.bodies == []
    assert "TOKEN" not in repr(vars(talk.session._documents))
    assert name not in repr(vars(talk.session._documents))


@pytest.mark.parametrize(
    "address",
    [
        "file:///elsewhere/a.py",
        "untitled:Untitled-1",
        "git:/proj/a.py?ref",
        "vscode-notebook-cell:/proj/n.ipynb#1",
        "file://host/proj/a.py",
        "file:///proj/%00.py",
        "file:///proj/%ff.py",
        "file:relative.py",
        "file://[bad/a.py",
        "",
        "nonsense",
    ],
)
async def test_documents_keep_nothing_of_what_is_no_file_in_scope(talk: Talk, address: str) -> None:
    document = opened("", "text", at=address or "x")
    await talk.say(document, changed("", edit((0, 0), (0, 0), "x"), at=address or "x"))
    assert talk.bodies == []


async def test_documents_of_binary_text_are_not_captured(talk: Talk) -> None:
    await talk.say(opened("a.bin", "MZ\x00\x01"), changed("a.bin", edit((0, 0), (0, 0), "x")))
    assert talk.bodies == []
    await talk.say(opened("b.py", "x"), changed("b.py", edit((0, 0), (0, 0), "\x00")))
    await talk.say(changed("b.py", edit((0, 0), (0, 0), "y")))
    assert gaps(talk) == [CaptureGap(1, GapReason.DOCUMENT_BINARY, 1)]
    assert not talk.session._documents.captured(uri("b.py"))


async def test_documents_without_consent_leave_no_trace() -> None:
    talk = Talk()
    talk.recorder.consent = False
    await talk.start()
    await talk.say(opened("a.py", "secret"), changed("a.py", edit((0, 0), (0, 0), "x")), saved("a.py", "xsecret"))
    await talk.say(changed("b.py", edit((0, 0), (0, 0), "x")), note("overt/focus", focused=True))
    assert talk.bodies == []
    assert "secret" not in repr(vars(talk.session._documents))


# --- rename


async def test_rename_in_scope_keeps_the_content_once(talk: Talk) -> None:
    await talk.say(opened("a.py", "one\n"), changed("a.py", edit((1, 0), (1, 0), "two")))
    await talk.say(renamed("a.py", "b.py"), closed("a.py"), opened("b.py", "one\ntwo"))
    await talk.say(changed("b.py", edit((1, 3), (1, 3), "!")), closed("b.py"))
    assert talk.bodies[2:] == [
        DocumentOpen(2, "b.py", "", "python", "", 1),
        DocumentClose(1),
        DocumentEdit(2, 7, 0, "!"),
        DocumentClose(2),
    ]
    assert replay(talk.bodies)["b.py"] == "one\ntwo!"


async def test_rename_out_of_scope_ends_capture(talk: Talk) -> None:
    await talk.say(opened("a.py", "one"), renamed("a.py", ".env"))
    await talk.say(closed("a.py"), opened(".env", "one"), changed(".env", edit((0, 3), (0, 3), "TOKEN")))
    assert talk.bodies == [DocumentOpen(1, "a.py", "", "python", "one"), DocumentClose(1)]


async def test_rename_to_another_place_ends_capture(talk: Talk) -> None:
    away = note("workspace/didRenameFiles", files=[{"oldUri": uri("a.py"), "newUri": "file:///elsewhere/a.py"}])
    await talk.say(opened("a.py", "one"), away, changed("a.py", edit((0, 0), (0, 0), "x")))
    assert talk.bodies[1] == DocumentClose(1)
    assert not edits(talk)


async def test_rename_of_a_folder_moves_every_file_in_it(talk: Talk) -> None:
    await talk.say(opened("old/a.py", "A"), opened("old/deep/b.py", "B"), opened("older.py", "C"))
    await talk.say(renamed("old", "new"))
    await talk.say(changed("new/deep/b.py", edit((0, 1), (0, 1), "!")))
    assert replay(talk.bodies)["new/deep/b.py"] == "B!"
    assert replay(talk.bodies)["new/a.py"] == "A"
    assert talk.session._documents.captured(uri("older.py"))


async def test_rename_onto_an_open_file_closes_that_one(talk: Talk) -> None:
    await talk.say(opened("a.py", "A"), opened("b.py", "B"), renamed("a.py", "b.py"))
    await talk.say(changed("b.py", edit((0, 1), (0, 1), "!")))
    assert DocumentClose(2) in talk.bodies
    assert replay(talk.bodies)["b.py"] == "A!"


# --- faults


@pytest.mark.parametrize(
    "bad",
    [
        edit((0, 2), (0, 2), "x"),  # inside the surrogate pair of the emoji
        edit((9, 0), (9, 0), "x"),
        edit((-1, 0), (0, 0), "x"),
        edit((0, -1), (0, 0), "x"),
        edit((1, 0), (0, 0), "x"),
        edit((0, 0), (7, 0), "x"),
    ],
)
async def test_a_position_outside_the_document_breaks_that_document_alone(talk: Talk, bad: dict[str, object]) -> None:
    await talk.say(opened("a.py", "x😀y\nz"), opened("b.py", "b"))
    await talk.say(changed("a.py", bad, edit((0, 0), (0, 0), "x")), changed("a.py", edit((0, 0), (0, 0), "y")))
    await talk.say(changed("b.py", edit((0, 1), (0, 1), "!")))
    assert gaps(talk) == [CaptureGap(2, GapReason.POSITION_INVALID, 1)]
    assert replay(talk.bodies) == {"b.py": "b!"}


@pytest.mark.parametrize("how", ["save", "open", "full"])
async def test_a_broken_document_comes_back_with_its_whole_text(talk: Talk, how: str) -> None:
    await talk.say(opened("a.py", "one"), changed("a.py", edit((5, 0), (5, 0), "x")))
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "y")), changed("a.py", edit((0, 0), (0, 0), "z")))
    back = {
        "save": saved("a.py", "whole"),
        "open": opened("a.py", "whole"),
        "full": changed("a.py", {"text": "whole"}),
    }[how]
    await talk.say(back, changed("a.py", edit((0, 5), (0, 5), "!")))
    assert replay(talk.bodies) == {"a.py": "whole!"}
    lost = 3 if how == "full" else 2
    assert gaps(talk) == [CaptureGap(1, GapReason.POSITION_INVALID, 1), CaptureGap(lost, GapReason.POSITION_INVALID)]
    assert [each.language for each in talk.bodies if isinstance(each, DocumentOpen)] == ["python", "python"]


async def test_a_document_that_was_never_opened_is_a_gap_and_comes_back_with_a_save(talk: Talk) -> None:
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "x")), changed("a.py", edit((0, 1), (0, 1), "y")))
    await talk.say(saved("a.py", "xy"), closed("a.py"))
    assert talk.bodies == [
        CaptureGap(2, GapReason.DOCUMENT_UNOPENED),
        DocumentOpen(1, "a.py", "", "", "xy"),
        DocumentSave(1),
        DocumentClose(1),
    ]


async def test_an_unopened_document_out_of_scope_is_not_even_a_gap(talk: Talk) -> None:
    await talk.say(changed(".env", edit((0, 0), (0, 0), "x")), closed(".env"), closed("never.py"), saved("never.py"))
    await talk.ask("shutdown")
    assert talk.bodies == []


async def test_losses_that_never_come_back_are_counted_at_the_end(talk: Talk) -> None:
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "x")), opened("b.py", "b"))
    await talk.ask("shutdown")
    assert talk.bodies[1:] == [CaptureGap(1, GapReason.DOCUMENT_UNOPENED), DocumentClose(1)]


async def test_a_save_with_text_mends_what_silently_differs(talk: Talk) -> None:
    await talk.say(opened("a.py", "one"), saved("a.py", "ones"))
    assert talk.bodies[1:] == [DocumentEdit(1, 3, 0, "s"), DocumentSave(1)]


async def test_a_save_whose_line_ends_are_two_characters_mends_nothing(talk: Talk) -> None:
    """ALE 3.3 joins the lines with a backslash and an n."""
    await talk.say(opened("a.py", "one\ntwo\n"), saved("a.py", "one\\ntwo\\n"))
    await talk.say(saved("a.py", "print('\\n')"))
    assert talk.bodies[1:] == [DocumentSave(1), DocumentEdit(1, 0, 8, "print('\\n')"), DocumentSave(1)]


async def test_opening_twice_takes_over_the_difference(talk: Talk) -> None:
    await talk.say(opened("a.py", "one"), opened("a.py", "none"))
    assert talk.bodies[1:] == [DocumentEdit(1, 0, 0, "n")]


async def test_a_document_that_is_too_large_is_not_captured(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "MAX_DOCUMENT_CHARS", 100)
    await talk.say(opened("a.py", "x" * 101), changed("a.py", edit((0, 0), (0, 0), "x")))
    await talk.say(opened(".env", "x" * 101))
    assert talk.bodies == [CaptureGap(1, GapReason.DOCUMENT_TOO_LARGE)]


@pytest.mark.parametrize("change", [edit((0, 0), (0, 0), "y" * 60), {"text": "y" * 101}])
async def test_a_document_that_grows_too_large_is_let_go(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    monkeypatch.setattr(documents_module, "MAX_DOCUMENT_CHARS", 100)
    await talk.say(opened("a.py", "x" * 50), changed("a.py", edit((0, 0), (0, 0), "ok")))
    await talk.say(changed("a.py", change), changed("a.py", edit((0, 0), (0, 0), "z")))
    assert gaps(talk) == [CaptureGap(1, GapReason.DOCUMENT_TOO_LARGE, 1)]
    assert edits(talk) == [DocumentEdit(1, 0, 0, "ok")]


async def test_remembering_what_is_not_captured_is_bounded(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents_module, "MAX_REMEMBERED", 10)
    for number in range(50):
        await talk.say(opened("", "x", at=f"untitled:{number}"))
    assert len(talk.session._documents._away) == 10


# --- what plugins say


async def test_origins_go_to_the_change_that_they_announce(talk: Talk) -> None:
    await talk.say(opened("a.py", ""))
    await talk.say(note("overt/origin", uri=uri("a.py"), version=3, origin="pasted", confidence=90))
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "t"), version=2))
    await talk.say(changed("a.py", edit((0, 1), (0, 1), "p"), edit((0, 2), (0, 2), "q"), version=3))
    await talk.say(changed("a.py", edit((0, 3), (0, 3), "u"), version=4))
    assert [(each.inserted, each.origin, each.confidence) for each in edits(talk)] == [
        ("t", Origin.UNKNOWN, 0),
        ("p", Origin.PASTED, 90),
        ("q", Origin.PASTED, 90),
        ("u", Origin.UNKNOWN, 0),
    ]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ({"origin": "typed", "confidence": 99}, (Origin.TYPED, 99)),
        ({"origin": "agent"}, (Origin.AGENT, 0)),
        ({"origin": "aliens", "confidence": 99}, (Origin.PASTED, 40)),
        ({"origin": "typed", "confidence": 101}, (Origin.PASTED, 40)),
        ("typed", (Origin.PASTED, 40)),
        (None, (Origin.PASTED, 40)),
    ],
)
async def test_a_change_may_say_its_origin_itself_and_never_is_lost_by_it(
    talk: Talk, said: object, kept: tuple[Origin, int]
) -> None:
    await talk.say(opened("a.py", ""), note("overt/origin", uri=uri("a.py"), version=2, origin="pasted", confidence=40))
    change = changed("a.py", edit((0, 0), (0, 0), "x"))
    change["params"] |= {"textDocument": {"uri": uri("a.py"), "version": 2}, "overt": said}
    await talk.say(change)
    assert [(each.inserted, each.origin, each.confidence) for each in edits(talk)] == [("x", *kept)]
    assert not gaps(talk)


async def test_what_says_when_it_happened_is_dated_so(talk: Talk) -> None:
    await talk.say(opened("a.py", ""))
    talk.clock.advance(5000)
    place = {"line": 0, "character": 0}
    times = [talk.clock.wall_ms() - ago_ms for ago_ms in (300, 180, 0)]
    for at_ms in times:
        at = {"at": at_ms}
        change = changed("a.py", edit((0, 0), (0, 0), "x"))
        change["params"]["overt"] = {"origin": "typed", "confidence": 99, **at}
        await talk.say(change, note("overt/selection", uri=uri("a.py"), anchor=place, active=place, overt=at))
        assert talk.session.patient
    assert talk.recorder.times_ms[-6::2] == talk.recorder.times_ms[-5::2] == times
    assert [each.origin for each in edits(talk)] == [Origin.TYPED] * 3


@pytest.mark.parametrize("at", [-1, 1_000_000, 10**15, 10**30, "now", None, [1]])
async def test_a_time_that_can_not_be_is_passed_over_and_the_event_is_not(talk: Talk, at: object) -> None:
    await talk.say(opened("a.py", ""))
    talk.clock.advance(5000)
    change = changed("a.py", edit((0, 0), (0, 0), "x"))
    change["params"]["overt"] = {"at": at}
    await talk.say(change)
    assert talk.recorder.times_ms[-1] is None
    assert not talk.session.patient
    assert [each.inserted for each in edits(talk)] == ["x"]
    assert not gaps(talk)


async def test_only_what_comes_with_keys_may_wait(talk: Talk) -> None:
    now = {"at": talk.clock.wall_ms()}
    await talk.say(opened("a.py", ""))
    change = changed("a.py", edit((0, 0), (0, 0), "x"))
    await talk.say(change)
    assert not talk.session.patient  # it does not say when it happened
    change["params"]["overt"] = now
    await talk.say(change)
    assert talk.session.patient
    await talk.say(change, note("overt/focus", focused=True, overt=now))
    assert not talk.session.patient
    await talk.say(change, {"id": 7, "method": "overt/status"})
    assert not talk.session.patient
    await talk.say(change, {"method": "textDocument/didChange", "params": 3})
    assert not talk.session.patient


async def test_an_origin_whose_change_never_came_is_void(talk: Talk) -> None:
    await talk.say(opened("a.py", ""), note("overt/origin", uri=uri("a.py"), version=2, origin="undo"))
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "x"), version=5))
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "x"), version=2))
    assert {each.origin for each in edits(talk)} == {Origin.UNKNOWN}
    for version in range(1000):
        await talk.say(note("overt/origin", uri=uri("a.py"), version=version, origin="undo"))
    assert len(talk.session._documents._shadows[uri("a.py")].origins) == 64


async def test_selection_viewport_focus_command_and_completion(talk: Talk) -> None:
    await talk.say(opened("a.py", "x😀\nyy\n"))
    spot = {"anchor": {"line": 0, "character": 3}, "active": {"line": 1, "character": 1}}
    await talk.say(
        note("overt/selection", uri=uri("a.py"), **spot, count=2, cause="mouse"),
        note("overt/selection", uri=uri("a.py"), **spot),
        note("overt/viewport", uri=uri("a.py"), firstLine=0, lastLine=40),
        note("overt/focus", focused=False),
        note("overt/command", command="editor.action.rename"),
        note("overt/completionAccepted", uri=uri("a.py"), length=7),
    )
    assert talk.bodies[1:] == [
        SelectionChange(1, 2, 4, 2, SelectionCause.MOUSE),
        SelectionChange(1, 2, 4),
        ViewportChange(1, 0, 2),
        EditorFocus(False),
        CommandRun("editor.action.rename"),
        CompletionAccept(1, 7),
    ]


async def test_plugins_say_nothing_about_documents_that_are_not_captured(talk: Talk) -> None:
    spot = {"anchor": {"line": 0, "character": 0}, "active": {"line": 0, "character": 0}}
    await talk.say(
        opened(".env", "x"),
        note("overt/selection", uri=uri(".env"), **spot),
        note("overt/viewport", uri=uri(".env"), firstLine=0, lastLine=0),
        note("overt/origin", uri=uri(".env"), version=2, origin="typed"),
        note("overt/completionAccepted", uri=uri(".env"), length=1),
    )
    assert talk.bodies == []


@pytest.mark.parametrize(
    ("method", "params", "reason"),
    [
        ("overt/selection", {"anchor": {"line": 7, "character": 0}, "active": {"line": 0, "character": 0}}, "position"),
        ("overt/selection", {"anchor": {"line": 0, "character": 2}, "active": {"line": 0, "character": 0}}, "position"),
        ("overt/viewport", {"firstLine": 5, "lastLine": 9}, "position"),
        ("overt/viewport", {"firstLine": -1, "lastLine": 9}, "malformed"),
        ("overt/selection", {"anchor": 3}, "malformed"),
        ("overt/origin", {"version": 2, "origin": "aliens"}, "malformed"),
        ("overt/origin", {"version": 2, "origin": "typed", "confidence": 101}, "malformed"),
        ("overt/completionAccepted", {"length": -1}, "malformed"),
        ("overt/command", {"command": "x" * 201}, "malformed"),
        ("overt/command", {"command": "a\nb"}, "malformed"),
        ("overt/command", {"command": ""}, "malformed"),
        ("overt/focus", {"focused": "yes"}, "malformed"),
    ],
)
async def test_a_bad_message_of_a_plugin_is_a_gap_and_breaks_nothing(
    talk: Talk, method: str, params: dict[str, object], reason: str
) -> None:
    await talk.say(opened("a.py", "x😀"), note(method, **{"uri": uri("a.py"), **params}))
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "!")))
    expected = GapReason.POSITION_INVALID if reason == "position" else GapReason.MESSAGE_MALFORMED
    assert gaps(talk) == [CaptureGap(1, expected)]
    assert replay(talk.bodies) == {"a.py": "!x😀"}


def test_documents_need_no_more_of_a_range_than_its_ends() -> None:
    """``place`` of the tests and the product agree on the names of a range."""
    assert set(place((0, 0), (0, 0))) == {"start", "end"}
    assert Documents(Talk().recorder, PositionEncoding.UTF8).captured("x") is False
