"""The collector as a process of its own: how it starts, what it survives, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import psutil
import pytest

from event_model.events import CaptureGap, DocumentClose, DocumentOpen, GapReason
from tests.lsp_collector.lsp_recorder import read_record, replay
from tests.lsp_collector.lsp_wire import (
    SERVER,
    ServerProcess,
    changed,
    child_environment,
    edit,
    frame,
    note,
    opened,
    renamed,
    uri,
)

pytestmark = pytest.mark.system

MEBIBYTE = 1 << 20


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record"


def server(record: Path) -> ServerProcess:
    return ServerProcess(Path("/proj"), record)


def test_a_session_from_start_to_end(record: Path) -> None:
    with server(record) as editor:
        result = editor.start()
        assert result["capabilities"]["positionEncoding"] == "utf-16"
        editor.send(opened("a.py", "😀\n"), changed("a.py", edit((0, 2), (0, 2), "x")))
        editor.send(renamed("a.py", "b.py"), changed("b.py", edit((0, 3), (0, 3), "y")))
        assert editor.ask("overt/why", uri=uri("b.py"))["result"]["captured"] is True
        assert editor.ask("no/such")["error"]["code"] == -32601
        assert editor.end() == 0
    assert replay(read_record(record))["b.py"] == "😀xy\n"


def test_everything_is_on_disk_when_shutdown_is_answered(record: Path) -> None:
    """Some editors kill right after the answer."""
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.py", ""), *[changed("a.py", edit((0, 0), (0, 0), "x")) for _ in range(2000)])
        editor.ask("shutdown")
        editor.process.kill()
    assert replay(read_record(record)) == {"a.py": "x" * 2000}


@pytest.mark.parametrize("how", ["eof", "SIGTERM", "SIGHUP", "SIGINT", "exit"])
def test_however_the_editor_ends_it_nothing_is_lost(record: Path, how: str) -> None:
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.py", ""), *[changed("a.py", edit((0, 0), (0, 0), "x")) for _ in range(300)])
        if how == "eof":
            assert editor.process.stdin is not None
            editor.process.stdin.close()
        elif how == "exit":
            editor.send({"method": "exit"})
        else:
            # The server may be in the middle of any of these: what was written is taken first.
            editor.process.send_signal(getattr(signal, how))
        assert editor.process.wait(30) == (1 if how == "exit" else 0)
        assert editor.process.stderr is not None
        assert editor.process.stderr.read() == b""
    bodies = read_record(record)
    assert replay(bodies) == {"a.py": "x" * 300}
    assert bodies[-1] == DocumentClose(1)


def test_what_the_editor_wrote_before_the_signal_is_taken(record: Path, tmp_path: Path) -> None:
    """The gate is still being opened when the signal comes, and everything waits in the pipe."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    arguments = [sys.executable, str(SERVER), "/proj", str(record), str(fifo)]
    with ServerProcess(Path("/proj"), record, arguments=arguments) as editor:
        editor.start()
        editor.send(opened("a.py", "x"), changed("a.py", edit((0, 1), (0, 1), "y")))
        editor.process.send_signal(signal.SIGTERM)
        fifo.write_bytes(b"go")
        assert editor.process.wait(30) == 0
    assert replay(read_record(record)) == {"a.py": "xy"}


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="process descriptors are Linux's")
def test_the_death_of_the_parent_ends_it_though_input_stays_open(record: Path) -> None:
    """The write end of standard input is held here; the process between is what dies."""
    between = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    arguments = [sys.executable, "-c", between, sys.executable, str(SERVER), "/proj", str(record)]
    with ServerProcess(Path("/proj"), record, arguments=arguments) as editor:
        editor.start()
        editor.send(opened("a.py", "alive"))
        editor.ask("overt/status")
        (child,) = psutil.Process(editor.process.pid).children()
        editor.process.kill()
        child.wait(30)
    assert replay(read_record(record)) == {"a.py": "alive"}


def test_an_editor_that_does_not_read_its_answers_is_no_reason_to_stop(record: Path) -> None:
    with server(record) as editor:
        editor.start()
        assert editor.process.stdout is not None
        editor.process.stdout.close()
        editor.send({"id": 50, "method": "overt/status"}, opened("a.py", "x"), {"id": 51, "method": "shutdown"})
        editor.send({"method": "exit"})
        assert editor.process.wait(30) == 0
    assert replay(read_record(record)) == {"a.py": "x"}


def test_an_editor_that_reads_late_gets_every_answer_and_holds_nothing_up(record: Path) -> None:
    """Some 900 kB of answers wait, where a pipe takes 64: what is typed meanwhile is on disk before they are read."""
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.py", ""))
        for number in range(2000):
            editor.send({"id": 1000 + number, "method": "overt/status"}, changed("a.py", edit((0, 0), (0, 0), "x")))
        editor.send({"id": 9000, "method": "overt/flush"})
        while not record.exists() or len(read_record(record)) < 2001:
            assert editor.process.poll() is None
        assert [editor.read()["id"] for _ in range(2001)] == [*range(1000, 3000), 9000]
        assert editor.end() == 0


