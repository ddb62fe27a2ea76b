"""Another root key: everything stays readable with it alone, whatever is cut off in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keyring
import pytest

from event_model.clock import ManualClock
from event_model.errors import KeyUnavailable, OvertError
from local_store import custody, rotation
from local_store.backup import restore_backup, write_backup
from local_store.custody import DeviceKeys, open_custody
from local_store.rotation import rotate
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
    class Cut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise Cut

    old = await filled(home)
    with monkeypatch.context() as patch:
        rewrap = rotation._rewrap
        calls: list[int] = []

        def settle_later(place: Path) -> None:
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
