from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest

from event_model.errors import KeyUnavailable
from event_model.events import CaptureGap, CapturePause, DocumentClose, DocumentEdit, DocumentOpen, GapReason
from lsp_collector import messages
from lsp_collector.ports import Client, Door
from tests.lsp_collector.lsp_recorder import RecorderDoor, replay
from tests.lsp_collector.lsp_wire import ROOT, Talk, changed, closed, edit, frame, note, opened, saved, uri


@pytest.fixture
async def talk() -> Talk:
    talk = Talk()
    await talk.start()
    return talk


def gaps(talk: Talk) -> list[CaptureGap]:
    return [each for each in talk.bodies if isinstance(each, CaptureGap)]


# --- lifecycle


async def test_initialize_announces_following_and_nothing_else() -> None:
    talk = Talk()
    result = await talk.start()
    assert set(result["capabilities"]) == {"positionEncoding", "textDocumentSync", "workspace", "experimental"}
    assert result["capabilities"]["textDocumentSync"] == {"openClose": True, "change": 2, "save": {"includeText": True}}
    assert result["serverInfo"] == {"name": "overt", "version": version("overt")}
    assert talk.clients == [Client("t", "", "utf-16")]


@pytest.mark.parametrize(
    "params",
    [None, [], {}, {"capabilities": 5}, {"capabilities": None, "initializationOptions": "x"}, {"processId": "me"}],
)
async def test_initialize_is_answered_whatever_it_says(params: Any) -> None:
    talk = Talk()
    await talk.say({"id": 1, "method": "initialize", "params": params})
    assert talk.heard()[0]["result"]["capabilities"]["positionEncoding"] == "utf-16"
    await talk.say(opened("a.py", "x"))
    assert len(talk.bodies) == 1


async def test_the_process_id_is_handed_on() -> None:
    talk = Talk()
    await talk.ask("initialize", processId=4711, capabilities={})
    assert talk.process_ids == [4711]


async def test_requests_out_of_turn_are_refused() -> None:
    talk = Talk()
    assert (await talk.ask("overt/status"))["error"]["code"] == -32002
    await talk.say(opened("a.py", "early"))
    await talk.start()
    assert (await talk.ask("initialize", capabilities={}))["error"]["code"] == -32600
    assert (await talk.ask("shutdown"))["result"] is None
    assert (await talk.ask("overt/status"))["error"]["code"] == -32600
    await talk.say(opened("a.py", "late"))
    assert talk.bodies == []


async def test_shutdown_is_answered_when_everything_is_durable(talk: Talk) -> None:
    await talk.say(opened("a.py", "x"), changed("a.py", edit((0, 1), (0, 1), "y")))
    assert talk.recorder.durable == 0
    await talk.ask("shutdown")
    assert talk.recorder.durable == len(talk.bodies) == 3
    await talk.say({"method": "exit"})
    assert talk.session.finished
    assert talk.session.exit_code == 0
    await talk.session.end()
    assert talk.recorder.closed == 1


async def test_exit_without_shutdown_is_an_error_code_and_loses_nothing(talk: Talk) -> None:
    await talk.say(opened("a.py", "x"), {"method": "exit"})
    assert talk.session.exit_code == 1
    await talk.session.end()
    assert talk.recorder.durable == 2


async def test_the_end_of_input_is_not_an_error(talk: Talk) -> None:
    await talk.say(opened("a.py", "x"))
    await talk.session.end()
    await talk.session.end()
    assert talk.bodies == [DocumentOpen(1, "a.py", "", "python", "x"), DocumentClose(1)]
    assert talk.session.exit_code == 0


async def test_the_gate_is_asked_whether_it_keeps_up(talk: Talk) -> None:
    await talk.say(opened("a.py", ""), *[changed("a.py", edit((0, 0), (0, 0), "x")) for _ in range(1000)])
    assert talk.recorder.waits == 3
    assert replay(talk.bodies)["a.py"] == "x" * 1000


# --- a gate that can't be had


