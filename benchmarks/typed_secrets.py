"""Plants secrets into a recorded session, sends it through the real gate, and looks for them in what was sealed.

    python -m benchmarks.typed_secrets TRACE.json.gz --cases CASES --plants N --seed S

The document of the trace is edited as it was recorded; in between, blocks of their own lines come into it, each with a
labelled case's secret, in one of the ways of ``redaction_plants``. Only cases are planted of which the detectors find
the secret when its text stands there finished: what they do not know is ``benchmarks.redaction``'s subject. Everything
goes through ``Door.offer`` to the journal, is masked and sealed, and read back from the store. A secret's character is
leaked when a sealed edit that brought it shows it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import json
import os
import random
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from benchmarks.redaction_cases import Case, read_cases
from benchmarks.redaction_plants import WAYS, Op
from capture_gate.door import Door
from capture_gate.status import ClientInfo
from consent_ledger.ledger import Ledger
from consent_ledger.manifest import sign_manifest
from consent_ledger.study_parts import WorkspaceRule
from consent_ledger.study_toml import manifest_from_toml, study_template
from event_model.clock import Clock, ManualClock
from event_model.events import FILLER, DocumentEdit, DocumentOpen, Event, Origin
from event_model.ids import DocumentId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key
from event_model.levels import Level
from event_model.positions import LineBuffer
from local_store.custody import open_custody
from local_store.store import Store
from overt.demo.trace import read_trace
from privacy_filter.detectors import SECRET, default_detector
from privacy_filter.redactor import Redactor

NOW_MS = 1_790_000_000_000
KEY_MS = 120
RUN_CHARS = 8
"""So many characters of a secret in a row are enough to look for the rest."""

MAX_CASE_CHARS = 600
EDITS_A_PLANT = 60
"""So much of the trace is played for each plant: the hold of 120 s ends for some while others are typed."""

FLUSH_EDITS = 500
SETTLE_MS = 120_000


class Block:
    """A planted block: where it stands in the trace's own positions, how long it is, what it has to do yet."""

    def __init__(self, anchor: int, way: str, case: Case, source: random.Random) -> None:
        assert case.start is not None
        assert case.end is not None
        self.anchor = anchor
        self.way = way
        self.secret = case.text[case.start : case.end]
        self.length = 0
        body = WAYS[way](case.text[: case.start], self.secret, case.text[case.end :], source)
        frame: list[Op | None] = [Op(0, 0, "\n\n")]
        self.todo = frame + [op and op._replace(position=op.position + 1) for op in body]
        self.shown: dict[int, bool] = {}


class Session:
    """One document in the gate, with the trace's text and the blocks in it."""

    def __init__(self, door: Door, document: DocumentId, clock: ManualClock) -> None:
        self.door = door
        self.document = document
        self.clock = clock
        self.blocks: list[Block] = []
        self.owners: list[tuple[Block, Op] | None] = []
        self.times: list[float] = []
        self.text = LineBuffer()
        self.bodies: list[DocumentEdit] = []

    def own(self, position: int, deleted: int, inserted: str) -> None:
        """Apply an edit of the trace, around the blocks that stand in it."""
        inside = sorted((b.anchor for b in self.blocks if position < b.anchor < position + deleted), reverse=True)
        end = position + deleted
        for cut in [*inside, position]:
            if end > cut:
                self._offer(self._place(cut, after=True), end - cut, "", None)
                end = cut
        for block in self.blocks:
            if position < block.anchor < position + deleted:
                block.anchor = position
            elif block.anchor >= position + deleted and block.anchor > position:
                block.anchor += len(inserted) - deleted
        if inserted:
            self._offer(self._place(position, after=True), 0, inserted, None)

    def plant(self, block: Block) -> bool:
        """Do a block's next edits, to its end or to where it waits; says whether it is done."""
        while block.todo:
            op = block.todo.pop(0)
            if op is None:
                return not block.todo
            before = sum(b.length for b in self.blocks[: self.blocks.index(block)] if b.anchor == block.anchor)
            self._offer(
                self._place(block.anchor, after=False) + before + op.position, op.deleted, op.inserted, (block, op)
            )
            block.length += len(op.inserted) - op.deleted
        return True

    def _place(self, position: int, *, after: bool) -> int:
        """Turn a position of the trace into one of the document."""
        return position + sum(b.length for b in self.blocks if b.anchor < position or (after and b.anchor == position))

    def _offer(self, position: int, deleted: int, inserted: str, owner: tuple[Block, Op] | None) -> None:
        body = DocumentEdit(self.document, position, deleted, inserted, Origin.TYPED, 100)
        self.clock.advance(KEY_MS)
        began = time.thread_time()
        self.door.offer(body)
        self.times.append((time.thread_time() - began) * 1e6)
        self.owners.append(owner)
        self.bodies.append(body)
        self.text.replace(position, deleted, inserted)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.typed_secrets", description="Plant secrets in a trace.")
    parser.add_argument("trace", type=Path)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--plants", type=int, default=320)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.environ["OVERT_KEYRING"] = "file"
    with tempfile.TemporaryDirectory(prefix="overt-plants-") as folder:
        result = asyncio.run(run(Path(folder), options.trace, options.cases, options.plants, options.seed))
    print(json.dumps({"trace": options.trace.name, "seed": options.seed, **result}))


