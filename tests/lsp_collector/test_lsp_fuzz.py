"""Whatever a client sends, the session goes on, and what is recorded is exact or is said to be broken."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from event_model.events import CaptureGap
from lsp_collector.shut_door import ShutDoor
from tests.lsp_collector.lsp_recorder import replay
from tests.lsp_collector.lsp_wire import Talk, changed, closed, edit, frame, note, opened, renamed, saved, uri

NAMES = ["a.py", "b.py", ".env", "sub/c.py"]
TEXTS = ["", "x", "x😀\ny", "é\r\n漢", "\n\n"]

_name = st.sampled_from(NAMES)
_text = st.sampled_from(TEXTS)
_place = st.tuples(st.integers(-1, 4), st.integers(-1, 4))
_change = st.one_of(st.builds(edit, _place, _place, _text), st.builds(lambda text: {"text": text}, _text))
_json = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | _text, st.lists, max_leaves=4)


def selection(name: str, anchor: tuple[int, int]) -> dict[str, Any]:
    spot = {"line": anchor[0], "character": anchor[1]}
    return note("overt/selection", uri=uri(name), anchor=spot, active=spot)


_message = st.one_of(
    st.builds(opened, _name, _text),
    st.builds(lambda name, changes: changed(name, *changes), _name, st.lists(_change, max_size=3)),
    st.builds(saved, _name, st.none() | _text),
    st.builds(closed, _name),
    st.builds(renamed, _name, _name),
    st.builds(selection, _name, _place),
    st.builds(lambda value: note("overt/viewport", uri=value, firstLine=value, lastLine=0), _json),
    st.builds(lambda method: {"id": 1, "method": method}, st.sampled_from(["overt/pause", "overt/resume"])),
)


@given(messages=st.lists(_message, max_size=20))
@settings(max_examples=100, deadline=None)
async def test_any_order_of_messages_replays(messages: list[dict[str, Any]]) -> None:
    talk = Talk()
    await talk.start()
    await talk.say(*messages)
    await check(talk)


@given(
    messages=st.lists(_message, min_size=1, max_size=10),
    spoils=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=4),
    cut=st.integers(1, 400),
)
@example(messages=[opened("a.py", "x")], spoils=[(16, 0, b"9999999")], cut=7)
@settings(max_examples=150, deadline=None)
async def test_any_damage_to_the_stream_is_survived(
    messages: list[dict[str, Any]], spoils: list[tuple[int, int, bytes]], cut: int
) -> None:
    """Bytes are put in, taken out and replaced at random; then the client goes on as if nothing had been."""
    data = bytearray(b"".join(map(frame, messages)))
    for place, taken, given_ in spoils:
        at = place % len(data)
        data[at : at + taken] = given_
        data = data or bytearray(b"x")
    talk = Talk()
    await talk.start()
    for at in range(0, len(data), cut):
        await talk.raw(bytes(data[at : at + cut]))
        if talk.session.finished:
            return
    # At most one message pays for a length that was damaged last.
    await talk.say(note("$/nothing"), {"id": 2, "method": "overt/resume"})
    await check(talk)


async def check(talk: Talk) -> None:
    """The session lives, the record replays, and a document that is opened now is followed to the character."""
    talk.heard()
    if talk.recorder._paused:
        await talk.say({"id": 3, "method": "overt/resume"})
    await talk.say(opened("z.py", "one"), changed("z.py", edit((0, 3), (0, 3), "!")), saved("a.py", "whole"))
    assert not isinstance(talk.session._door, ShutDoor)
    found = replay(talk.bodies)
    assert (found["z.py"], found["a.py"]) == ("one!", "whole")
    assert ".env" not in found
    broken = [each for each in talk.bodies if isinstance(each, CaptureGap) and each.document is not None]
    assert len({each.document for each in broken}) == len(broken)