@pytest.mark.parametrize(
    ("error", "code"), [(KeyUnavailable("locked"), "key-unavailable"), (RuntimeError("bug"), "collector-failed")]
)
async def test_a_gate_that_does_not_open_leaves_the_editor_alone(
    error: Exception, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken(Talk):
        async def _open(self, client: Client) -> Door:
            raise error

    talk = Broken()
    await talk.start()
    await talk.say(opened("a.py", "x"), changed("a.py", edit((0, 0), (0, 0), "y")))
    status = (await talk.ask("overt/status"))["result"]
    assert (status["state"], status["reasons"][0]["code"]) == ("off", code)
    why = (await talk.ask("overt/why", uri=uri("a.py")))["result"]
    assert (why["captured"], why["refusals"][0]["code"]) == (False, code)
    for method, params in (("overt/resume", {}), ("overt/pause", {}), ("overt/forget", {"minutes": 1})):
        assert (await talk.ask(method, **params))["error"]["data"]["code"] == code
    assert (await talk.ask("overt/flush"))["result"]["state"] == "off"
    assert (await talk.ask("shutdown"))["result"] is None
    assert "bug" not in capsys.readouterr().err


async def test_a_fault_of_our_own_stops_capture_and_not_the_editor(capsys: pytest.CaptureFixture[str]) -> None:
    class Faulty(RecorderDoor):
        def offer(self, body: object) -> None:
            raise ZeroDivisionError("the person's text")

    door = Faulty(ROOT)
    talk = Talk(door)
    await talk.start(status=True)
    await talk.say(opened("a.py", "x"), changed("a.py", edit((0, 0), (0, 0), "y")), saved("a.py"))
    assert [each["params"]["state"] for each in talk.heard()] == ["off"]
    assert door.closed == 1
    assert (await talk.ask("overt/status"))["result"]["reasons"][0]["code"] == "collector-failed"
    printed = capsys.readouterr().err
    assert "ZeroDivisionError" in printed
    assert "the person's text" not in printed


# --- our requests


async def test_status_why_and_flush(talk: Talk) -> None:
    await talk.say(opened("a.py", "x"))
    status = (await talk.ask("overt/status"))["result"]
    assert status["state"] == "capturing"
    assert status["pausedUntilMs"] is None
    study = status["studies"][0]
    assert (study["study"], study["offered"], study["durable"], study["documents"]) == ("tiny", 1, 0, 1)
    assert (await talk.ask("overt/flush"))["result"]["studies"][0]["durable"] == 1
    assert (await talk.ask("overt/why", uri=uri("a.py")))["result"] == {"captured": True, "refusals": []}
    for address, code in ((uri(".env"), "denied-path"), ("file:///x/y", "out-of-scope"), ("untitled:1", "no-file")):
        why = (await talk.ask("overt/why", uri=address))["result"]
        assert (why["captured"], [each["code"] for each in why["refusals"]]) == (False, [code])


async def test_pause_drops_every_text_and_resume_waits_for_the_documents(talk: Talk) -> None:
    await talk.say(opened("a.py", "one"), opened("b.py", "two"))
    status = (await talk.ask("overt/pause", minutes=15))["result"]
    assert status["state"] == "paused"
    assert status["pausedUntilMs"] == talk.clock.wall_ms() + 15 * 60_000
    assert not talk.session._documents._shadows
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "secret ")), opened("c.py", "three"), saved("b.py", "two!"))
    assert (await talk.ask("overt/resume"))["result"]["state"] == "capturing"
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "more ")), saved("b.py", "two!!"), opened("c.py", "3"))
    await talk.say(closed("a.py"), opened("a.py", "back"))
    assert [each for each in talk.bodies if isinstance(each, DocumentEdit | CaptureGap)] == []
    assert replay(talk.bodies) == {"a.py": "back", "b.py": "two!!", "c.py": "3"}
    assert sum(isinstance(each, CapturePause) for each in talk.bodies) == 1


@pytest.mark.parametrize("params", [{"minutes": 0}, {"minutes": -1}, {"minutes": "x"}, {"minutes": 10**9}])
async def test_pause_for_nonsense_is_refused(talk: Talk, params: dict[str, Any]) -> None:
    assert (await talk.ask("overt/pause", **params))["error"]["code"] == -32602
    assert talk.recorder.live


async def test_pause_without_parameters_lasts_until_resumed(talk: Talk) -> None:
    assert (await talk.ask("overt/pause"))["result"]["pausedUntilMs"] is None


async def test_a_pause_that_can_not_be_written_down_still_stops_capture_here() -> None:
    class Unwritable(RecorderDoor):
        def pause(self, until_ms: int | None = None) -> None:
            raise OSError("disk full")

    door = Unwritable(ROOT)
    talk = Talk(door)
    await talk.start()
    await talk.say(opened("a.py", "x"))
    assert (await talk.ask("overt/pause"))["error"]["code"] == -32603
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "hidden")), saved("a.py", "hiddenx"))
    assert len(door.bodies) == 1
    assert (await talk.ask("overt/status"))["result"]["state"] == "off"


