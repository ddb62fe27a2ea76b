from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model.events import GapReason
from lsp_collector import reader as reader_module
from lsp_collector.reader import HEAD_BYTES, MAX_BODY_BYTES, Fault, FrameReader, FramingLost
from tests.lsp_collector.lsp_wire import frame

A = b'{"method":"a","params":{"text":"Content-Length: 5"}}'
B = b'{"method":"b"}'
C = b'{"method":"c"}'


def drain(reader: FrameReader, *, json: bool = True) -> list[bytes | Fault]:
    """Take every frame, giving back to the reader what is no JSON object, as the session does."""
    found: list[bytes | Fault] = []
    frame_ = reader.next()
    while frame_ is not None:
        if isinstance(frame_, bytes) and json and not (frame_.startswith(b"{") and frame_.endswith(b"}")):
            shorter = reader.reject(frame_)
            found.append(Fault(GapReason.MESSAGE_MALFORMED, frame_) if shorter is None else shorter)
        else:
            found.append(frame_)
        frame_ = reader.next()
    return found


def read(data: bytes) -> list[bytes | Fault]:
    reader = FrameReader()
    reader.feed(data)
    return drain(reader)


def bodies(found: list[bytes | Fault]) -> list[bytes]:
    return [each for each in found if isinstance(each, bytes)]


def reasons(found: list[bytes | Fault]) -> list[GapReason]:
    return [each.reason for each in found if isinstance(each, Fault)]


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: %d\r\n\r\n",
        b"content-length: %d\r\n\r\n",
        b"CONTENT-LENGTH:%d\r\n\r\n",
        b"Content-Length :\t%d \r\n\r\n",
        b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: %d\r\nContent-Type: application/vscode-jsonrpc\r\n\r\n",
        b"Content-Length: %d\n\n",
        b"\r\n\r\nContent-Length: %d\r\n\r\n",
        b"Content-Length: 00%d\r\n\r\n",
    ],
)
def test_reader_accepts_every_spelling_of_the_header(header: bytes) -> None:
    assert read(header % len(A) + A + frame(B)) == [A, B]


@pytest.mark.parametrize("more", range(1, 21))
def test_reader_recovers_wherever_the_next_header_is_cut(more: int) -> None:
    data = b"Content-Length: %d\r\n\r\n" % (len(A) + more) + A + frame(B) + frame(C)
    assert bodies(read(data)) == [A, B, C]


@pytest.mark.parametrize("cut", range(1, 90, 7))
def test_reader_gives_the_same_frames_however_the_bytes_arrive(cut: int) -> None:
    data = frame(A) + frame(B) + frame(C)
    reader, found = FrameReader(), []
    for at in range(0, len(data), cut):
        reader.feed(data[at : at + cut])
        found += drain(reader)
    assert found == [A, B, C]


def test_reader_recovers_both_messages_when_the_length_is_too_large() -> None:
    """Ten too many: the start of the next header was taken along, and is given back."""
    assert read(b"Content-Length: %d\r\n\r\n" % (len(A) + 10) + A + frame(B) + frame(C)) == [A, B, C]


def test_reader_recovers_when_the_length_is_far_too_large() -> None:
    """The reader does not wait for bytes that will never come: a header inside a body ends the body."""
    assert read(b"Content-Length: 5000000\r\n\r\n" + A + frame(B) + frame(C)) == [A, B, C]


def test_reader_sees_an_inner_header_that_arrives_in_pieces() -> None:
    reader, found = FrameReader(), []
    for byte in b"Content-Length: 5000\r\n\r\n" + A + frame(B):
        reader.feed(bytes([byte]))
        found += drain(reader)
    assert found == [A, B]


def test_reader_loses_one_message_when_its_length_is_too_small() -> None:
    found = read(frame(C) + b"Content-Length: 20\r\n\r\n" + A + frame(B))
    assert bodies(found) == [C, B]
    assert reasons(found) == [GapReason.MESSAGE_MALFORMED]


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: 1000000000000\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Content-Length: " + b"9" * 3000 + b"\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: 0x20\r\n\r\n",
        b"Content-Length: five\r\n\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Content-Length:\r\n\r\n",
        b"Content-Type: text/plain\r\n\r\n",
        b"no header at all\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
        b"\xff\xfe\x00",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_reader_goes_on_after_a_bad_header(header: bytes) -> None:
    found = read(frame(C) + header + A + frame(B))
    assert bodies(found)[0] == C
    assert bodies(found)[-1] == B
    assert set(reasons(found)) <= {GapReason.MESSAGE_MALFORMED}
    assert reasons(found)


def test_reader_gives_up_a_header_that_does_not_end() -> None:
    found = read(b"X-Long: " + b"y" * 5000 + frame(B))
    assert bodies(found) == [B]


def test_reader_skips_a_body_that_is_too_large_and_shows_its_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MAX_BODY_BYTES", 10_000)
    large = b'{"method":"textDocument/didOpen","params":"' + b"x" * 20_000 + b'"}'
    reader, found = FrameReader(), []
    data = frame(A) + frame(large) + frame(B)
    for at in range(0, len(data), 1000):
        reader.feed(data[at : at + 1000])
        found += drain(reader)
    assert bodies(found) == [A, B]
    (fault,) = [each for each in found if isinstance(each, Fault)]
    assert fault == Fault(GapReason.MESSAGE_TOO_LARGE, large[:HEAD_BYTES])


def test_reader_is_not_swallowed_by_a_large_length_that_lies() -> None:
    found = read(b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1) + b"z" * 5000 + frame(A) + frame(B))
    assert bodies(found) == [A, B]
    assert reasons(found) == [GapReason.MESSAGE_TOO_LARGE]


def test_reader_holds_no_more_than_it_must() -> None:
    """A body that is skipped is not kept."""
    reader = FrameReader()
    reader.feed(b"Content-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1))
    for _ in range(100):
        reader.feed(b"z" * 100_000)
        drain(reader)
    assert len(reader._buffer) < 300_000


def test_reader_ends_when_the_stream_is_not_lsp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MAX_GARBAGE_BYTES", 50_000)
    reader = FrameReader()
    for _ in range(6):
        reader.feed(b"garbage " * 1000)
        drain(reader)
    reader.feed(b"garbage " * 1000)
    with pytest.raises(FramingLost):
        drain(reader)


_bodies = st.lists(st.sampled_from([A, B, C]), min_size=1, max_size=6)


@given(first=_bodies, last=_bodies, noise=st.binary(max_size=80), cuts=st.lists(st.integers(1, 60), min_size=1))
@settings(max_examples=150, deadline=None)
def test_reader_always_finds_back_after_noise(
    first: list[bytes], last: list[bytes], noise: bytes, cuts: list[int]
) -> None:
    """Whatever stands between, what came before is exact, and the stream ends in step with the client."""
    data = b"".join(map(frame, first)) + noise + b"".join(map(frame, last))
    reader, found, at, turn = FrameReader(), [], 0, 0
    while at < len(data):
        step = cuts[turn % len(cuts)]
        reader.feed(data[at : at + step])
        found += drain(reader)
        at, turn = at + step, turn + 1
    good = bodies(found)
    assert good[: len(first)] == first
    assert good[len(good) - len(last) + 1 :] == last[1:]
