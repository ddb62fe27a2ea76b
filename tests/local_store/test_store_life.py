"""The whole life of a store against a small model: whatever happens, in any order, it holds what the model holds."""

from __future__ import annotations

import asyncio
import copy
import errno
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from event_model.clock import ManualClock
from event_model.errors import KeyUnavailable, StoreConflict
from event_model.events import CaptureGap
from event_model.ids import SessionId, StudyId
from event_model.keys import Secret
from local_store.custody import DeviceKeys
from local_store.forgetting import Selection
from local_store.model import Forgotten, SegmentInfo, SegmentState
from local_store.rotation import rotate
from local_store.schema import PAGE_BYTES
from local_store.store import Store
from local_store.tail import TailFile
from tests.local_store.store_kit import (
    OTHER,
    START_MS,
    STUDY,
    begin,
    every_byte,
    masked,
    opening,
    pending,
    seal,
    typing,
)

STEPS = 50
EXAMPLES = 16
"""Together more than 500 steps: an example may be shorter."""

HOUR_MS = 3_600_000

PENDING_KEYS = "SELECT count(*) FROM keys WHERE session = (SELECT no FROM sessions WHERE session = ?)"
LEFT_OVER = """
    SELECT count(*) FROM segments WHERE (envelope IS NOT NULL AND state != 'enveloped')
    OR (state = 'forgotten' AND (body IS NOT NULL OR key IS NOT NULL OR wrapped IS NOT NULL))"""


def _cut_off(_file: TailFile) -> None:
    raise OSError(errno.EIO, "cut off here")


class Kept:
    """What the model knows of a session: which of its events are there, which went, and how far it is sealed."""

    def __init__(self, study: StudyId) -> None:
        self.study = study
        self.next = 0
        self.sealed = 0
        self.gone: set[int] = set()
        self.running = True
        self.written = True
        """Somebody goes on writing it: it was not left behind by a process that ended."""