async def run(folder: Path, trace_path: Path, cases_path: Path, plants: int, seed: int) -> dict[str, Any]:
    """Play, seal, read back and count."""
    source = random.Random(seed)
    clock = ManualClock(NOW_MS)
    home = folder / "home"
    join(home, folder / "work", clock)
    trace = read_trace(trace_path)
    patches = [patch for each in trace.txns for patch in each.patches][: plants * EDITS_A_PLANT]
    cases = plantable(read_cases(cases_path))
    chosen = [source.choice(cases) for _ in range(plants)]
    ways = [list(WAYS)[number % len(WAYS)] for number in range(plants)]
    starts = sorted(source.randrange(len(patches)) for _ in range(plants))
    door = await Door.open(home, source="lsp", client=ClientInfo("benchmark", "1", "utf-32"), clock=clock)
    verdict = door.open_document(path=folder / "work" / "a.txt", language="text", text=trace.startContent)
    assert verdict.document is not None, verdict.refusals
    session = Session(door, verdict.document, clock)
    session.text.replace(0, 0, trace.startContent)
    length, waiting = len(trace.startContent), list[Block]()
    for number, (position, deleted, inserted) in enumerate(patches):
        session.own(position, deleted, inserted)
        length += len(inserted) - deleted
        while starts and starts[0] == number:
            starts.pop(0)
            block = Block(source.randrange(length + 1), ways.pop(), chosen.pop(), source)
            session.blocks.append(block)
            waiting.append(block)
        if number % 3 == 0:
            waiting = [block for block in waiting if not session.plant(block)]
        if number % FLUSH_EDITS == 0:
            await door.flush()
    while waiting:
        waiting = [block for block in waiting if not session.plant(block)]
    await door.close()
    store = await Store.open(home, open_custody(home), clock=clock)
    stored = [each async for each in store.events()]
    await store.close()
    bodies = [each.event.body for each in sorted(stored, key=lambda each: each.event.index)]
    opened = next(body for body in bodies if isinstance(body, DocumentOpen))
    return count(session, [body for body in bodies if isinstance(body, DocumentEdit)], trace.startContent, opened.text)