def test_input_may_be_a_plain_file(record: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    hello = {"id": 1, "method": "initialize", "params": {"capabilities": {}}}
    script.write_bytes(b"".join(map(frame, [hello, opened("a.py", "x"), {"id": 2, "method": "shutdown"}])))
    with script.open("rb") as source:
        done = subprocess.run(
            [sys.executable, str(SERVER), "/proj", str(record)],
            stdin=source,
            capture_output=True,
            env=child_environment(),
            check=True,
        )
    assert b'"id":2,"result":null' in done.stdout
    assert replay(read_record(record)) == {"a.py": "x"}


def test_a_stream_that_is_not_lsp_ends_it_with_a_sentence(record: Path) -> None:
    with server(record) as editor:
        with pytest.raises(BrokenPipeError):
            editor.write(b"not lsp " * (MEBIBYTE // 8) * 80)
        assert editor.process.wait(30) == 2
        assert editor.process.stderr is not None
        assert b"no frame" in editor.process.stderr.read()


def test_a_document_of_fifty_megabytes_is_a_gap_and_the_rest_goes_on(record: Path) -> None:
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.py", "a"), opened("large.txt", "a line of text, and another\n" * 1_900_000))
        editor.send(changed("large.txt", edit((0, 0), (0, 0), "x")), changed("a.py", edit((0, 1), (0, 1), "!")))
        editor.ask("overt/flush")
        assert psutil.Process(editor.process.pid).memory_info().rss < 100 * MEBIBYTE
        assert editor.end() == 0
    bodies = read_record(record)
    assert CaptureGap(1, GapReason.DOCUMENT_TOO_LARGE) in bodies
    assert replay(bodies) == {"a.py": "a!"}


def test_a_message_beyond_the_limit_is_skipped_without_being_held(record: Path) -> None:
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.py", "a"))
        head = msgspec.json.encode({"jsonrpc": "2.0", **opened("huge.txt", "@")})
        start, _, rest = head.partition(b"@")
        filler = b"x" * MEBIBYTE
        editor.write(b"Content-Length: %d\r\n\r\n" % (len(start) + 70 * MEBIBYTE + len(rest)) + start)
        for _ in range(70):
            editor.write(filler)
        editor.write(rest)
        editor.send(changed("huge.txt", edit((0, 0), (0, 0), "x")), changed("a.py", edit((0, 1), (0, 1), "!")))
        editor.ask("overt/flush")
        assert psutil.Process(editor.process.pid).memory_info().rss < 60 * MEBIBYTE
        assert editor.end() == 0
    bodies = read_record(record)
    assert [each for each in bodies if isinstance(each, CaptureGap)] == [CaptureGap(2, GapReason.MESSAGE_TOO_LARGE)]
    assert replay(bodies) == {"a.py": "a!"}


def test_a_line_of_a_megabyte_is_followed(record: Path) -> None:
    line = "x😀" * 350_000
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.js", line + "\n"))
        for at in (0, 300_002, 600_004):
            editor.send(changed("a.js", edit((0, at), (0, at), "ok")))
        editor.send(changed("a.js", edit((0, 2 * MEBIBYTE), (0, 2 * MEBIBYTE), "end")))
        assert editor.end() == 0
    text = replay(read_record(record))["a.js"]
    assert (text.count("ok"), len(text)) == (3, len(line) + 10)
    assert text.endswith("end\n")


def test_two_windows_are_two_sessions(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    with server(one) as left, server(two) as right:
        left.start()
        right.start()
        left.send(opened("a.py", "left"))
        right.send(opened("a.py", "right"), changed("a.py", edit((0, 0), (0, 0), "w")))
        left.send(changed("a.py", edit((0, 0), (0, 4), "!")))
        assert (left.end(), right.end()) == (0, 0)
    assert replay(read_record(one)) == {"a.py": "!"}
    assert replay(read_record(two)) == {"a.py": "wright"}


def test_several_roots_are_one_session(record: Path) -> None:
    with ServerProcess(Path("/"), record) as editor:
        folders = [{"uri": "file:///one", "name": "one"}, {"uri": "file:///two", "name": "two"}]
        editor.start(workspaceFolders=folders)
        editor.send(opened("", "1", at="file:///one/a.py"), opened("", "2", at="file:///two/a.py"))
        added = {"added": [{"uri": "file:///three", "name": "three"}], "removed": [folders[0]]}
        editor.send(note("workspace/didChangeWorkspaceFolders", event=added))
        editor.send(opened("", "3", at="file:///three/a%20b.py"))
        assert editor.end() == 0
    assert replay(read_record(record)) == {"one/a.py": "1", "two/a.py": "2", "three/a b.py": "3"}


def test_a_fast_sender_can_not_fill_the_memory(record: Path) -> None:
    with server(record) as editor:
        editor.start()
        editor.send(opened("a.py", ""))
        many = b"".join(frame(changed("a.py", edit((0, 0), (0, 1), "x"))) for _ in range(2000))
        for _ in range(10):
            editor.write(many)
        assert editor.end() == 0
    bodies = read_record(record)
    assert len(bodies) == 20_002
    assert isinstance(bodies[0], DocumentOpen)


def test_help_names_the_options() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lsp_collector", "--help"], capture_output=True, env=child_environment(), check=True
    )
    assert b"--home" in done.stdout