class Life(RuleBasedStateMachine):
    """One installation with two studies."""

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.home = Path(tempfile.mkdtemp(prefix="overt-life-"))
        self.clock = ManualClock(START_MS)
        self.keys = DeviceKeys(Secret(b"r" * 32), Secret(b"i" * 32), "file")
        self.sessions: dict[SessionId, Kept] = {}
        self.uploaded: set[tuple[str, int, int]] = set()
        self.asked_back: set[tuple[str, int, int]] = set()
        self.joined = {STUDY, OTHER}
        self.texts = 0
        self.forgotten: list[bytes] = []
        self.named = 0
        self.envelopes = 0
        self.store = self.run(self.opened())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def opened(self) -> Store:
        return await Store.open(self.home, self.keys, clock=self.clock)

    def running(self) -> list[SessionId]:
        return [name for name, kept in self.sessions.items() if kept.running]

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def begin(self, study: StudyId) -> None:
        if study in self.joined and len(self.running()) < 4:
            self._begin(study)

    def _begin(self, study: StudyId) -> SessionId:
        self.named += 1
        name = SessionId(f"{self.named:032x}")
        self.run(begin(self.store, name, study))
        self.sessions[name] = Kept(study)
        return name

    @precondition(lambda self: self.running())
    @rule(data=st.data(), count=st.integers(1, 40))
    def capture(self, data: st.DataObject, count: int) -> None:
        self._capture(data.draw(st.sampled_from(self.running())), count)

    def _capture(self, name: SessionId, count: int) -> None:
        kept = self.sessions[name]
        self.texts += 1
        # A document of its own for each batch, so that what depends on a forgotten edit is in one batch.
        document = kept.next + 1
        head = opening(kept.next, f"src/{self.texts}.py", document=document)
        events = [head, *(each for each in typing(kept.next + 1, count - 1, f"text{self.texts}."))]
        moved = tuple(self._in(each, document) for each in events)
        self.run(self.store.append(pending(moved, name, kept.study)))
        kept.next += count

    def _in(self, event: Any, document: int) -> Any:
        import msgspec

        now = self.clock.wall_ms()
        return msgspec.structs.replace(
            event, wall_ms=now, delta_ms=0, body=msgspec.structs.replace(event.body, document=document)
        )

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def seal(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.running()))
        kept = self.sessions[name]
        if kept.next > kept.sealed:
            upto = data.draw(st.integers(kept.sealed + 1, kept.next))
            self._seal(name, upto)

    def _seal(self, name: SessionId, upto: int) -> None:
        events = self.run(self.store.pending(name, upto))
        self.run(seal(self.store, masked(events, name, self.sessions[name].study)))
        self.sessions[name].sealed = upto

    def _short_session(self, study: StudyId) -> None:
        """Capture and seal a little, and end the session."""
        self.joined.add(study)
        name = self._begin(study)
        self._capture(name, 3)
        self._seal(name, 3)
        self.run(self.store.end_session(name))
        self.sessions[name].running = False

    @rule(study=st.sampled_from([STUDY, OTHER]), answers=st.integers(0, 5))
    def upload(self, study: StudyId, answers: int) -> None:
        """Send what is due; after so many answers the next is lost."""
        for number, info in enumerate(self._send(study)):
            if number >= answers:
                return
            self.run(self.store.mark_uploaded(info, b"receipt"))
            self.uploaded.add(info.place)

    def _send(self, study: StudyId) -> list[SegmentInfo]:
        """Make the envelope of all that is due, each another than any before."""
        sent: list[SegmentInfo] = []
        due = self.run(self.store.due(study, sealed_before_ms=self.clock.wall_ms()))
        waiting = {SegmentState.HELD, SegmentState.ENVELOPED}
        waits = [each.place for each in self.run(self.store.segments(study)) if each.state in waiting]
        assert [each.place for each in due] == waits, "a clock that went back keeps something on hold for longer"
        for info in due:
            kept = self.run(self.store.envelope(info))
            assert (kept is None) == (info.state is SegmentState.HELD)
            sent.append(info if kept is not None else self.run(self._envelope(info)))
        return sent

    async def _envelope(self, info: SegmentInfo) -> SegmentInfo:
        self.envelopes += 1
        return await self.store.put_envelope(info, b"envelope", f"{self.envelopes:064d}")

    def _event_of(self, infos: list[SegmentInfo]) -> tuple[SegmentInfo, dict[str, Any]] | None:
        """Choose a segment that still has an event, and name that event."""
        for info in infos:
            there = sorted(self._held().get(info.session, set()))
            for index in there:
                if info.first_index <= index < info.first_index + info.count:
                    return info, {"session": info.session, "indexes": frozenset({index})}
        return None

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def overtaken_by_a_forgetting(self, study: StudyId) -> None:
        """What was read before something was forgotten in it is not enveloped; nor is one before its turn."""
        self._send(study)
        self._short_session(study)
        self._short_session(study)
        held = [
            info
            for info in self.run(self.store.due(study, sealed_before_ms=self.clock.wall_ms()))
            if info.state is SegmentState.HELD
        ]
        assert len(held) == 2
        with pytest.raises(StoreConflict):
            self.run(self._envelope(held[1]))
        found = self._event_of(held)
        assert found is not None
        assert found[0] == held[0]
        self._forget(found[1], self._held())
        with pytest.raises(StoreConflict):
            self.run(self._envelope(held[0]))

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def an_answer_comes_too_late(self, study: StudyId) -> None:
        """A receipt for what was rewritten since is none for what is there now, and the receiver is asked to erase."""
        self._short_session(study)
        if (found := self._event_of(self._send(study))) is not None:
            old, event = found
            done = self._forget(event, self._held())
            assert old.place in done.uploaded_segments
            self._send(study)
            with pytest.raises(StoreConflict):
                self.run(self.store.mark_uploaded(old, b"receipt"))

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def what_was_uploaded_is_forgotten(self, study: StudyId) -> None:
        """It goes here as a whole, and the receiver is asked to erase it."""
        self._short_session(study)
        for info in self._send(study):
            self.run(self.store.mark_uploaded(info, b"receipt"))
            self.uploaded.add(info.place)
        last = self.run(self.store.segments(study))[-1]
        assert self._forget({"session": last.session}, self._held()).uploaded_segments == (last.place,)

    @rule(study=st.sampled_from([STUDY, OTHER]), sealing=st.booleans(), cut_off=st.booleans())
    def another_process_forgets(self, study: StudyId, sealing: bool, cut_off: bool) -> None:
        """What is forgotten elsewhere between reading and sealing, or before a write, is noticed by both.

        Also where that other process is ``cut_off`` after its transaction, before it emptied the session's file.
        """
        self.joined.add(study)
        name = self._begin(study)
        self._capture(name, 4)
        kept = self.sessions[name]
        events = self.run(self.store.pending(name, kept.next))
        other = self.run(self.opened())
        with pytest.MonkeyPatch.context() as patched:
            if cut_off:
                patched.setattr(TailFile, "empty", _cut_off)
            self._forget({"session": name, "indexes": frozenset({1})}, self._held(), by=other)
        self.run(other.close())
        moved = self._in(opening(kept.next, "src/after.py"), 1)
        work: Any = seal(self.store, masked(events, name, kept.study))
        if not sealing:
            work.close()
            work = self.store.append(pending((moved,), name, kept.study))
        with pytest.raises(StoreConflict) as caught:
            self.run(work)
        assert caught.value.code == "forgotten-meanwhile"
        self.restart(rotated=False)

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def nothing_is_written_twice(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.running()))
        kept = self.sessions[name]
        for index in {kept.next - 1, kept.next + 1} - {-1}:
            event = self._in(opening(index, "src/again.py"), 1)
            with pytest.raises(StoreConflict):
                self.run(self.store.append(pending((event,), name, kept.study)))
        for index in {kept.sealed - 1, kept.sealed + 1} - {-1}:
            event = self._in(opening(index, "src/again.py"), 1)
            with pytest.raises(StoreConflict):
                self.run(seal(self.store, masked((event,), name, kept.study)))

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), kind=st.sampled_from(["event", "session", "span", "study", "all"]))
    def forget(self, data: st.DataObject, kind: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.sessions)))
        kept = self.sessions[name]
        before = self._held()
        criteria: dict[str, Any] = {
            "event": {"session": name, "indexes": frozenset({data.draw(st.integers(0, max(0, kept.next - 1)))})},
            "session": {"session": name},
            "span": {"since_ms": self.clock.wall_ms() - HOUR_MS},
            "study": {"study": kept.study},
            "all": {},
        }[kind]
        self._forget(criteria, before)
        after = self._held()
        if kind in {"session", "study", "all"}:
            for session in self.sessions:
                assert not self._concerns(criteria, session) or not after.get(session)
        if kind == "event" and min(criteria["indexes"]) < kept.next:
            assert min(criteria["indexes"]) not in after.get(name, set())

    def _forget(
        self, criteria: dict[str, Any], before: dict[SessionId, set[int]], by: Store | None = None
    ) -> Forgotten:
        done = self.run((by or self.store).forget(Selection(**criteria)))
        self.asked_back |= set(done.uploaded_segments)
        after = self._held()
        for session, there in before.items():
            lost = there - after.get(session, set())
            assert not lost or self._concerns(criteria, session), "forgot what was not asked for"
            known = self.sessions[session]
            known.gone |= lost
            if any(index >= known.sealed for index in lost):
                assert self._count(PENDING_KEYS, session) <= 1, "what is left still lies under the old key"
        assert self.store.set_aside() == ()
        # What is forgotten at the end of a session that nobody writes needs no gap.
        for info in self.run(self.store.sessions()):
            known = self.sessions[info.session]
            assert info.next_index == known.next or not known.written, "the writer's next event follows nothing"
            known.next = info.next_index
            known.gone = {index for index in known.gone if index < known.next}
        assert sum(map(len, before.values())) - sum(map(len, after.values())) <= done.events
        return done  # type: ignore[no-any-return]

    def _count(self, statement: str, *values: str) -> int:
        (count,) = self.run(
            self.store._database.read(lambda connection: connection.execute(statement, values).fetchone())
        )
        return int(count)

    def _concerns(self, criteria: dict[str, Any], session: SessionId) -> bool:
        return criteria.get("session", session) == session and (
            criteria.get("study", self.sessions[session].study) == self.sessions[session].study
        )

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def withdraw(self, study: StudyId) -> None:
        self.run(self.store.forget_study(study))
        self.joined.discard(study)
        for name in [name for name, kept in self.sessions.items() if kept.study == study]:
            del self.sessions[name]
        assert self.run(self.store.segments(study)) == []

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def join(self, study: StudyId) -> None:
        self.joined.add(study)

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.running()))
        kept = self.sessions[name]
        if kept.sealed == kept.next:
            self.run(self.store.end_session(name))
            if kept.next == 0:
                del self.sessions[name]
            else:
                kept.running = False

    @rule(rotated=st.booleans())
    def restart(self, rotated: bool) -> None:
        """The process ends without a word; another one adopts what it left."""
        self.run(self.store.close())
        if rotated:
            self.keys = rotate(self.home, self.keys)
        self._go_on()

    @rule(study=st.sampled_from([STUDY, OTHER]))
    def yesterdays_copy_is_put_back(self, study: StudyId) -> None:
        """What was sent since it was made keeps its numbers: all goes on in epochs above."""
        self.run(self.store.close())
        yesterday = self.home.with_name(f"{self.home.name}-yesterday")
        shutil.copytree(self.home / "store", yesterday)
        then = copy.deepcopy((self.sessions, self.joined))
        self._go_on()
        self._short_session(study)
        self._send(study)
        highest = max(info.epoch for info in self.run(self.store.segments()))
        noticed = self.run(self.store.times_rewound())
        self.run(self.store.close())
        shutil.rmtree(self.home / "store")
        yesterday.rename(self.home / "store")
        self.sessions, self.joined = then
        self._go_on()
        assert self.run(self.store.times_rewound()) == noticed + 1
        for info in self.run(self.store.segments()):
            assert info.epoch > highest or info.state in {SegmentState.UPLOADED, SegmentState.FORGOTTEN}
        for each in (STUDY, OTHER):
            self._short_session(each)
            assert self.run(self.store.segments(each))[-1].epoch > highest, "a number is used twice"

    @rule()
    def the_first_page_rots(self) -> None:
        """What the database says of itself is gone; nothing of what it holds is."""
        self.run(self.store.close())
        path = self.home / "store" / "overt.sqlite3"
        path.write_bytes(bytes(PAGE_BYTES) + path.read_bytes()[PAGE_BYTES:])
        self._go_on()
        assert self.store.set_aside()

    def _go_on(self) -> None:
        self.store = self.run(self.opened())
        for kept in self.sessions.values():
            kept.written = False
        for orphan in self.run(self.store.orphans()):
            assert orphan.next_index == self.sessions[orphan.session].next, "acknowledged and lost, or never captured"
        for name in [name for name, kept in self.sessions.items() if kept.running and kept.next == 0]:
            del self.sessions[name]  # one that wrote nothing leaves nothing

    @rule()
    def another_process_rotates_the_key(self) -> None:
        """Who holds the old key writes nothing under it any more."""
        self.keys = rotate(self.home, self.keys)
        self.joined.add(STUDY)
        name = self._begin(STUDY)
        event = self._in(opening(0, "src/rotated.py"), 1)
        with pytest.raises(KeyUnavailable):
            self.run(self.store.append(pending((event,), name, STUDY)))
        self.restart(rotated=False)

    @rule(hours=st.sampled_from([-30, -1, 1, 24, 24 * 365]))
    def clock_jumps(self, hours: int) -> None:
        self.clock.set_wall(max(START_MS, self.clock.wall_ms() + hours * HOUR_MS))

    @invariant()
    def nothing_but_what_the_model_holds(self) -> None:
        held = self._held()
        for name, kept in self.sessions.items():
            assert held.get(name, set()) == set(range(kept.next)) - kept.gone
        assert set(held) <= set(self.sessions)

    @invariant()
    def sound(self) -> None:
        report = self.run(self.store.verify())
        assert report.sound, report
        assert self._count(LEFT_OVER) == 0, "what was forgotten or uploaded left something behind"
        infos: list[SegmentInfo] = self.run(self.store.segments())
        # What was uploaded is never taken away here but by a forgetting, or by leaving.
        for info in infos:
            if info.place in self.uploaded and info.state is not SegmentState.UPLOADED:
                assert info.place in self.asked_back, "the receiver was not asked to erase it"

    def _held(self) -> dict[SessionId, set[int]]:
        async def look() -> dict[SessionId, set[int]]:
            found: dict[SessionId, set[int]] = {}
            last: dict[SessionId, int] = {}
            async for each in self.store.events():
                assert each.event.index > last.get(each.session, -1), "out of order, or twice"
                assert each.event.delta_ms >= 0
                last[each.session] = each.event.index
                if not isinstance(each.event.body, CaptureGap):
                    found.setdefault(each.session, set()).add(each.event.index)
            return found

        return self.run(look())  # type: ignore[no-any-return]

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.run(self.store.close())
            assert b"text1." not in every_byte(self.home / "store")
            self.loop.close()
            shutil.rmtree(self.home)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
