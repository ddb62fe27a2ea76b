"""The collector with the real gate, ledger, filter and store, as a process."""

from __future__ import annotations

import os
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from event_model.events import CaptureGap, CaptureStart, DocumentClose, DocumentEdit, DocumentOpen, GapReason
from local_store.tail import read_chunks
from lsp_collector.resting import WINDOW_S
from tests.lsp_collector.lsp_person import Participant
from tests.lsp_collector.lsp_recorder import replay
from tests.lsp_collector.lsp_wire import ServerProcess, changed, edit, note, opened, saved, uri

pytestmark = pytest.mark.system


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Participant:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    work = tmp_path / "work"
    work.mkdir()
    return Participant(tmp_path / "home", work)


def sidecar(person: Participant) -> ServerProcess:
    arguments = [sys.executable, "-m", "lsp_collector", "--home", str(person.home)]
    return ServerProcess(person.work, person.home, arguments=arguments)


def at(person: Participant, name: str) -> str:
    path = person.work / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return uri(name, person.work)


async def test_what_was_typed_is_in_the_store(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "x😀\n", at=name), changed("", edit((0, 3), (0, 3), "y"), at=name))
        status = editor.ask("overt/flush")["result"]
        assert status["state"] == "capturing"
        assert status["studies"][0]["durable"] == status["studies"][0]["offered"] == 3
        assert editor.end() == 0
    (bodies,) = await person.kept()
    assert isinstance(bodies[0], CaptureStart)
    assert bodies[0].position_encoding == "utf-16"
    assert replay(bodies) == {"a.py": "x😀y\n"}
    assert bodies[-1] == DocumentClose(1)


async def test_on_a_host_reached_over_a_network_nothing_is_captured(
    person: Participant, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.join()
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22")
    monkeypatch.setenv("OVERT_HOST", "")
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "secret\n", at=name), saved("", "secret\n", at=name))
        status = editor.ask("overt/flush")["result"]
        assert (status["state"], status["reasons"][0]["code"]) == ("off", "remote-host")
        assert editor.end() == 0
    assert not (person.home / "store").exists()


async def test_killed_at_any_moment_nothing_acknowledged_is_lost(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    for turn in range(2):
        with sidecar(person) as editor:
            editor.start()
            editor.send(opened("", "", at=name))
            editor.send(*[changed("", edit((0, 0), (0, 0), "x"), at=name) for _ in range(50 + turn)])
            editor.ask("overt/flush")
            editor.send(*[changed("", edit((0, 0), (0, 0), "y"), at=name) for _ in range(10)])
            editor.process.kill()
    with sidecar(person) as editor:
        editor.start()
        editor.end()
    counts = sorted(sum("x" in getattr(body, "inserted", "") for body in bodies) for bodies in await person.kept())
    assert counts[-2:] == [50, 51]


async def test_two_windows_write_at_the_same_time(person: Participant) -> None:
    person.join()
    one, two = at(person, "one.py"), at(person, "two.py")
    with sidecar(person) as left, sidecar(person) as right:
        left.start()
        right.start()
        left.send(opened("", "", at=one))
        right.send(opened("", "", at=two))
        for _ in range(200):
            left.send(changed("", edit((0, 0), (0, 0), "l"), at=one))
            right.send(changed("", edit((0, 0), (0, 0), "r"), at=two))
        assert (left.end(), right.end()) == (0, 0)
    found = {name: text for bodies in await person.kept() for name, text in replay(bodies).items()}
    assert found == {"one.py": "l" * 200, "two.py": "r" * 200}


def test_without_consent_nothing_is_created(person: Participant) -> None:
    before = sorted(path for path in person.home.rglob("*"))
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "secret", at=name), changed("", edit((0, 0), (0, 0), "x"), at=name))
        assert editor.ask("overt/flush")["result"]["state"] == "off"
        why = editor.ask("overt/why", uri=name)["result"]
        assert (why["captured"], why["refusals"][0]["code"]) == (False, "no-consent")
        assert editor.end() == 0
    assert sorted(path for path in person.home.rglob("*")) == before


async def test_denied_and_foreign_files_leave_no_trace(person: Participant, tmp_path: Path) -> None:
    person.join()
    outside = (tmp_path / "outside.py").as_uri()
    with sidecar(person) as editor:
        editor.start()
        for name, code in ((at(person, ".env"), "denied-path"), (outside, "out-of-scope"), ("untitled:1", "no-file")):
            editor.send(opened("", "TOKEN", at=name), changed("", edit((0, 0), (0, 0), "x"), at=name))
            editor.send(note("overt/focus", focused=True))
            why = editor.ask("overt/why", uri=name)["result"]
            assert [each["code"] for each in why["refusals"]] == [code]
        assert editor.end() == 0
    assert all(isinstance(body, CaptureStart) for bodies in await person.kept() for body in bodies)


