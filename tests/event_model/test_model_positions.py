"""Positions, checked against documents that are plain strings."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_model import positions
from event_model.errors import PositionError
from event_model.positions import LineBuffer, PositionEncoding

UTF8, UTF16, UTF32 = PositionEncoding.UTF8, PositionEncoding.UTF16, PositionEncoding.UTF32
PIECES = ["a", "bc", "\n", "\r", "\r\n", "é", "€", "😀", "\u2028", "\x85", ""]
texts = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
edits = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans(), texts), max_size=12)


def model_lines(text: str) -> list[tuple[int, str]]:
    """Offset and content of every line, by the rule of the specification, written another way than the code."""
    lines, start = [], 0
    for match in re.finditer(r"\r\n|\r|\n", text):
        lines.append((start, text[start : match.start()]))
        start = match.end()
    return [*lines, (start, text[start:])]


def units(text: str, encoding: PositionEncoding) -> int:
    return (
        len(text.encode({UTF8: "utf-8", UTF16: "utf-16-le", UTF32: "utf-32-le"}[encoding]))
        // {
            UTF8: 1,
            UTF16: 2,
            UTF32: 4,
        }[encoding]
    )


def model_place(text: str, offset: int, encoding: PositionEncoding) -> tuple[int, int]:
    """The line and character at which an editor would name an offset."""
    lines = model_lines(text)
    line = max(number for number, (start, _) in enumerate(lines) if start <= offset)
    start, content = lines[line]
    return line, units(content[: offset - start], encoding)


def clamp(text: str, offset: int) -> int:
    """An offset inside "\\r\\n" can't be named; the place before it can."""
    return offset - 1 if 0 < offset < len(text) and text[offset - 1 : offset + 1] == "\r\n" else offset


@pytest.fixture(params=[1, 3, 128], autouse=True, scope="module")
def block_lines(request: pytest.FixtureRequest):
    """Small blocks bring every edit over a block's edge."""
    patch = pytest.MonkeyPatch()
    patch.setattr(positions, "_BLOCK_LINES", request.param)
    patch.setattr(positions, "_MAX_BLOCK_LINES", 2 * request.param)
    yield
    patch.undo()


@settings(max_examples=60)
@given(texts, edits)
def test_replace_agrees_with_plain_string(text: str, steps: list[tuple[float, float, bool, str]]) -> None:
    buffer = LineBuffer(text)
    for where, share, short, inserted in steps:
        position = int(where * len(text))
        deleted = int(share * (len(text) - position))
        deleted = min(deleted, 1) if short else deleted
        assert buffer.slice(position, deleted) == text[position : position + deleted]
        buffer.replace(position, deleted, inserted)
        text = text[:position] + inserted + text[position + deleted :]
        assert buffer.text() == text
        assert len(buffer) == len(text)
        assert buffer.line_count == len(model_lines(text))


@settings(max_examples=60)
@given(texts, edits, st.sampled_from(PositionEncoding))
def test_apply_agrees_with_plain_string(
    text: str, steps: list[tuple[float, float, bool, str]], encoding: PositionEncoding
) -> None:
    buffer = LineBuffer(text)
    for where, share, short, inserted in steps:
        start = clamp(text, int(where * len(text)))
        end = start + int(share * (len(text) - start))
        end = clamp(text, min(end, start + 1) if short else end)
        place = (*model_place(text, start, encoding), *model_place(text, end, encoding))
        assert buffer.apply(*place, inserted, encoding) == (start, end - start)
        text = text[:start] + inserted + text[end:]
        assert buffer.text() == text
        assert buffer.line_count == len(model_lines(text))


@settings(max_examples=60)
@given(texts, st.integers(-1, 30), st.integers(-1, 12), st.sampled_from(PositionEncoding))
def test_offset_agrees_with_plain_string(text: str, line: int, character: int, encoding: PositionEncoding) -> None:
    lines = model_lines(text)
    wanted: int | None = None
    if 0 <= line < len(lines) and character >= 0:
        start, content = lines[line]
        ends = [units(content[:length], encoding) for length in range(len(content) + 1)]
        if character > ends[-1]:
            wanted = start + len(content)
        elif character in ends:
            wanted = start + ends.index(character)
    buffer = LineBuffer(text)
    if wanted is None:
        with pytest.raises(PositionError):
            buffer.offset(line, character, encoding)
    else:
        assert buffer.offset(line, character, encoding) == wanted


