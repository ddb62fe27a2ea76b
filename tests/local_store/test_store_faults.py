"""What goes wrong with processes, disks and bytes, and what must not come of it."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from event_model.clock import ManualClock
from event_model.errors import StoreDamaged, StoreError, StoreUnwritable
from event_model.ids import SessionId
from local_store import volumes
from local_store.files import RESERVE_BYTES
from local_store.forgetting import Selection
from local_store.journal import MERGE_EVENTS
from local_store.model import SegmentState
from local_store.store import Store
from tests.local_store.store_kit import (
    OTHER,
    SECOND,
    SESSION,
    STUDY,
    begin,
    edit,
    every_byte,
    gathered,
    masked,
    open_store,
    opening,
    pending,
    seal,
    sealed,
    typing,
)

KILLS = 4
ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).with_name("store_worker.py")


def start(*arguments: object) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )


def acknowledged(lines: list[str]) -> dict[SessionId, int]:
    said = [line.split() for line in lines]
    return {SessionId(words[1]): int(words[2]) for words in said if words[:1] == ["durable"] and len(words) == 3}


@pytest.mark.system
async def test_kill_loses_and_doubles_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(5)
    durable: dict[SessionId, int] = {}
    for _ in range(KILLS):
        worker = start("load", tmp_path)
        assert worker.stdout is not None
        lines = [worker.stdout.readline().decode() for _ in range(chance.randint(3, 100))]
        worker.send_signal(signal.SIGKILL)
        lines += worker.communicate()[0].decode().splitlines()
        durable |= acknowledged(lines)
        began = time.process_time()
        async with await open_store(tmp_path) as store:
            assert time.process_time() - began < 1
            for orphan in await store.orphans():
                await seal(store, masked(await store.pending(orphan.session), orphan.session))
                await store.end_session(orphan.session)
            report = await store.verify()
            assert (report.damaged, report.gaps, report.pending) == ((), (), 0)
            seen: dict[SessionId, list[int]] = {}
            async for each in store.events():
                seen.setdefault(each.session, []).append(each.event.index)
            for session, count in durable.items():
                assert len(seen[session]) >= count
            for indexes in seen.values():
                assert indexes == list(range(len(indexes)))
    assert len(durable) > KILLS


@pytest.mark.system
async def test_several_processes_append_and_seal_at_once(tmp_path: Path) -> None:
    workers = [start("some", tmp_path, 400) for _ in range(3)]
    async with await open_store(tmp_path) as store:
        await begin(store)
        for index in range(20):
            await store.append(pending(typing(index * 5, 5)))
            assert (await store.verify()).damaged == ()
        await seal(store, masked(await store.pending(SESSION)))
        for worker in workers:
            output, errors = worker.communicate()
            assert (worker.returncode, errors) == (0, b"")
            assert min(acknowledged(output.decode().splitlines()).values()) >= 400
        report = await store.verify()
        assert report.sound
        assert report.events >= 3 * 400 + 100
        infos = await store.segments()
        assert [info.number for info in infos] == list(range(len(infos)))


@pytest.mark.system
async def test_killed_while_forgetting_leaves_a_sound_store_and_forgetting_again_ends_it(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        for start_at in range(0, 150, 10):
            await sealed(store, typing(start_at, 10, f"marker{start_at}"))
    worker = start("destroy", tmp_path)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"begin\n"
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    async with await open_store(tmp_path) as store:
        assert (await store.verify()).sound
        await store.forget()
        assert (await store.verify()).sound
        assert [each async for each in store.events() if each.event.body.__class__.__name__ != "CaptureGap"] == []


@pytest.mark.system
async def test_a_file_size_limit_is_an_error_and_forgetting_still_works(tmp_path: Path) -> None:
    worker = start("limited", tmp_path, 300_000)
    output, errors = worker.communicate()
    lines = output.decode().splitlines()
    assert (worker.returncode, errors) == (0, b"")
    assert "refused store-unwritable" in lines
    (durable,) = acknowledged(lines).values()
    assert f"left {durable}" in lines
    assert lines[-1] == "forgotten 0"


@contextlib.contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of a few hundred kB, where we may mount one; tests ask for root before."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


if os.name == "posix" and os.geteuid() == 0 and shutil.which("mount"):

    @pytest.mark.parametrize("size", [600_000, 900_000])
    async def test_a_full_disk_stops_capture_and_not_forgetting(tmp_path: Path, size: int) -> None:
        with small_disk(tmp_path / "disk", size) as home:
            async with await open_store(home) as store:
                await begin(store)
                await begin(store, SECOND, OTHER)
                await sealed(store, typing(0, 20, "marker-sealed"))
                await store.append(pending(typing(0, 5), SECOND, OTHER))
                durable = await fill_with_events(store, 20)
                fill_disk(home / "filler")
                with pytest.raises(StoreUnwritable):
                    await store.append(pending(typing(durable, 5, os.urandom(20_000).hex())))
                assert len(await store.pending(SESSION)) == durable - 20
                done = await store.forget(Selection(study=STUDY, indexes=frozenset([19])))
                assert done.events >= 1
                fill_disk(home / "filler-2")
                await store.forget_study(STUDY)
                assert (await store.stats()).pending == 5
                (home / "filler").unlink()
                (home / "filler-2").unlink()
                await store.append(pending(typing(5, 5), SECOND, OTHER))
                assert (await store.verify()).sound
            async with await open_store(home) as store:
                assert len(await store.pending(SECOND)) == 10
                assert (home / "store" / "reserve").stat().st_size == RESERVE_BYTES

    async def test_a_read_only_file_system_is_a_clear_error(tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", 2_000_000) as home:
            async with await open_store(home) as store:
                await begin(store)
                await sealed(store, typing(0, 20))
            subprocess.run(["mount", "-o", "remount,ro", str(home)], check=True)
            with pytest.raises(StoreUnwritable, match=r"[Rr]ead-only"):
                async with await open_store(home) as store:
                    await store.append(pending(typing(0, 1)))
            subprocess.run(["mount", "-o", "remount,rw", str(home)], check=True)
            async with await open_store(home) as store:
                assert (await store.verify()).sound


MOUNTS = b"""\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 22 0:35 / /home/ann rw,relatime shared:2 - nfs4 server:/ann rw
41 40 0:36 / /home/ann/local\\040disk rw master:1 propagate_from:2 - xfs /dev/vdb rw
42 22 0:37 / /home/annex rw - fuse.sshfs ann@server: rw
43 22 0:38 / /srv rw - ext4 /dev/vdc rw
44 43 0:39 / /srv rw - cifs //server/share rw
45
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/home/bob", "ext4"),
        ("/home/ann", "nfs4"),
        ("/home/ann/.local/share/overt", "nfs4"),
        ("/home/ann/local disk/overt", "xfs"),
        ("/home/annex/overt", "fuse.sshfs"),
        ("/home/annexe", "ext4"),
        ("/srv/overt", "cifs"),
    ],
)
def test_the_file_system_of_a_folder_is_known(folder: str, kind: str) -> None:
    assert volumes.kind_at(Path(folder), MOUNTS) == kind


