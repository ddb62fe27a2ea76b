"""Another root key: everything stays readable with it alone, whatever is cut off in between."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import pytest

from event_model.clock import ManualClock
from event_model.errors import KeyUnavailable, OvertError, StoreDamaged
from event_model.keys import Secret
from local_store import custody, mending, rotation
from local_store.backup import restore_backup, write_backup
from local_store.custody import DeviceKeys, open_custody
from local_store.ownership import count_opened
from local_store.rotation import rotate
from local_store.schema import PAGE_BYTES
from local_store.store import Store
from tests.local_store.store_kit import SESSION, START_MS, begin, every_byte, masked, pending, seal, typing
from tests.local_store.test_store_custody import MemoryKeyring


@pytest.fixture(params=["file", "keyring", "passphrase"])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVERT_KEYRING", request.param)
    monkeypatch.setattr(custody, "ARGON2_MEMORY_KIB", 64)
    ring = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    return tmp_path / "home"


def opened(home: Path) -> DeviceKeys:
    return open_custody(home, passphrase=lambda: "correct horse")


async def open_store(home: Path, keys: DeviceKeys | None = None) -> Store:
    return await Store.open(home, keys or opened(home), clock=ManualClock(START_MS))


async def filled(home: Path) -> DeviceKeys:
    """A store with a segment and pending events, in a row and in the file."""
    keys = opened(home)
    async with await open_store(home, keys) as store:
        await begin(store)
        await store.append(pending(typing(0, 10, "sealed")))
        await seal(store, masked(await store.pending(SESSION)))
        await store.append(pending(typing(10, 5, "row")))
        await store.append(pending(typing(15, 5, "file")))
    return keys


async def whole(home: Path, keys: DeviceKeys | None = None) -> bool:
    async with await open_store(home, keys) as store:
        events = [each.event async for each in store.events()]
        assert (await store.verify()).sound
        return events == [*typing(0, 10, "sealed"), *typing(10, 5, "row"), *typing(15, 5, "file")]


async def test_a_store_in_which_nothing_was_kept_yet_is_rotated_too(home: Path) -> None:
    keys = opened(home)
    async with await open_store(home, keys):
        pass
    for _ in range(2):
        keys = rotate(home, keys, passphrase=lambda: "correct horse")
        assert opened(home).root.reveal() == keys.root.reveal()
    async with await open_store(home) as store:
        await begin(store)
        await store.append(pending(typing(0, 10, "kept")))
    rotate(home, keys, passphrase=lambda: "correct horse")
    async with await open_store(home) as store:
        assert len(await store.pending(SESSION)) == 10


async def test_a_store_whose_custody_is_gone_goes_under_a_custody_of_its_own(home: Path) -> None:
    keys = opened(home)
    async with await open_store(home, keys):
        pass
    (home / "keys" / "custody.json").unlink()
    new = rotate(home, keys, passphrase=lambda: "correct horse")
    assert opened(home).root.reveal() == new.root.reveal() != keys.root.reveal()


async def test_after_a_rotation_the_new_key_alone_opens_everything(home: Path) -> None:
    old = await filled(home)
    new = rotate(home, old, passphrase=lambda: "correct horse")
    assert new.root.reveal() != old.root.reveal() == old.root.reveal()
    assert new.installation.reveal() == old.installation.reveal() == opened(home).installation.reveal()
    assert opened(home).root.reveal() == new.root.reveal()
    assert await whole(home)
    with pytest.raises(KeyUnavailable) as caught:
        await open_store(home, old)
    assert caught.value.code == "key-wrong"
    assert custody.to_text(old.root.reveal()).encode() not in every_byte(home)
    assert not list((home / "keys").glob("*.next"))
    ring: Any = keyring.get_keyring()
    assert len(ring.entries) <= 1


@pytest.mark.parametrize("step", ["keep", "rewrap", "commit", "settle", "replace"])
async def test_a_rotation_that_was_cut_off_is_ended_or_taken_back(
    home: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> None:
        raise Cut

    old = await filled(home)
    with monkeypatch.context() as patch:
        rewrap = rotation._rewrap
        calls: list[int] = []

        def settle_later(*_: object) -> None:
            calls.append(1)
            if len(calls) > 1:
                raise Cut

        if step == "keep":
            patch.setattr(custody, "create_once", cut)
        elif step == "rewrap":
            patch.setattr(rotation, "_rewrap", cut)
        elif step == "commit":
            patch.setattr(rotation, "_rewrap", lambda *found: (rewrap(*found), cut()))
        elif step == "settle":
            patch.setattr(custody, "settle_rotation", settle_later)
        else:
            patch.setattr(Path, "replace", cut)
        if step in {"rewrap", "commit"}:
            patch.setattr(custody, "settle_rotation", settle_later)
        with pytest.raises(Cut):
            rotate(home, old, passphrase=lambda: "correct horse")
    now = opened(home)
    assert (now.root.reveal() == old.root.reveal()) == (step in {"keep", "rewrap"})
    assert now.installation.reveal() == old.installation.reveal()
    assert await whole(home)
    assert not list((home / "keys").glob("*.next"))
    rotate(home, now, passphrase=lambda: "correct horse")
    assert await whole(home)


class Cut(BaseException):
    """The process ends here."""


async def cut_off(home: Path, *, committed: bool) -> DeviceKeys:
    """Rotate up to the transaction that decides, or past it; gives the old keys."""
    old = await filled(home)
    rewrap = rotation._rewrap

    def cut(*found: Any) -> None:
        if committed:
            rewrap(*found)
        raise Cut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotation, "_rewrap", cut)
        settle = custody.settle_rotation
        patch.setattr(custody, "settle_rotation", lambda *found: None if pending_rotation(home) else settle(*found))
        with pytest.raises(Cut):
            rotate(home, old, passphrase=lambda: "correct horse")
    assert pending_rotation(home)
    return old


def pending_rotation(home: Path) -> bool:
    return (home / "keys" / "custody.json.next").exists()


def database(home: Path) -> Path:
    return home / "store" / "overt.sqlite3"


def spoil_page(home: Path, number: int) -> None:
    with database(home).open("r+b") as file:
        file.seek((number - 1) * PAGE_BYTES)
        file.write(bytes(PAGE_BYTES))


def spoil_first_page(home: Path) -> None:
    spoil_page(home, 1)


def spoil_check_page(home: Path) -> None:
    spoil_page(home, root_page(home, "meta"))


def spoil_keys_page(home: Path) -> None:
    spoil_page(home, root_page(home, "keys"))


def spoil_check(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(database(home))) as connection:
        connection.execute("UPDATE meta SET value = zeroblob(16) WHERE name = 'root-check'")
        connection.commit()


def root_page(home: Path, table: str) -> int:
    with contextlib.closing(sqlite3.connect(database(home))) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0])


@pytest.mark.parametrize("harm", [spoil_first_page, spoil_check_page, spoil_keys_page, spoil_check])
@pytest.mark.parametrize("committed", [False, True])
async def test_damage_in_a_rotation_that_was_cut_off_costs_nothing(
    home: Path, harm: Callable[[Path], None], *, committed: bool
) -> None:
    old = await cut_off(home, committed=committed)
    harm(home)
    with contextlib.suppress(StoreDamaged):  # what is met at work is mended at the next opening
        await whole(home)
    assert await whole(home)
    now = opened(home)
    assert (now.root.reveal() == old.root.reveal()) != committed
    assert not pending_rotation(home)
    new = rotate(home, now, passphrase=lambda: "correct horse")
    assert await whole(home)
    for gone in (old, now):
        with pytest.raises(KeyUnavailable):
            await open_store(home, gone)
    assert keys_opened(home, old.root) == keys_opened(home, now.root) == 0
    assert keys_opened(home, new.root) > 0


async def test_what_a_mending_set_aside_goes_with_the_key_it_is_under(home: Path) -> None:
    old = await filled(home)
    spoil_first_page(home)
    assert await whole(home)
    (aside,) = mending.set_aside(database(home))
    assert count_opened(aside, old.root) > 0
    rotate(home, old, passphrase=lambda: "correct horse")
    assert mending.set_aside(database(home)) == []
    assert await whole(home)


async def test_a_store_that_can_not_tell_its_key_costs_neither(home: Path) -> None:
    await cut_off(home, committed=True)
    before = database(home).read_bytes()
    database(home).write_bytes(bytes(len(before)))
    with pytest.raises(KeyUnavailable) as caught:
        opened(home)
    assert caught.value.code == "key-unsettled"
    database(home).write_bytes(before)
    assert await whole(home)


def keys_opened(home: Path, root: Secret) -> int:
    """Count the keys that a root opens in everything that lies in the store's folder."""
    return sum(count_opened(path, root) for path in (home / "store").iterdir() if path.is_file())


