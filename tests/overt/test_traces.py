"""Odd traces by the real processes: whatever an editor may announce comes out of the dataset to the character."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.replay import compare, prepare, read_back
from dataset_builder.views import View, write_view
from event_model.errors import FormatError
from overt.demo.house import House
from overt.demo.trace import Trace, Transaction, read_trace

SIGNS = (
    "a",
    "b",
    " ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\n\r",
    "é",
    "e\u0301",
    "日本",
    "😀",
    "👩‍👩‍👧",
    "\u2028",
    "\x85",
    "\x0b",
    "\ufeff",
    "\U000e0041",
)
"""What is one, two or more units in UTF-16, and what some take for the end of a line and others do not."""

Patch = tuple[int, int, str]


def _patch(source: random.Random, text: str) -> Patch:
    """Any patch of a text: also of nothing, of a text by itself, and of half a CR LF."""
    position = source.randrange(len(text) + 1)
    deleted = source.choice((0, 0, 0, 1, 2, source.randrange(len(text) - position + 1)))
    deleted = min(deleted, len(text) - position)
    match source.randrange(8):
        case 0:
            return position, 0, ""
        case 1:
            return position, deleted, text[position : position + deleted]
        case 2:
            return position, deleted, ""
        case 3 if "\r\n" in text:
            return text.index("\r\n") + 1, source.randrange(2), source.choice(("", "x", "\n"))
        case _:
            return position, deleted, "".join(source.choices(SIGNS, k=source.randrange(1, 6)))


def _applied(text: str, patch: Patch) -> str:
    position, deleted, inserted = patch
    return text[:position] + inserted + text[position + deleted :]


def _trace(start: str, patches: Iterator[list[Patch]] | list[list[Patch]]) -> Trace:
    txns = tuple(Transaction(tuple(each)) for each in patches)
    text = start
    for transaction in txns:
        for patch in transaction.patches:
            text = _applied(text, patch)
    return Trace(start, text, txns)


def _random_trace(source: random.Random) -> Trace:
    """Transactions of any number of patches, none included, each patch on the text that the one before left."""
    start = text = "".join(source.choices(SIGNS, k=source.randrange(40)))
    txns: list[list[Patch]] = []
    for _ in range(150):
        patches: list[Patch] = []
        for _ in range(source.choice((0, 1, 1, 1, 2, 5))):
            patches.append(_patch(source, text))
            text = _applied(text, patches[-1])
        txns.append(patches)
    return _trace(start, txns)


LINE = "word " * 20 + "\n"
PASTED = LINE * 6_000
"""Some 600,000 code points at once."""

NAMED = {
    "nothing": _trace("", []),
    "nothing-done": _trace("abc\n", [[], [(0, 0, "")], [(3, 0, ""), (4, 0, "")], []]),
    "pasted": _trace("", [[(0, 0, PASTED)], [(300_000, 100_000, PASTED[:50_000])], [(0, len(PASTED) - 50_000, "")]]),
    "itself": _trace("a😀\r\nb", [[(1, 3, "😀\r\n")], [(0, 5, "a😀\r\nb")]]),
    "halves": _trace("a\r\nb", [[(2, 0, "x")], [(2, 1, "")], [(1, 1, "")], [(1, 1, "\r\n")], [(2, 1, "\r")]]),
}


@pytest.mark.system
@pytest.mark.xdist_group("system")
async def test_odd_traces_come_out_of_the_dataset_to_the_character(tmp_path: Path) -> None:
    traces = {**NAMED, **{f"random-{seed}": _random_trace(random.Random(seed)) for seed in range(25)}}
    house = House(tmp_path)
    await house.found_study()
    await house.join()
    editor = await house.start_editor()
    try:
        for name, trace in traces.items():
            messages, uri, path = prepare(house, name, trace)
            editor.open(path, "plaintext", trace.startContent)
            await editor.send(messages)
            editor.close(uri)
        assert await editor.stop() == 0
        await house.start_receiver()
        await house.sync()
        report = await house.build()
    finally:
        await house.close()
    assert report["counts"]["events_missing"] == 0
    rows = read_back(house.dataset)
    found: dict[str, Any] = {name: compare(trace, rows[f"{name}.txt"]) for name, trace in traces.items()}
    assert found == {name: {"exact": True, "masked_spans": 0, "events_lost": 0} for name in traces}
    for view in (View.EDITING_TRACES, View.CROWD_CODE, View.PROGSNAP2, View.CHAT):
        write_view(house.dataset, view, tmp_path / view.value)
    shown = [read_trace(path) for path in (tmp_path / "editing-traces").rglob("*.json")]
    wanted = [(each.startContent, each.endContent, each.edits) for each in traces.values()]
    assert sorted((each.startContent, each.endContent, each.edits) for each in shown) == sorted(wanted)
    for each in shown:
        assert _trace(each.startContent, [list(txn.patches) for txn in each.txns]).endContent == each.endContent


def _write(path: Path, **changes: Any) -> Path:
    trace = {"startContent": "", "endContent": "ab", "txns": [{"patches": [[0, 0, "a"]]}, {"patches": [[1, 0, "b"]]}]}
    path.write_bytes(gzip.compress(json.dumps({**trace, **changes}).encode()))
    return path


def test_a_trace_of_several_agents_in_one_order_is_read(tmp_path: Path) -> None:
    txns = [
        {"agent": 0, "parents": [], "patches": [[0, 0, "a"]]},
        {"agent": 1, "parents": [0], "patches": [[1, 0, "b"]]},
    ]
    assert read_trace(_write(tmp_path / "t.json.gz", kind="concurrent", numAgents=2, txns=txns)).edits == 2
    txns[1]["parents"] = []
    with pytest.raises(FormatError) as caught:
        read_trace(_write(tmp_path / "t.json.gz", txns=txns))
    assert caught.value.code == "trace-concurrent"


@pytest.mark.parametrize(
    "patch", [[0, 1, ""], [1, 0, ""], [-1, 0, "x"], [0, -1, "x"], [0, 0], ["0", 0, ""], [0, 0, None]]
)
def test_a_trace_that_edits_what_is_not_there_is_refused(tmp_path: Path, patch: list[Any]) -> None:
    with pytest.raises(FormatError) as caught:
        read_trace(_write(tmp_path / "t.json.gz", txns=[{"patches": [patch]}]))
    assert caught.value.code == "trace-malformed"
    assert "transaction 0" in caught.value.message or "Expected" in caught.value.message


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", gzip.compress(b"{}", mtime=0)[:-9], gzip.compress(b'"\\ud800"', mtime=0)]
)
def test_what_is_no_trace_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.json.gz").write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_trace(tmp_path / "t.json.gz")
    assert caught.value.code == "trace-malformed"