def count(session: Session, edits: list[DocumentEdit], start: str, sealed_start: str) -> dict[str, Any]:
    """Compare what was sealed with what was planted."""
    owners, times, filter_times = session.owners, sorted(session.times), sorted(filter_cost(session.bodies, start))
    own_chars = own_masked = 0
    sealed = LineBuffer(sealed_start)
    leaked = defaultdict[Block, set[int]](set)
    for edit, owner in zip(edits, owners, strict=True):
        sealed.replace(edit.position, edit.deleted, edit.inserted)
        if owner is None:
            own_chars += len(edit.inserted)
            own_masked += edit.inserted.count(FILLER)
        elif owner[1].at >= 0:
            block, op = owner
            leaked[block].update(op.at + k for k, sign in enumerate(edit.inserted) if sign not in {FILLER, "\n"})
    bad = [block for block in session.blocks if _has_run(leaked[block])]
    typed, kept = session.text.text(), sealed.text()
    exact = len(typed) == len(kept) and all(one in {other, FILLER} for one, other in zip(kept, typed, strict=True))
    secret_chars = sum(len(block.secret) for block in session.blocks)
    leaked_chars = sum(map(len, leaked.values()))
    return {
        "plants": len(session.blocks),
        "ways": len(WAYS),
        "edits": len(edits),
        "secret_chars": secret_chars,
        "leaked_chars": leaked_chars,
        "leaked_share": round(leaked_chars / max(secret_chars, 1), 5),
        "plants_with_8_in_a_row": len(bad),
        "ways_with_8_in_a_row": dict(Counter(block.way for block in bad)),
        "over_redacted_chars": own_masked,
        "over_redacted_share": round(own_masked / max(own_chars, 1), 5),
        "replay_exact": exact,
        **_times("us_per_edit", filter_times),
        **_times("gate_us_per_edit", times),
    }


def filter_cost(bodies: list[DocumentEdit], start: str) -> list[float]:
    """Give the filter's own time for each of the same edits, scans included; the gate's has the ledger's checks too.

    The trace's hours pass in seconds here, and the gate reads consent anew every second of them.
    """
    redactor = Redactor(detector=default_detector(), tag_key=Secret(b"t" * 32), settle_ms=SETTLE_MS)
    first = DocumentOpen(bodies[0].document, path="", workspace="", language="", text=start)
    redactor.feed(Event(0, 0, 0, Level.CONTENT, first), 0)
    times: list[float] = []
    for index, body in enumerate(bodies, 1):
        event, now_ms = Event(index, 0, 0, Level.CONTENT, body), index * KEY_MS
        began = time.thread_time()
        redactor.feed(event, now_ms)
        if index % FLUSH_EDITS == 0:
            redactor.take(redactor.settled(now_ms))
        times.append((time.thread_time() - began) * 1e6)
    return times


def plantable(cases: list[Case]) -> list[Case]:
    """Give the cases whose secret the detectors find in the finished text."""
    detector = default_detector()
    found: list[Case] = []
    for case in cases:
        if case.label == SECRET and len(case.text) <= MAX_CASE_CHARS and "\r" not in case.text:
            hits = detector.find(f"\n{case.text}\n", whole_file=False)
            if case.covered_by([(hit.start - 1, hit.end - 1) for hit in hits if hit.category == SECRET]):
                found.append(case)
    return found


def join(home: Path, work: Path, clock: Clock) -> None:
    """Join a study that is made for this run."""
    work.mkdir()
    day = datetime.datetime.fromtimestamp(NOW_MS / 1000, datetime.UTC).date()
    text = study_template(
        study="benchmark",
        title="A study for measuring",
        receiver_url="http://127.0.0.1:9",
        receiver_key=encode_key(SigningKey(Secret(b"r" * 32)).verify_key.raw),
        recipient=encode_key(RecipientSecretKey(Secret(b"s" * 96)).public.raw),
        workspaces=(WorkspaceRule(path=f"{work}/**"),),
        start=day,
        end=day + datetime.timedelta(days=30),
    )
    manifest = sign_manifest(manifest_from_toml(text), SigningKey(Secret(os.urandom(32))))
    Ledger(home).join(manifest, installation=open_custody(home).installation, now_ms=clock.wall_ms())


def _times(name: str, times: list[float]) -> dict[str, float]:
    mean, p99 = sum(times) / len(times), times[int(len(times) * 0.99)]
    return {f"{name}_mean": round(mean, 1), f"{name}_p99": round(p99, 1), f"{name}_max": round(times[-1], 1)}


def _has_run(positions: set[int]) -> bool:
    return any(all(at + k in positions for k in range(RUN_CHARS)) for at in positions)


if __name__ == "__main__":
    main()