async def test_pause_here_and_withdrawal_elsewhere(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start(initializationOptions={"overt": {"status": True}})
        editor.send(opened("", "one", at=name))
        assert editor.ask("overt/pause", minutes=5)["result"]["state"] == "paused"
        editor.send(changed("", edit((0, 0), (0, 0), "hidden"), at=name))
        assert editor.ask("overt/resume")["result"]["state"] == "capturing"
        editor.send(opened("", "two", at=name))
        assert editor.ask("overt/flush")["result"]["studies"][0]["documents"] == 1
        person.ledger.leave(person.ledger.grants(0)[0].study, now_ms=0, installation=None)
        editor.send(changed("", edit((0, 0), (0, 0), "hidden"), at=name))
        # A look at the consent is good for 25 ms while events stream in; what was offered meanwhile is never written.
        states = (editor.ask("overt/status")["result"]["state"] for _ in range(100_000))
        assert "off" in states
        assert editor.ask("overt/why", uri=name)["result"]["captured"] is False
        assert editor.end() == 0
    texts = [body.text for bodies in await person.kept() for body in bodies if isinstance(body, DocumentOpen)]
    assert "hidden" not in repr(await person.kept())
    assert texts in (["one", "two"], [])


async def test_faults_become_gaps_and_the_rest_is_exact(person: Participant) -> None:
    person.join()
    name, other = at(person, "a.py"), at(person, "b.py")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "a", at=name), opened("", "b", at=other), opened("", "MZ\x00", at=at(person, "c.bin")))
        editor.send(changed("", edit((9, 9), (9, 9), "x"), at=name), changed("", edit((0, 0), (0, 0), "x"), at=name))
        editor.send(changed("", edit((0, 0), (0, 0), "!"), at=other))
        editor.send(saved(os.fspath(person.work / "a.py"), "xa"))
        assert editor.end() == 0
    (bodies,) = await person.kept()
    assert [each.reason for each in bodies if isinstance(each, CaptureGap)] == [GapReason.POSITION_INVALID] * 2
    assert replay(bodies) == {"a.py": "xa", "b.py": "!b"}


async def test_why_names_what_is_wrong_with_a_text(person: Participant) -> None:
    person.join()
    with sidecar(person) as editor:
        editor.start()
        texts = {"a.bin": "MZ\x00", "huge.txt": "x" * 4_000_001, "long.js": "x" * 10_001, "big.txt": "word\n" * 200_001}
        for file, text in texts.items():
            editor.send(opened("", text, at=at(person, file)))
        editor.send(opened("", "a", at=at(person, "a.py")))
        editor.send(changed("", edit((9, 9), (9, 9), "x"), at=at(person, "a.py")))
        answers = {file: editor.ask("overt/why", uri=at(person, file))["result"] for file in (*texts, "a.py")}
        assert editor.end() == 0
    found = {file: (why["captured"], [each["code"] for each in why["refusals"]]) for file, why in answers.items()}
    assert found == {
        "a.bin": (False, ["document-binary"]),
        "huge.txt": (False, ["document-too-large"]),
        "long.js": (True, ["line-too-long"]),
        "big.txt": (True, ["document-large"]),
        "a.py": (False, ["position-invalid"]),
    }


@pytest.mark.parametrize("again", ["save", "open"])
async def test_a_file_that_became_a_link_elsewhere_is_let_go_of(
    person: Participant, tmp_path: Path, again: str
) -> None:
    """The editor reads and writes through the link: its text is another file's, which nobody asked for."""
    person.join()
    name = at(person, "a.py")
    other = tmp_path / "elsewhere.py"
    other.write_text("of another project\n", encoding="utf-8")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "ours\n", at=name))
        assert editor.ask("overt/why", uri=name)["result"]["captured"]
        (person.work / "a.py").unlink()
        (person.work / "a.py").symlink_to(other)
        text = "of another project\n"
        editor.send(saved("", text, at=name) if again == "save" else opened("", text, at=name))
        assert not editor.ask("overt/why", uri=name)["result"]["captured"]
        editor.end()
    (bodies,) = await person.kept()
    assert replay(bodies) == {"a.py": "ours\n"}
    assert "another" not in repr(bodies)
    assert bodies[-1] == DocumentClose(1)


def keys(name: str, text: str, began_ms: int, pace_ms: int) -> list[dict[str, object]]:
    """What a plugin says of keys that were pressed in a row."""
    said = []
    for at, letter in enumerate(text):
        change = changed("", edit((0, at), (0, at), letter), at=name)
        change["params"]["overt"] = {"origin": "typed", "confidence": 99, "at": began_ms + at * pace_ms}
        said.append(change)
    return said