async def test_forget(talk: Talk) -> None:
    await talk.say(opened("a.py", "x"), changed("a.py", edit((0, 0), (0, 0), "y")))
    assert (await talk.ask("overt/forget", minutes=10))["result"] == {"events": 2}
    assert talk.bodies == []
    await talk.say(changed("a.py", edit((0, 0), (0, 0), "z")))
    assert talk.bodies == []
    assert (await talk.ask("overt/forget"))["error"]["code"] == -32602


async def test_withdrawing_elsewhere_drops_the_texts_here(talk: Talk) -> None:
    await talk.say(opened("a.py", "the text"))
    talk.recorder.withdraw()
    await talk.say(note("$/nothing"))
    assert "the text" not in repr(vars(talk.session._documents))


# --- the sign


async def test_the_sign_is_told_when_it_asked_and_only_when_something_changed() -> None:
    talk = Talk()
    await talk.start(status=True)
    await talk.say(opened("a.py", "x"), changed("a.py", edit((0, 0), (0, 0), "y")))
    await talk.ask("overt/flush")
    talk.recorder._notify()
    await talk.say(note("$/nothing"))
    talk.recorder.pause()
    await talk.say(note("$/nothing"))
    talk.recorder.withdraw()
    await talk.say(note("$/nothing"))
    assert [each["params"]["state"] for each in talk.heard()] == ["paused", "off"]


async def test_an_editor_is_told_that_documents_were_let_go_of() -> None:
    """It may open them again: what another program forgot ended them, and capture goes on."""
    talk = Talk()
    await talk.start(status=True)
    await talk.say(opened("a.py", "x"))
    await talk.recorder.forget(0)
    await talk.say(note("$/nothing"))
    assert [each["params"]["state"] for each in talk.heard()] == ["capturing"]
    talk.recorder._notify()
    await talk.say(note("$/nothing"))
    assert talk.heard() == []


async def test_the_sign_is_told_at_the_start() -> None:
    talk = Talk()
    await talk.say({"id": 1, "method": "initialize", "params": {"initializationOptions": {"overt": {"status": True}}}})
    first, second = talk.heard()
    assert "result" in first
    assert (second["method"], second["params"]["state"]) == ("overt/statusChanged", "capturing")


async def test_nobody_is_told_who_did_not_ask(talk: Talk) -> None:
    talk.recorder.withdraw()
    await talk.say(note("$/nothing"))
    assert talk.heard() == []


# --- malformed input


CHANGE = msgspec.json.encode({"jsonrpc": "2.0", **changed("a.py", edit((0, 0), (0, 0), "lost"))})
OPEN = msgspec.json.encode({"jsonrpc": "2.0", **opened("a.py", "text")})


def cut(body: bytes) -> bytes:
    return body[:-5]


def wrong_type(body: bytes) -> bytes:
    return body.replace(b'"contentChanges":[', b'"contentChanges":[7,')


def raw_line_feed(body: bytes) -> bytes:
    return body.replace(b'"lost"', b'"lo\nst"')


def bad_utf8(body: bytes) -> bytes:
    return body.replace(b'"lost"', b'"lo\xffst"')


def deep(body: bytes) -> bytes:
    return body.replace(b'"lost"', b"[" * 100_000)