async def test_a_store_on_a_network_file_system_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(f"22 1 254:0 / / rw - ext4 /dev/vda rw\n40 22 0:35 / {tmp_path}/home rw - nfs4 server:/ann rw\n")
    monkeypatch.setattr(volumes, "_MOUNTS", table)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(StoreUnwritable, match="network file system") as caught:
        await open_store(tmp_path / "home")
    assert "OVERT_HOME" in str(caught.value.hint)
    assert not (tmp_path / "home" / "store" / "overt.sqlite3").exists()
    async with await Store.open(tmp_path / "home", None, clock=ManualClock(0)) as store:
        await store.forget_study(STUDY)  # leaving what was captured there before is never refused
    async with await open_store(tmp_path / "elsewhere"):
        pass


SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")

if shutil.which("sshfs") and SFTP_SERVER.exists() and Path("/dev/fuse").exists() and os.geteuid() == 0:

    async def test_a_real_network_file_system_is_told(tmp_path: Path) -> None:
        """Sshfs, without the network between: its server is started in the place of ssh."""
        (tmp_path / "remote").mkdir()
        (tmp_path / "mounted").mkdir()
        command = tmp_path / "ssh"
        command.write_text(f"#!/bin/sh\nexec {SFTP_SERVER}\n")
        command.chmod(0o700)
        mounted, remote = tmp_path / "mounted", f"there:{tmp_path}/remote"
        subprocess.run(["sshfs", "-o", f"ssh_command={command}", remote, str(mounted)], check=True)
        try:
            with pytest.raises(StoreUnwritable, match=r"network file system \(fuse\.sshfs\)"):
                await open_store(mounted / "home")
            assert not (tmp_path / "remote" / "home" / "store" / "overt.sqlite3").exists()
            async with await Store.open(mounted / "home", None, clock=ManualClock(0)) as store:
                await store.forget_study(STUDY)
        finally:
            subprocess.run(["umount", str(mounted)], check=True)