async def test_keys_that_waited_in_the_pipe_keep_their_times(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start()
        editor.ask("overt/flush")
        opening, now_ms = opened("", "", at=name), time.time_ns() // 1_000_000
        opening["params"]["overt"] = {"at": now_ms - 500}
        editor.send(opening, *keys(name, "exact", now_ms - 400, 100))
        editor.ask("overt/flush")
        assert editor.end() == 0
    (events,) = await person.kept_events()
    typed = [each for each in events if isinstance(each.body, DocumentEdit)]
    assert [each.delta_ms for each in typed[1:]] == [100] * 4
    assert [later.wall_ms - earlier.wall_ms for earlier, later in pairwise(typed)] == [100] * 4


@pytest.mark.parametrize("how", ["end of input", "terminated", "shut down"])
async def test_what_still_waits_in_the_pipe_at_the_end_is_taken(person: Participant, how: str) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "", at=name))
        editor.ask("overt/flush")
        said = keys(name, "nothing of it is lost", time.time_ns() // 1_000_000 - 900, 40)
        editor.send(said[0])  # after this one the sidecar rests from reading
        editor.send(*said[1:])
        if how == "shut down":
            assert editor.end() == 0
        else:
            if how == "terminated":
                editor.process.terminate()
            assert editor.process.stdin is not None
            editor.process.stdin.close()
            editor.process.wait(30)
    (bodies,) = await person.kept()
    assert replay(bodies) == {"a.py": "nothing of it is lost"}


async def test_a_pause_ends_what_waits_to_be_read(person: Participant) -> None:
    """What is typed in a pause is not kept, also when it lies in the pipe as the pause begins."""
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        editor.start()
        editor.send(opened("", "", at=name))
        editor.ask("overt/flush")
        said = keys(name, "ab", time.time_ns() // 1_000_000 - 100, 50)
        editor.send(said[0])
        editor.ask("overt/flush")
        person.ledger.pause(None, time.time_ns() // 1_000_000)
        editor.send(said[1])
        assert editor.ask("overt/flush")["result"]["state"] == "paused"
        assert editor.end() == 0
    (bodies,) = await person.kept()
    assert replay(bodies) == {"a.py": "a"}


def chunks(person: Participant) -> list[int]:
    """How many events each write of the newest session holds that stands in its file."""
    tails = sorted((person.home / "store" / "pending").glob("*.tail"), key=lambda path: path.stat().st_mtime_ns)
    return [chunk.count for chunk in read_chunks(tails[-1])] if tails else []


def typed(person: Participant, editor: ServerProcess, name: str, **options: object) -> None:
    """Open a document and type until its session has a file, as it has from the second write on."""
    editor.start(**options)
    editor.send(opened("", "", at=name))
    for letter in "ab":
        editor.ask("overt/flush")
        editor.send(*keys(name, letter, time.time_ns() // 1_000_000, 0))
    editor.ask("overt/flush")
    assert chunks(person)


async def test_a_key_is_written_although_nobody_asks(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        typed(person, editor, name)
        for _ in range(2):  # the first is read as it comes, the second after a row has begun
            written = sum(chunks(person))
            editor.send(*keys(name, "x", time.time_ns() // 1_000_000, 0))
            deadline = time.monotonic() + 30
            while sum(chunks(person)) == written:
                assert time.monotonic() < deadline, "the key is not on disk"
        assert editor.end() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere keys are read as they come")
async def test_keys_in_a_row_share_a_wakeup_and_a_write(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        typed(person, editor, name)
        process = psutil.Process(editor.process.pid)
        written, woken = len(chunks(person)), process.num_ctx_switches().voluntary
        for _ in range(60):
            editor.send(*keys(name, "x", time.time_ns() // 1_000_000, 0))
            time.sleep(0.01)
        woken = process.num_ctx_switches().voluntary - woken
        assert woken < 40, "as many as there are keys would be 60; a row of some 25 takes two, and its write three more"
        editor.ask("overt/flush")
        assert 1 <= len(chunks(person)) - written <= 10
        assert editor.end() == 0
    (bodies,) = await person.kept()
    assert len(replay(bodies)["a.py"]) == 62


async def test_a_row_that_the_editor_held_back_is_written_at_once(person: Participant) -> None:
    person.join()
    name = at(person, "a.py")
    with sidecar(person) as editor:
        typed(person, editor, name, initializationOptions={"overt": {"status": True, "rows": True}})
        before, began = chunks(person), time.monotonic()
        for number in range(1, 21):
            editor.send(*keys(name, "xyz", time.time_ns() // 1_000_000, 120))
            while len(chunks(person)) < len(before) + number:
                assert time.monotonic() < began + 20 * WINDOW_S, "rows wait once more for others"
        assert chunks(person)[len(before) :] == [3] * 20
        assert editor.end() == 0
    (bodies,) = await person.kept()
    assert replay(bodies)["a.py"] == "xyz" * 20 + "ba"