@pytest.mark.parametrize("spoil", [cut, wrong_type, raw_line_feed, bad_utf8, deep])
async def test_a_change_that_can_not_be_read_breaks_its_document_alone(
    talk: Talk, spoil: Callable[[bytes], bytes]
) -> None:
    await talk.say(opened("a.py", "a"), opened("b.py", "b"))
    await talk.say(
        spoil(CHANGE), changed("b.py", edit((0, 1), (0, 1), "!")), changed("a.py", edit((0, 0), (0, 0), "?"))
    )
    assert gaps(talk) == [CaptureGap(1, GapReason.MESSAGE_MALFORMED, 1)]
    assert replay(talk.bodies) == {"b.py": "b!"}
    await talk.say(saved("a.py", "?a"))
    assert replay(talk.bodies) == {"a.py": "?a", "b.py": "b!"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"\x00\x01\x02",
        b'{"method":"textDocument/didChange","params":{',
        b'{"params":{"contentChanges":[',
        b"[" * 100_000,
    ],
)
async def test_a_message_about_nobody_knows_what_breaks_every_document(talk: Talk, body: bytes) -> None:
    await talk.say(opened("a.py", "a"), opened("b.py", "b"), body, changed("a.py", edit((0, 0), (0, 0), "x")))
    assert gaps(talk) == [CaptureGap(1, GapReason.MESSAGE_MALFORMED, document) for document in (1, 2)]
    await talk.say(opened("a.py", "xa"))
    assert replay(talk.bodies) == {"a.py": "xa"}


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"42",
        b'"text"',
        b"null",
        b'{"method":5}',
        b'{"method":"overt/command","params":{"jsonrpc":{"jsonrpc":"2.0"}}}',
        b'{"jsonrpc":"2.0","id":{},"method":"overt/status"}',
        b'[{"jsonrpc":"2.0","method":"exit"}]',
    ],
)
async def test_json_that_is_no_message_is_a_gap_and_breaks_nothing(talk: Talk, body: bytes) -> None:
    await talk.say(opened("a.py", "a"), body, changed("a.py", edit((0, 1), (0, 1), "!")))
    assert gaps(talk) == [CaptureGap(1, GapReason.MESSAGE_MALFORMED)]
    assert replay(talk.bodies) == {"a.py": "a!"}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":"2.0","id":7,"result":null}',
        b'{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}',
        b'{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":9}}',
        b'{"jsonrpc":"2.0","method":"$/setTrace","params":{"value":"verbose"}}',
        b'{"jsonrpc":"2.0","method":"textDocument/willSave","params":{}}',
        b'{"jsonrpc":"2.0","method":"notebookDocument/didOpen","params":{}}',
        b'{"jsonrpc":"2.0","method":"overt/later"}',
    ],
)
async def test_messages_that_do_not_concern_us_pass_without_a_trace(talk: Talk, body: bytes) -> None:
    await talk.say(body)
    assert talk.bodies == []
    assert talk.heard() == []
    assert talk.session._rare is None


async def test_a_bad_message_without_any_document_is_still_not_silent(talk: Talk) -> None:
    await talk.say(cut(OPEN), b'{"method":"textDocument/didSave","params":{}}')
    assert gaps(talk) == [CaptureGap(1, GapReason.MESSAGE_MALFORMED)]
    await talk.say(closed("a.py"))
    assert gaps(talk) == [CaptureGap(1, GapReason.MESSAGE_MALFORMED)] * 2


async def test_a_bad_message_about_a_file_out_of_scope_leaves_nothing(talk: Talk) -> None:
    body = msgspec.json.encode({"jsonrpc": "2.0", **changed(".env", edit((0, 0), (0, 0), "lost"))})
    await talk.say(opened(".env", "x"), cut(body), wrong_type(body), closed(".env"))
    assert talk.bodies == []


async def test_a_length_ten_too_large_costs_nothing(talk: Talk) -> None:
    await talk.say(opened("a.py", "a"))
    body = msgspec.json.encode({"jsonrpc": "2.0", **changed("a.py", edit((0, 0), (0, 0), "b"))})
    await talk.raw(b"Content-Length: %d\r\n\r\n" % (len(body) + 10) + body)
    await talk.raw(frame(changed("a.py", edit((0, 0), (0, 0), "c"))))
    assert replay(talk.bodies) == {"a.py": "cba"}
    assert not gaps(talk)


async def test_a_length_too_small_costs_one_message(talk: Talk) -> None:
    await talk.say(opened("a.py", "a"), opened("b.py", "b"))
    await talk.raw(b"Content-Length: 120\r\n\r\n" + CHANGE)
    await talk.say(changed("b.py", edit((0, 0), (0, 0), "c")))
    assert gaps(talk) == [CaptureGap(1, GapReason.MESSAGE_MALFORMED, 1)]
    assert replay(talk.bodies) == {"b.py": "cb"}


async def test_half_a_surrogate_pair_is_what_the_editor_will_write(talk: Talk) -> None:
    """A JavaScript string may hold one; the file gets U+FFFD, which is as long in UTF-16."""
    await talk.say(opened("a.py", "ab"))
    body = msgspec.json.encode({"jsonrpc": "2.0", **changed("a.py", edit((0, 1), (0, 1), "@"))})
    await talk.say(body.replace(b'"@"', b'"\\ud800 \\ud83d\\ude00"'), changed("a.py", edit((0, 5), (0, 5), "!")))
    assert replay(talk.bodies) == {"a.py": "a\ufffd 😀!b"}


