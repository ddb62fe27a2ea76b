"""Worker processes that are killed under load, and the server with them: what has a receipt is there, once."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import msgspec
import psutil
import pytest

from consent_ledger.manifest import StudyManifest
from event_model.clock import SystemClock
from event_model.errors import ReceiverError, StoreUnwritable
from event_model.receipts import SEGMENT_RECEIPT, SegmentReceipt
from event_model.signed import Signed, open_document
from ingest_server.answers import Outcome
from ingest_server.durable_files import PART_SUFFIX
from ingest_server.intake import WorkerIntake
from ingest_server.rows import ConsentRow, Participant
from ingest_server.segment_worker import WorkerSpec
from ingest_server.segments import Upload
from ingest_server.shared_bodies import SLOT_BYTES
from ingest_server.sqlite_driver import DRIVER
from ingest_server.sqlite_metadata import SqliteMetadata
from ingest_server.stores import StoreSettings
from tests.faults.fault_effort import effort
from tests.ingest_server.kit import RECEIVER_KEY, Person, SignedRequests, make_manifest
from tests.ingest_server.serve_command import address_of, serving

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.name == "nt", reason="there are no workers on Windows"),
]

PEOPLE = 8
EACH = 12
"""Segments of each."""

DEATHS = 4

SERVER_DEATHS = effort(3, 200)
EACH_OF_KILLED = effort(12, 150)
"""Segments of each where the server is killed: more than there are deaths."""

PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def present() -> Signed[StudyManifest]:
    """A study that goes on now: a worker's clock is the system's."""
    return make_manifest(start="2025-12-01", end="2099-12-31")


def person_now(manifest: Signed[StudyManifest], seed: int) -> Person:
    person = Person(manifest, seed)
    person.be(person.key, given_ms=SystemClock().wall_ms() - 1000)
    return person


class Fleet:
    """People whose segments are sent at once, in order, until each has its receipt."""

    def __init__(self, manifest: Signed[StudyManifest], each: int = EACH) -> None:
        self.people = [person_now(manifest, seed) for seed in range(1, PEOPLE + 1)]
        self.chains = {person.pseudonym: person.chain(each) for person in self.people}
        self.receipts: dict[tuple[str, int], bytes] = {}
        self.refused: set[int] = set()
        self.arrived = asyncio.Condition()

    async def join(self, url: str) -> None:
        async with _client(url) as client:
            for person in self.people:
                assert (await client.put(f"{person.path}/consent", content=person.consent())).status_code == 201

    async def send_all(self, url: str) -> None:
        """Send everything; whom no answer comes to stops there, and all others end before that is told."""
        outcomes = await asyncio.gather(*(self._send(url, person) for person in self.people), return_exceptions=True)
        for failure in sorted(filter(None, outcomes), key=lambda each: isinstance(each, httpx.HTTPError)):
            raise failure

    async def _send(self, url: str, person: Person) -> None:
        async with _client(url) as client:
            for number, data in enumerate(self.chains[person.pseudonym]):
                while (answer := await client.put(person.segment_path(number), content=data)).status_code >= 500:
                    self.refused.add(answer.status_code)
                    assert answer.headers["retry-after"]
                    await asyncio.sleep(0.02)
                assert answer.status_code in {200, 201}, answer.text
                async with self.arrived:
                    before = self.receipts.setdefault((person.pseudonym, number), answer.content)
                    assert before == answer.content
                    self.arrived.notify_all()

    async def until(self, count: int, sending: asyncio.Task[None]) -> None:
        """Wait until so many have their receipt; what ``sending`` fails with is raised here."""
        waiting = asyncio.create_task(self._wait(count))
        await asyncio.wait([waiting, sending], return_when=asyncio.FIRST_COMPLETED)
        if not waiting.done():
            waiting.cancel()
            await sending

    async def _wait(self, count: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.receipts) >= count)

    def check(self, data: Path) -> int:
        """Check that all with a receipt is stored and that what is stored is whole and there once; say how much is."""
        with contextlib.closing(DRIVER.connect(data / "receiver.sqlite3")) as connection:
            found = connection.execute("SELECT pseudonym, epoch, number, digest FROM segments").fetchall()
        rows = {(pseudonym, number): digest for pseudonym, _epoch, number, digest in found}
        assert len(rows) == len(found)
        for person in self.people:
            for number, sealed in enumerate(self.chains[person.pseudonym]):
                at = person.pseudonym, number
                path = data / f"segments/{person.study}/{person.pseudonym}/00000001/{number:010d}.overt"
                if at in rows:
                    assert path.read_bytes() == sealed, "a row without its object"
                    assert hashlib.sha256(sealed).hexdigest() == rows[at]
                if at in self.receipts:
                    body = self.receipts[at]
                    receipt = open_document(SEGMENT_RECEIPT, body, SegmentReceipt, key=RECEIVER_KEY.verify_key).payload
                    assert (receipt.pseudonym, receipt.number, receipt.digest) == (*at, rows.get(at)), "lost"
        return len(rows)


def _client(url: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url, trust_env=False, auth=SignedRequests(SystemClock().wall_ms), timeout=PATIENCE_S
    )


@contextlib.contextmanager
def two_workers(folder: Path, manifest: Signed[StudyManifest]) -> Iterator[tuple[str, psutil.Process]]:
    with serving(folder, manifest.raw, "--workers", "2") as process:
        yield address_of(process), psutil.Process(process.pid)


def workers_of(server: psutil.Process) -> list[psutil.Process]:
    return [child for child in server.children() if not is_over(child)]


def is_over(process: psutil.Process) -> bool:
    """Say whether a process has ended, also if nobody has asked for its status yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def ended(processes: Sequence[psutil.Process]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not all(is_over(process) for process in processes):
            await asyncio.sleep(0.01)


async def test_workers_that_are_killed_under_load_lose_nothing_and_store_nothing_twice(
    tmp_path: Path, present: Signed[StudyManifest]
) -> None:
    fleet = Fleet(present)
    with two_workers(tmp_path, present) as (url, server):
        await fleet.join(url)
        seen = {worker.pid for worker in workers_of(server)}
        assert len(seen) == 2
        sending = asyncio.create_task(fleet.send_all(url))
        for death in range(1, DEATHS + 1):
            await fleet.until(death * PEOPLE * EACH // (DEATHS + 2), sending)
            # A worker that died before is started by the next upload; of those that live one dies.
            victim = max(workers_of(server), key=lambda worker: worker.create_time())
            seen.add(victim.pid)
            victim.kill()
        await sending
        assert server.is_running()
        seen |= {worker.pid for worker in workers_of(server)}
    assert len(seen) > 2
    assert fleet.refused <= {503}
    assert fleet.check(tmp_path / "data") == PEOPLE * EACH
    assert not list((tmp_path / "data").rglob(f"*{PART_SUFFIX}"))


async def test_a_server_that_is_killed_takes_its_workers_with_it_and_what_has_a_receipt_is_there(
    tmp_path: Path, present: Signed[StudyManifest]
) -> None:
    fleet = Fleet(present, EACH_OF_KILLED)
    for death in range(SERVER_DEATHS):
        with two_workers(tmp_path, present) as (url, server):
            if death == 0:
                await fleet.join(url)
            workers = workers_of(server)
            sending = asyncio.create_task(fleet.send_all(url))
            await fleet.until((death + 1) * PEOPLE * EACH_OF_KILLED // (SERVER_DEATHS + 1), sending)
            server.kill()
            with contextlib.suppress(httpx.HTTPError):
                await sending
            await ended(workers)
        assert fleet.check(tmp_path / "data") >= len(fleet.receipts)
    with two_workers(tmp_path, present) as (url, _):
        await fleet.send_all(url)
    assert fleet.check(tmp_path / "data") == PEOPLE * EACH_OF_KILLED


async def test_a_stop_signal_to_all_processes_lets_the_workers_finish(
    tmp_path: Path, present: Signed[StudyManifest]
) -> None:
    fleet = Fleet(present)
    with two_workers(tmp_path, present) as (url, server):
        await fleet.join(url)
        workers = workers_of(server)
        for worker in workers:
            worker.terminate()
        await fleet.send_all(url)
        assert [worker.is_running() and not is_over(worker) for worker in workers] == [True, True]
        server.terminate()
        await ended([server, *workers])
    assert fleet.refused == set()


class Rig:
    """One worker, held by this process."""

    def __init__(self, folder: Path, manifest: Signed[StudyManifest]) -> None:
        self.person = person_now(manifest, 1)
        self.participant = Participant(self.person.study, self.person.pseudonym)
        self.chain = self.person.chain(3)
        self.spec = WorkerSpec(StoreSettings(str(folder)), (manifest.raw,), RECEIVER_KEY.seed.reveal())
        self.metadata = SqliteMetadata(folder / "receiver.sqlite3")

    async def join(self) -> None:
        record = self.person.record
        row = ConsentRow(record.record_id, record.state, record.study_version, record.expires_ms, b"{}")
        await self.metadata.save_consent(self.participant, row)

    def intake(self, spec: WorkerSpec | None = None) -> WorkerIntake:
        self._intake = WorkerIntake(msgspec.msgpack.encode(spec or self.spec), 1)
        return self._intake

    async def working(self) -> WorkerIntake:
        """Give an intake whose worker has come up, for a person who takes part."""
        await self.join()
        intake = self.intake()
        await intake.start()
        return intake

    async def close(self) -> None:
        await self._intake.close()
        self.metadata.close()

    def upload(self, number: int) -> Upload:
        return self.person.upload(number, self.chain[number], now_ms=SystemClock().wall_ms())


def only_child() -> psutil.Process:
    (worker,) = [child for child in psutil.Process().children() if "ingest_server.segment_worker" in child.cmdline()]
    return worker


def look_at_once(intake: WorkerIntake, monkeypatch: pytest.MonkeyPatch, *, after_s: float) -> None:
    """Let the server look now, not in half a minute, whether its worker hangs."""
    monkeypatch.setattr("ingest_server.intake.HANG_S", after_s)
    (worker,) = intake._workers
    assert worker._transport is not None
    worker._look_whether_it_works(worker._transport)


async def test_who_waits_for_a_worker_that_dies_is_told_and_the_next_finds_a_new_one(
    tmp_path: Path, present: Signed[StudyManifest]
) -> None:
    rig = Rig(tmp_path, present)
    intake = await rig.working()
    first = only_child()
    first.suspend()
    waiting = [asyncio.create_task(intake.take(rig.upload(number))) for number in range(3)]
    await asyncio.sleep(0)
    first.kill()
    async with asyncio.timeout(PATIENCE_S):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnwritable] * 3
    async with asyncio.timeout(PATIENCE_S):
        answers = [await intake.take(rig.upload(number)) for number in (0, 0, 1)]
    assert [answer.outcome for answer in answers] == [Outcome.CREATED, Outcome.UNCHANGED, Outcome.CREATED]
    second = only_child()
    assert second.pid != first.pid
    assert not first.is_running()  # nor left as a zombie
    await intake.close()
    assert not second.is_running()
    rig.metadata.close()


async def test_a_worker_that_hangs_is_replaced(
    tmp_path: Path, present: Signed[StudyManifest], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    rig = Rig(tmp_path, present)
    intake = await rig.working()
    first = only_child()
    first.suspend()
    look_at_once(intake, monkeypatch, after_s=0.2)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(StoreUnwritable):
            await intake.take(rig.upload(0))
        assert '"worker-hangs"' in capfd.readouterr().err
        monkeypatch.setattr("ingest_server.intake.HANG_S", PATIENCE_S)
        assert (await intake.take(rig.upload(0))).outcome is Outcome.CREATED
    assert only_child().pid != first.pid
    await rig.close()


async def test_a_worker_that_has_nothing_to_do_is_left_alone(
    tmp_path: Path, present: Signed[StudyManifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, present)
    intake = await rig.working()
    worker = only_child()
    look_at_once(intake, monkeypatch, after_s=0.0)
    await asyncio.sleep(0)
    monkeypatch.setattr("ingest_server.intake.HANG_S", PATIENCE_S)
    assert (await intake.take(rig.upload(0))).outcome is Outcome.CREATED
    assert only_child().pid == worker.pid
    await rig.close()


async def test_bodies_of_every_size_come_whole_also_behind_one_that_was_given_up(
    tmp_path: Path, present: Signed[StudyManifest]
) -> None:
    rig = Rig(tmp_path, present)
    await rig.join()
    rig.chain = []
    for number, size in enumerate((10, SLOT_BYTES * 2, SLOT_BYTES // 2, SLOT_BYTES, 3 << 20, 100)):
        before = rig.chain[-1] if rig.chain else b""
        rig.chain.append(rig.person.envelope(number, prev=before, payload=os.urandom(size)))
    intake = rig.intake()
    await intake.start()
    worker = only_child()
    worker.suspend()
    given_up = asyncio.create_task(intake.take(rig.upload(0)))
    await asyncio.sleep(0)
    given_up.cancel()
    waiting = [asyncio.create_task(intake.take(rig.upload(number))) for number in range(1, len(rig.chain))]
    await asyncio.sleep(0)
    worker.resume()
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*waiting)
    assert {answer.outcome for answer in answers} == {Outcome.CREATED}
    stored = [path.read_bytes() for path in sorted((tmp_path / "segments").rglob("*.overt"))]
    assert stored == rig.chain
    await rig.close()


async def test_a_worker_that_does_not_come_up_is_tried_once_for_all_that_wait(
    tmp_path: Path, present: Signed[StudyManifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, present)
    intake = rig.intake(msgspec.structs.replace(rig.spec, studies=()))
    starts = 0
    real = subprocess.Popen

    def counting(command: list[str], **named: int) -> subprocess.Popen[bytes]:
        nonlocal starts
        starts += 1
        return real([sys.executable, "-c", "pass"], **named)

    monkeypatch.setattr("ingest_server.intake.subprocess.Popen", counting)
    monkeypatch.setattr("ingest_server.intake.PAUSE_S", 3600.0)
    for _ in range(2):
        outcomes = await asyncio.gather(*(intake.take(rig.upload(0)) for _ in range(20)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StoreUnwritable}
    assert starts == 1
    await rig.close()


async def test_a_system_that_starts_no_process_is_told_as_a_failing_store(
    tmp_path: Path, present: Signed[StudyManifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = Rig(tmp_path, present)
    await rig.join()
    intake = rig.intake()
    with monkeypatch.context() as patch:
        patch.setattr("ingest_server.intake.sys.executable", str(tmp_path / "missing"))
        patch.setattr("ingest_server.intake.PAUSE_S", 0.0)
        with pytest.raises(StoreUnwritable):
            await intake.take(rig.upload(0))
    assert (await intake.take(rig.upload(0))).outcome is Outcome.CREATED
    await rig.close()


async def test_a_worker_tells_refusals_as_they_are(tmp_path: Path, present: Signed[StudyManifest]) -> None:
    rig = Rig(tmp_path, present)
    intake = rig.intake()
    with pytest.raises(ReceiverError) as caught:
        await intake.take(rig.upload(0))
    assert (caught.value.status, caught.value.code) == (403, "consent-missing")
    await rig.close()