async def test_a_program_that_still_holds_the_old_key_writes_and_marks_nothing(home: Path) -> None:
    old = await filled(home)
    async with await open_store(home, old) as store:
        rotate(home, old, passphrase=lambda: "correct horse")
        await store.orphans()
        for act in (store.append(pending(typing(20, 5))), store.verify(), store.pending(SESSION)):
            with pytest.raises(KeyUnavailable) as caught:
                await act
            assert caught.value.code == "key-rotated"
    assert await whole(home)


async def test_a_backup_from_before_is_refused_and_a_new_one_works(home: Path, tmp_path: Path) -> None:
    old = await filled(home)
    write_backup(tmp_path / "before", old, "correct horse")
    new = rotate(home, old, passphrase=lambda: "correct horse")
    write_backup(tmp_path / "after", new, "correct horse")
    (home / "keys" / "custody.json").write_bytes(b"gone")
    with pytest.raises(OvertError) as caught:
        restore_backup(home, tmp_path / "before", "correct horse")
    assert caught.value.code == "backup-outdated"
    restore_backup(home, tmp_path / "after", "correct horse")
    assert await whole(home)


@pytest.mark.parametrize("harm", [spoil_first_page, spoil_check_page, spoil_check])
async def test_a_backup_is_put_back_beside_a_damaged_store(
    home: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    old = await filled(home)
    write_backup(tmp_path / "before", old, "correct horse")
    new = rotate(home, old, passphrase=lambda: "correct horse")
    write_backup(tmp_path / "after", new, "correct horse")
    (home / "keys" / "custody.json").write_bytes(b"gone")
    harm(home)
    with pytest.raises(OvertError) as caught:
        restore_backup(home, tmp_path / "before", "correct horse")
    assert caught.value.code == "backup-outdated"
    restore_backup(home, tmp_path / "after", "correct horse")
    assert await whole(home)