@pytest.mark.parametrize(
    ("text", "encoding", "character"),
    [("a😀b", UTF16, 2), ("a😀b", UTF8, 2), ("a😀b", UTF8, 4), ("é", UTF8, 1), ("€€", UTF8, 4)],
)
def test_offset_inside_a_character_is_refused(text: str, encoding: PositionEncoding, character: int) -> None:
    with pytest.raises(PositionError):
        LineBuffer(text).offset(0, character, encoding)


@pytest.mark.parametrize(
    ("text", "line", "character", "offset"),
    [
        ("ab\r\ncd", 0, 99, 2),
        ("ab\rcd", 0, 99, 2),
        ("ab\ncd", 0, 3, 2),
        ("ab\n", 1, 0, 3),
        ("ab\n", 1, 7, 3),
        ("", 0, 0, 0),
        ("a\n\rb", 1, 0, 2),
        ("a\u2028b\x85c", 0, 5, 5),
    ],
)
def test_offset_past_the_end_stays_before_the_terminator(text: str, line: int, character: int, offset: int) -> None:
    for encoding in PositionEncoding:
        if text.isascii() or encoding is not UTF8:
            assert LineBuffer(text).offset(line, character, encoding) == offset


@pytest.mark.parametrize(("line", "character"), [(2, 0), (-1, 0), (0, -1), (10**9, 0)])
def test_offset_outside_the_document_is_refused(line: int, character: int) -> None:
    with pytest.raises(PositionError, match=r"."):
        LineBuffer("ab\ncd").offset(line, character, UTF16)


@pytest.mark.parametrize(("position", "deleted"), [(-1, 0), (6, 0), (5, 1), (0, 6), (0, -1)])
def test_replace_and_slice_outside_the_document_are_refused(position: int, deleted: int) -> None:
    buffer = LineBuffer("ab\ncd")
    with pytest.raises(PositionError):
        buffer.replace(position, deleted, "x")
    with pytest.raises(PositionError):
        buffer.slice(position, deleted)
    assert buffer.text() == "ab\ncd"


@pytest.mark.parametrize("place", [(0, 2, 0, 1), (1, 0, 0, 0), (1, 0, 0, 99), (0, 0, 5, 0), (5, 0, 5, 0)])
def test_apply_of_an_impossible_range_changes_nothing(place: tuple[int, int, int, int]) -> None:
    buffer = LineBuffer("ab\ncd")
    with pytest.raises(PositionError):
        buffer.apply(*place, "x", UTF32)
    assert buffer.text() == "ab\ncd"


@pytest.mark.parametrize(
    ("text", "position", "deleted", "inserted", "lines"),
    [
        ("a\rb\n", 2, 1, "", 2),  # the line between "\r" and "\n" goes: they become one terminator
        ("a\rb", 2, 0, "\n", 2),
        ("a\nb", 1, 0, "\r", 2),
        ("a\r\nb", 2, 0, "x", 3),
        ("a\r\nb", 1, 1, "", 2),
        ("a\r\nb", 2, 1, "", 2),
        ("a\r\nb", 1, 2, "", 1),
        ("\n\n", 0, 0, "\r", 3),
        ("\r\r", 2, 0, "\n", 3),
    ],
)
def test_terminators_join_and_part(text: str, position: int, deleted: int, inserted: str, lines: int) -> None:
    buffer = LineBuffer(text)
    buffer.replace(position, deleted, inserted)
    assert buffer.text() == text[:position] + inserted + text[position + deleted :]
    assert buffer.line_count == lines


def test_many_lines_typed_and_deleted() -> None:
    buffer = LineBuffer()
    for number in range(1000):
        buffer.apply(number, 0, number, 0, f"{number}\n", UTF8)
    text = "".join(f"{number}\n" for number in range(1000))
    assert buffer.text() == text
    assert buffer.offset(999, 0, UTF8) == text.index("999\n")
    assert buffer.apply(10, 0, 990, 0, "", UTF8) == (20, len("".join(f"{number}\n" for number in range(10, 990))))
    assert buffer.line_count == 21
