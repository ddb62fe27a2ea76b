"""Leaving and pausing on a disk without a free byte, in another process that has run into the limit."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consent_ledger.ledger import Ledger
from event_model.ids import StudyId
from event_model.keys import Secret
from tests.consent_ledger.consent_kit import DAY_MS, NOW_MS

ACT = """
import json, sys
from pathlib import Path
from consent_ledger.ledger import Ledger
from event_model.errors import OvertError
from event_model.keys import Secret

home, limit, act = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
if limit == "no-bytes":
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # every write of a file fails, as on a full disk
ledger, installation = Ledger(home), Secret(bytes.fromhex(sys.argv[4]))
NOW_MS = int(sys.argv[5])
before = ledger.fingerprint()
result = None
try:
    if act == "leave":
        result = ledger.leave("demo", now_ms=NOW_MS, installation=installation)
    elif act == "leave-without-key":
        result = ledger.leave("demo", now_ms=NOW_MS, installation=None)
    elif act == "join":
        ledger.join((home / "consent/demo/manifest.json").read_bytes(), installation=installation, now_ms=NOW_MS)
    else:
        ledger.pause(NOW_MS + 1000 if act == "pause-a-while" else None, NOW_MS)
    code = None
except OvertError as error:
    code = error.code
print(json.dumps({"result": result is not None, "code": code, "seen": ledger.fingerprint() != before}))
"""


@functools.cache
def can_mount() -> bool:
    """Say whether this process may mount a small file system of its own."""
    if os.name != "posix" or os.geteuid() != 0:
        return False
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            return False
        subprocess.run(["umount", folder], check=True)
        return True


# As root on Linux a real small disk is filled to its last byte and its last inode; everywhere else, and there too,
# the process is forbidden to write any byte.
LIMITS = ["no-bytes", *(["no-space", "no-inodes"] if can_mount() else [])]


@pytest.fixture(params=LIMITS)
def limit(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def home(limit: str, tmp_path: Path) -> Iterator[Path]:
    if limit == "no-bytes":
        yield tmp_path / "overt"
        return
    disk = tmp_path / "disk"
    disk.mkdir()
    options = "size=256k,nr_inodes=64" if limit == "no-inodes" else "size=256k"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=True)
    try:
        yield disk / "overt"
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def fill(home: Path, limit: str) -> list[Path]:
    """Fill the disk, and give the files that did it."""
    made: list[Path] = []
    with contextlib.suppress(OSError):
        for number in range(10_000):
            path = home.parent / f"filler-{number}"
            with path.open("wb", buffering=0) as file:
                made.append(path)
                while limit == "no-space" and file.write(bytes(4096)):
                    pass
    if limit == "no-space":
        with pytest.raises(OSError), (home.parent / "filler-0").open("ab", buffering=0) as file:
            file.write(b"x")
    return made


@pytest.fixture
def act(home: Path, limit: str, signed: bytes, installation: Secret) -> Iterator[Callable[[str], dict[str, object]]]:
    """Join, fill the disk, do something in another process, and say how that went."""
    Ledger(home).join(signed, installation=installation, now_ms=NOW_MS)
    filler: list[Path] = [] if limit == "no-bytes" else fill(home, limit)

    def run(what: str) -> dict[str, object]:
        arguments = [sys.executable, "-c", ACT, str(home), limit, what, installation.reveal().hex(), str(NOW_MS)]
        done = subprocess.run(arguments, capture_output=True, check=True, timeout=60)
        return dict(json.loads(done.stdout))

    yield run
    for path in filler:
        path.unlink(missing_ok=True)


def free(home: Path) -> None:
    for path in home.parent.glob("filler-*"):
        path.unlink()


@pytest.mark.parametrize("what", ["leave", "leave-without-key"])
def test_leaving_ends_consent_on_a_full_disk_and_is_signed_off_later(
    act: Callable[[str], dict[str, object]], home: Path, installation: Secret, what: str
) -> None:
    assert act(what) == {"result": False, "code": None, "seen": True}
    ledger = Ledger(home)
    assert [grant.refusal for grant in ledger.grants(NOW_MS)] == ["consent-withdrawn"]
    assert ledger.unfinished_withdrawals() == ("demo",)
    free(home)
    assert ledger.finish_withdrawals(installation, NOW_MS + DAY_MS) == ("demo",)
    assert len(ledger.outbox()) == 1
    with contextlib.suppress(FileNotFoundError):
        assert not list((home / "outbox").glob(".new-*"))


@pytest.mark.parametrize("what", ["pause", "pause-a-while"])
def test_pausing_holds_on_a_full_disk(act: Callable[[str], dict[str, object]], home: Path, what: str) -> None:
    done = act(what)
    assert done["seen"]
    ledger = Ledger(home)
    assert ledger.paused(NOW_MS)
    if what == "pause":
        assert done["code"] is None
    elif done["code"] == "disk-full":
        # No space to say when the pause ends: it lasts until it is ended.
        assert ledger.paused(NOW_MS + 1000 * DAY_MS)
    else:
        assert not ledger.paused(NOW_MS + 1000)
    free(home)
    ledger.resume()
    assert not ledger.paused(NOW_MS)


def test_joining_on_a_full_disk_says_so_and_leaves_the_old_consent(
    act: Callable[[str], dict[str, object]], home: Path
) -> None:
    (before,) = Ledger(home).grants(NOW_MS)
    assert act("join") == {"result": False, "code": "disk-full", "seen": False}
    (after,) = Ledger(home).grants(NOW_MS)
    assert after.live
    assert after.record == before.record
    assert StudyId("demo") == after.study
    assert not list((home / "consent/demo").glob(".new-*"))
