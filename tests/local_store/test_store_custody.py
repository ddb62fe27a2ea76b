from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keyring
import keyring.backend
import pytest
from keyring.backends.fail import Keyring as FailKeyring
from keyring.backends.null import Keyring as NullKeyring
from keyring.errors import KeyringLocked

from event_model.errors import KeyUnavailable
from local_store import custody
from local_store.custody import open_custody


class MemoryKeyring(keyring.backend.KeyringBackend):
    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.locked:
            raise KeyringLocked("locked")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.locked:
            raise KeyringLocked("locked")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.entries[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> MemoryKeyring:
    monkeypatch.delenv(custody.BACKEND_VARIABLE, raising=False)
    ring = MemoryKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: ring)
    return ring


@pytest.fixture
def quick_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(custody, "ARGON2_MEMORY_KIB", 64)
    monkeypatch.setattr(custody, "ARGON2_ITERATIONS", 1)


def use(monkeypatch: pytest.MonkeyPatch, backend: keyring.backend.KeyringBackend) -> None:
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)


def same(one: custody.DeviceKeys, other: custody.DeviceKeys) -> bool:
    return (one.root.reveal(), one.installation.reveal()) == (other.root.reveal(), other.installation.reveal())


def all_bytes(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def test_keys_are_kept_in_the_keyring_and_found_again(tmp_path: Path, ring: MemoryKeyring) -> None:
    keys = open_custody(tmp_path)
    assert (keys.kept_in, keys.warning) == ("keyring", None)
    assert len(ring.entries) == 1
    assert same(keys, open_custody(tmp_path))
    assert not same(keys, open_custody(tmp_path / "elsewhere"))
    for content in all_bytes(tmp_path).values():
        assert keys.root.reveal() not in content
        assert keys.installation.reveal() not in content


@pytest.mark.parametrize("backend", [NullKeyring(), FailKeyring()])
def test_a_keyring_that_keeps_nothing_is_noticed(
    tmp_path: Path, ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, backend: keyring.backend.KeyringBackend
) -> None:
    use(monkeypatch, backend)
    keys = open_custody(tmp_path / "auto")
    assert keys.kept_in == "file"
    assert keys.warning
    assert same(keys, open_custody(tmp_path / "auto"))
    with pytest.raises(KeyUnavailable):
        open_custody(tmp_path / "asked", backend="keyring")
    assert not (tmp_path / "asked" / "keys" / "custody.json").exists()


@pytest.mark.parametrize("trouble", ["locked", "deleted", "null", "other"])
def test_a_keyring_that_does_not_give_the_key_changes_nothing(
    tmp_path: Path, ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    keys = open_custody(tmp_path)
    before, entries = all_bytes(tmp_path), dict(ring.entries)
    if trouble == "locked":
        ring.locked = True
    elif trouble == "deleted":
        ring.entries.clear()
    elif trouble == "null":
        use(monkeypatch, NullKeyring())
    else:
        ring.entries = dict.fromkeys(ring.entries, "A" * 43 + "=")
    with pytest.raises(KeyUnavailable) as caught:
        open_custody(tmp_path)
    assert caught.value.hint
    assert all_bytes(tmp_path) == before
    ring.entries, ring.locked = entries, False
    use(monkeypatch, ring)
    assert same(keys, open_custody(tmp_path))


def test_the_file_backend_is_private_and_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(custody.BACKEND_VARIABLE, "file")
    keys = open_custody(tmp_path / "home")
    assert (keys.kept_in, bool(keys.warning)) == ("file", True)
    for path in (tmp_path / "home").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert same(keys, open_custody(tmp_path / "home", backend="keyring"))


@pytest.mark.usefixtures("quick_argon2")
def test_the_passphrase_backend_opens_with_the_right_one_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(custody.BACKEND_VARIABLE, raising=False)
    keys = open_custody(tmp_path, backend="passphrase", passphrase=lambda: "correct horse")
    assert keys.kept_in == "passphrase"
    assert same(keys, open_custody(tmp_path, passphrase=lambda: "correct horse"))
    before = all_bytes(tmp_path)
    with pytest.raises(KeyUnavailable, match="not the one"):
        open_custody(tmp_path, passphrase=lambda: "wrong")
    with pytest.raises(KeyUnavailable, match="no one to ask"):
        open_custody(tmp_path)
    assert all_bytes(tmp_path) == before


@pytest.mark.usefixtures("quick_argon2")
def test_without_a_keyring_a_passphrase_goes_before_a_file(
    tmp_path: Path, ring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, FailKeyring())
    assert open_custody(tmp_path, passphrase=lambda: "correct horse").kept_in == "passphrase"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b"\xff", b'{"version":9,"backend":"file","entry":"","installation":""}', b"x" * 100_000],
)
def test_a_malformed_custody_is_an_error_and_stays(tmp_path: Path, content: bytes) -> None:
    open_custody(tmp_path, backend="file")
    path = tmp_path / "keys" / "custody.json"
    path.write_bytes(content)
    with pytest.raises(KeyUnavailable):
        open_custody(tmp_path, backend="file")
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"not base64 !", b"AAAA", b"A" * 43 + b"="])
def test_a_damaged_root_key_file_is_an_error_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv(custody.BACKEND_VARIABLE, "file")
    open_custody(tmp_path)
    path = tmp_path / "keys" / "root.key"
    path.write_bytes(content)
    with pytest.raises(KeyUnavailable):
        open_custody(tmp_path)
    assert path.read_bytes() == content
    path.unlink()
    with pytest.raises(KeyUnavailable) as caught:
        open_custody(tmp_path)
    assert caught.value.code == "key-missing"
    assert not path.exists()


@pytest.mark.parametrize("used", ["store/overt.sqlite3", "consent/some-study/record.json"])
def test_no_new_keys_are_made_beside_an_old_store(tmp_path: Path, used: str) -> None:
    path = tmp_path / used
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    with pytest.raises(KeyUnavailable) as caught:
        open_custody(tmp_path, backend="file")
    assert caught.value.code == "custody-missing"


def test_a_first_run_that_was_killed_before_its_custody_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(custody.BACKEND_VARIABLE, "file")
    keys = open_custody(tmp_path)
    (tmp_path / "keys" / "custody.json").unlink()
    again = open_custody(tmp_path)
    assert again.root.reveal() == keys.root.reveal()
    assert same(again, open_custody(tmp_path))


def test_an_unknown_backend_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(custody.BACKEND_VARIABLE, "cloud")
    with pytest.raises(KeyUnavailable, match="cloud"):
        open_custody(tmp_path)


def test_first_runs_at_once_agree_on_one_custody(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from local_store.custody import open_custody;"
        "keys = open_custody(pathlib.Path(sys.argv[1]));"
        "print(keys.root.derive('test').reveal().hex(), keys.installation.derive('test').reveal().hex())"
    )
    environment = {**os.environ, custody.BACKEND_VARIABLE: "file", "PYTHONPATH": str(Path.cwd())}
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, env=environment)
        for _ in range(3)
    ]
    answers = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert len(answers) == 1