async def test_whole_numbers_may_be_written_with_a_point(talk: Talk) -> None:
    await talk.say(opened("a.py", "ab"))
    body = msgspec.json.encode({"jsonrpc": "2.0", **changed("a.py", edit((0, 1), (0, 1), "!"))})
    await talk.say(body.replace(b'"character":1', b'"character":1.0'))
    assert replay(talk.bodies) == {"a.py": "a!b"}


@pytest.mark.parametrize("change", [{"range": None, "text": "new"}, {"text": "new", "rangeLength": None, "later": []}])
async def test_unknown_and_null_fields_are_no_trouble(talk: Talk, change: dict[str, Any]) -> None:
    await talk.say(opened("a.py", "old"), changed("a.py", change, version=None))
    assert replay(talk.bodies) == {"a.py": "new"}


# --- everything else is pygls's


async def test_unknown_requests_are_answered_by_pygls(talk: Talk) -> None:
    assert (await talk.ask("textDocument/hover", textDocument={"uri": "x"}, position={}))["error"]["code"] == -32602
    assert (await talk.ask("foo/bar"))["error"]["code"] == -32601
    assert (await talk.ask("foo/bar", jsonrpc="x", _y=1, **{"from": 2}))["error"]["code"] == -32601
    assert talk.session._rare is not None
    folders = {"event": {"added": [{"uri": "file:///x", "name": "x"}], "removed": []}}
    await talk.say(note("workspace/didChangeWorkspaceFolders", **folders), note("workspace/nobodyKnows"))
    await talk.say({"id": "abc", "result": None}, note("workspace/didChangeWorkspaceFolders", event=3))
    assert talk.heard() == []
    assert (await talk.ask("shutdown"))["result"] is None


async def test_pygls_is_not_loaded_for_a_usual_session(talk: Talk) -> None:
    await talk.say(opened("a.py", "a"), changed("a.py", edit((0, 0), (0, 0), "b")), saved("a.py", "ba"), closed("a.py"))
    await talk.ask("overt/status")
    assert talk.session._rare is None


def test_every_own_notification_and_request_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "PROTOCOL-LSP.md").read_text(encoding="utf-8")
    from lsp_collector.session import _NOTIFICATIONS, _REQUESTS

    for method in (*_NOTIFICATIONS, *_REQUESTS, "overt/statusChanged"):
        assert f"`{method}`" in text, method
    for kind, _ in _NOTIFICATIONS.values():
        for field in msgspec.structs.fields(kind):
            assert f"`{field.encode_name}" in text, field.encode_name
    for reason in GapReason:
        if reason not in {
            GapReason.STORE_UNWRITABLE,
            GapReason.FILTER_FAILED,
            GapReason.FORGOTTEN,
            GapReason.CRASHED,
            GapReason.QUEUE_FULL,
        }:
            assert f"`{reason.value}`" in text
    assert str(messages.MAX_COMMAND_CHARS) in text


@pytest.mark.parametrize(
    "body",
    [
        b'{"jsonrpc":"2.0","id":1e400,"method":"textDocument/hover","params":{}}',
        b'{"jsonrpc":"2.0","id":7,"method":"vendor/ask","params":{"text":"\\ud800"}}',
        b'{"jsonrpc":"2.0","id":7,"method":"vendor/ask","params":{"number":1e400}}',
        b'{"jsonrpc":"2.0","method":"vendor/tell","params":{"text":"\\ud800","jsonrpc":1}}',
        b'{"jsonrpc":"2.0","id":null,"method":"vendor/ask"}',
        b'{"jsonrpc":"2.0","id":"\\ud800","result":[]}',
    ],
)
@pytest.mark.parametrize("params", [None, {}, {"capabilities": 5, "text": "\ud800"}])
async def test_odd_messages_for_pygls_leave_capture_on(params: Any, body: bytes) -> None:
    talk = Talk()
    hello = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
    await talk.raw(b"Content-Length: %d\r\n\r\n%b" % (len(hello), hello))
    await talk.say(opened("a.py", "x"))
    await talk.raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
    answers = [each["error"]["code"] for each in talk.heard() if each.get("id") == 7]
    assert answers == ([-32601] if b'"id":7' in body else [])
    await talk.say(changed("a.py", edit((0, 1), (0, 1), "y")))
    assert replay(talk.bodies) == {"a.py": "xy"}
    status = await talk.ask("overt/status")
    assert status["result"]["state"] == "capturing"