FORKS = """
import asyncio, os, sys
from event_model.errors import StoreError
from tests.local_store.store_kit import *

async def main(home):
    async with await open_store(home) as store:
        await begin(store)
        await store.append(pending(typing(0, 5)))
        await store.append(pending(typing(5, 5)))
        child = os.fork()
        if child == 0:
            refused = 0
            for act in (lambda: store.append(pending(typing(10, 5))), store.verify, store.stats, store.forget):
                try:
                    await act()
                except StoreError as error:
                    refused += error.code == "store-forked"
            os._exit(refused)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 4
        await store.append(pending(typing(10, 5)))
        assert [event.index for event in await store.pending(SESSION)] == list(range(15))
        assert (await store.verify()).sound

asyncio.run(main(__import__("pathlib").Path(sys.argv[1])))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_fork_is_refused_and_its_parent_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", FORKS, str(tmp_path)], env=environment, capture_output=True, check=False, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, b"")


async def fill_with_events(store: Store, index: int) -> int:
    try:
        while True:
            await store.append(pending([edit(index + each, os.urandom(100).hex()) for each in range(100)]))
            index += 100
    except StoreUnwritable:
        return index


def fill_disk(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(os.urandom(512)):
            pass


async def test_a_store_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "store").write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreUnwritable):
        await open_store(tmp_path / "home")


async def test_a_database_made_read_only_is_an_error_and_stays_readable(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending(typing(0, 3)))
        await store._database.read(lambda connection: connection.execute("PRAGMA query_only = ON"))
        with pytest.raises(StoreUnwritable):
            await store.append(pending(typing(3, MERGE_EVENTS + 1)))
        assert len(await store.pending(SESSION)) == 3


async def test_another_process_that_holds_the_store_too_long_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local_store.schema.BUSY_TIMEOUT_S", 0.05)
    async with await open_store(tmp_path) as store:
        await begin(store)
        other = sqlite3.connect(tmp_path / "store" / "overt.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnwritable, match="another process"):
            await store.append(pending(typing(0, 3)))
        other.execute("ROLLBACK")
        other.close()
        await store.append(pending(typing(0, 3)))


async def test_a_store_opened_before_a_fork_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with await open_store(tmp_path) as store:
        with monkeypatch.context() as patch:
            patch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(StoreError, match="fork"):
                await store.segments()


@pytest.mark.parametrize("content", [b"not a database at all" * 300, b"SQLite format 3\x00" + bytes(4080)])
async def test_what_is_no_database_is_damaged_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store" / "overt.sqlite3"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreError):
        await open_store(tmp_path)
    assert path.read_bytes() == content


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store" / "overt.sqlite3"
    path.parent.mkdir()
    foreign = sqlite3.connect(path)
    foreign.execute("CREATE TABLE t (x)")
    foreign.execute("PRAGMA user_version = 7")
    foreign.close()
    with pytest.raises(StoreDamaged) as caught:
        await open_store(tmp_path)
    assert caught.value.code == "store-foreign"


async def test_a_changed_byte_of_a_segment_concerns_that_segment_only(tmp_path: Path) -> None:
    chance = random.Random(3)
    async with await open_store(tmp_path) as store:
        await begin(store)
        infos = [await sealed(store, typing(number * 100, 100, f"text {number} ")) for number in range(8)]
        bodies = [await body_of(store, info.number) for info in infos]
    path = tmp_path / "store" / "overt.sqlite3"
    intact = path.read_bytes()
    for info in chance.sample(infos, 3):
        data = bytearray(intact)
        at = data.index(bodies[info.number][:64])
        data[at + chance.randrange(64)] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        async with await open_store(tmp_path) as store:
            with pytest.raises(StoreDamaged):
                await store.read(info)
            for other in infos:
                if other.number != info.number:
                    assert (await store.read(other)).events == typing(other.number * 100, 100, f"text {other.number} ")
            shown = [each.event.index async for each in store.events()]
            assert shown == [i for i in range(800) if i // 100 != info.number]
            report = await store.verify()
            assert [(each.what, each.first_index) for each in report.damaged] == [("segment", info.first_index)]
            assert (await store.segments())[info.number].state is SegmentState.DAMAGED
            assert info.number not in [each.number for each in await store.due(STUDY, sealed_before_ms=2**50)]
            assert (await store.stats()).studies[0].damaged == 100
            assert (await store.forget()).events == 800


async def test_damage_in_the_journal_leaves_gaps_and_the_rest(tmp_path: Path) -> None:
    async with await open_store(tmp_path) as store:
        await begin(store)
        await store.append(pending((opening(0), *typing(1, 9))))
        await store.append(pending((opening(10, document=2), *typing(11, 9))))
        await gathered(store)
        await store.append(pending((opening(20), *typing(21, 9))))
        await gathered(store)
        await store._database.write(
            lambda connection: connection.execute(
                "UPDATE journal SET body = zeroblob(50) WHERE place & 4294967295 = 10"
            )
        )
        events = await store.pending(SESSION)
        assert [event.index for event in events] == list(range(30))
        assert (events[:10], events[20:]) == ((opening(0), *typing(1, 9)), (opening(20), *typing(21, 9)))
        (damage,) = (await store.verify()).damaged
        assert (damage.what, damage.first_index, damage.events) == ("journal", 10, 10)
        info = await seal(store, masked(events))
        assert info.count == 30
        assert (await store.verify()).sound


async def test_random_bit_rot_never_gives_a_wrong_event(tmp_path: Path) -> None:
    chance = random.Random(11)
    async with await open_store(tmp_path) as store:
        await begin(store)
        for number in range(6):
            await sealed(store, typing(number * 50, 50, f"text {number} "))
        await store.append(pending(typing(300, 20)))
        right = {each.event.index: each.event async for each in store.events()}
    path = tmp_path / "store" / "overt.sqlite3"
    intact = path.read_bytes()
    for _ in range(30):
        data = bytearray(intact)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        with contextlib.suppress(StoreError, ExceptionGroup):
            async with await open_store(tmp_path) as store:
                async for each in store.events():
                    if each.state != "pending":
                        assert right[each.event.index] == each.event
                await store.verify()
    path.write_bytes(intact)
    async with await open_store(tmp_path) as store:
        assert {each.event.index: each.event async for each in store.events()} == right


async def test_the_reserve_is_made_and_made_again(tmp_path: Path) -> None:
    reserve = tmp_path / "store" / "reserve"
    async with await open_store(tmp_path) as store:
        assert reserve.stat().st_size == RESERVE_BYTES
        reserve.unlink()
        await store.forget()
        assert reserve.stat().st_size == RESERVE_BYTES
    assert b"overt.sqlite3" in every_byte(tmp_path)


async def body_of(store: Store, number: int) -> bytes:
    row = await store._database.read(
        lambda connection: connection.execute("SELECT body FROM segments WHERE number = ?", (number,)).fetchone()
    )
    return bytes(row[0])


async def test_a_damaged_schema_that_is_no_text_is_damage(tmp_path: Path) -> None:
    async with await open_store(tmp_path):
        pass
    path = tmp_path / "store" / "overt.sqlite3"
    data = path.read_bytes()
    at = data.index(b"CREATE TABLE studies")
    path.write_bytes(data[:at] + b"CREATE \xd9\xd9BLE" + data[at + 12 :])
    async with await open_store(tmp_path) as store:
        assert (await store.verify()).sound
        assert len(store.set_aside()) == 1
