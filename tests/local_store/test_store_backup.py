"""The keys' backup: what it brings back, what it refuses, and what it leaves alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from event_model.errors import KeyUnavailable, StoreUnwritable
from local_store.backup import restore_backup, write_backup
from local_store.custody import open_custody
from tests.local_store.store_kit import SESSION, begin, every_byte, open_store, pending, typing

WORDS = "correct horse"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    return tmp_path / "home"


@pytest.fixture
def file(home: Path, tmp_path: Path) -> Path:
    write_backup(tmp_path / "backup.json", open_custody(home), WORDS)
    return tmp_path / "backup.json"


def lose_entry(home: Path) -> None:
    (home / "keys" / "root.key").unlink()


def damage_entry(home: Path) -> None:
    (home / "keys" / "root.key").write_bytes(b"rubbish")


def lose_custody(home: Path) -> None:
    (home / "keys" / "custody.json").unlink()


def damage_custody(home: Path) -> None:
    (home / "keys" / "custody.json").write_bytes(b"{")


@pytest.mark.parametrize("loss", [lose_entry, damage_entry, lose_custody, damage_custody])
async def test_a_store_whose_keys_were_lost_opens_again(home: Path, file: Path, loss: object) -> None:
    async with await open_store(home, open_custody(home)) as store:
        await begin(store)
        await store.append(pending(typing(0, 5)))
    assert callable(loss)
    loss(home)
    with pytest.raises(KeyUnavailable):
        open_custody(home)
    restored = restore_backup(home, file, WORDS)
    again = open_custody(home)
    assert (again.root.reveal(), again.installation.reveal()) == (
        restored.root.reveal(),
        restored.installation.reveal(),
    )
    async with await open_store(home, again) as store:
        assert await store.pending(SESSION) == typing(0, 5)


def test_keys_that_open_are_never_replaced(home: Path, file: Path) -> None:
    before = every_byte(home)
    with pytest.raises(KeyUnavailable) as caught:
        restore_backup(home, file, WORDS)
    assert caught.value.code == "keys-there"
    assert every_byte(home) == before


def test_a_wrong_passphrase_changes_nothing(home: Path, file: Path) -> None:
    lose_entry(home)
    before = every_byte(home)
    with pytest.raises(KeyUnavailable) as caught:
        restore_backup(home, file, WORDS + "!")
    assert caught.value.code == "passphrase-wrong"
    assert every_byte(home) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"type":"overt-key-backup"}', b"\xff" * 40, b"x" * 70_000])
def test_what_is_no_backup_is_refused(home: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(KeyUnavailable):
        restore_backup(home, tmp_path / "other", WORDS)
    assert not home.exists()


def test_a_backup_is_private_holds_no_key_and_replaces_no_file(home: Path, file: Path) -> None:
    keys = open_custody(home)
    data = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert (home / "keys" / "root.key").read_bytes().strip() not in data
    with pytest.raises(StoreUnwritable):
        write_backup(file, keys, WORDS)
    assert file.read_bytes() == data
