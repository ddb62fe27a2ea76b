"""200 secrets through the whole device side, with every log at its loudest and parts of it failing: found nowhere.

The processes are the real ones. Python's own start-up hook (``sitecustomize``) turns all logging up to DEBUG, into a
file, and makes a part of the program raise an error that has the secret in its message.
"""

from __future__ import annotations

import os
import random
import string
from pathlib import Path
from typing import Any

import pyarrow.dataset
import pytest

from event_model.clock import SystemClock
from event_model.errors import OvertError
from event_model.events import FILLER
from local_store.custody import open_custody
from local_store.store import Store
from overt.demo.editor import did_change
from overt.demo.house import House

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("system")]

EACH = 50
"""Secrets for each of the four ways; 200 together."""

EACH_AT_A_FAULT = 12

PART = 8
"""So many characters of a secret in a row count as a hit."""

HOOK = """
import logging, os

logging.basicConfig(level=logging.DEBUG, filename=os.environ["CANARY_LOG"], force=True)
logging.raiseExceptions = True
fault = os.environ.get("CANARY_FAULT", "")


def breaking(place, name, after):
    real, calls = getattr(place, name), [0]

    def broken(*arguments, **named):
        calls[0] += 1
        if calls[0] > after:
            raise RuntimeError(f"forced: {arguments!r} {named!r} {getattr(arguments[0], '__dict__', '')}")
        return real(*arguments, **named)

    setattr(place, name, broken)


if fault == "filter":
    from privacy_filter.redactor import Redactor
    breaking(Redactor, "feed", 300)
elif fault == "scan":
    from privacy_filter.detectors.layered import LayeredDetector
    breaking(LayeredDetector, "find", 40)
elif fault == "store":
    from local_store.store import Store
    breaking(Store, "append", 3)
elif fault == "shadow":
    from lsp_collector.shadow import Shadow
    breaking(Shadow, "apply", 300)
"""


def canaries(each: int) -> list[str]:
    """Tokens of services, the same in every run; none stands in this file."""
    source = random.Random(4711)
    alphanumeric = string.ascii_letters + string.digits
    made = []
    for number in range(4 * each):
        body = "".join(source.choices(alphanumeric, k=36))
        kinds = [
            "gh" + "p_" + body,
            "AK" + "IA" + "".join(source.choices("QZ7XWN5KMRTVEGL3", k=16)),
            "sk_" + "live_" + body,
        ]
        made.append(kinds[number % 3])
    return made


def parts_in(data: bytes, secrets: list[str]) -> list[str]:
    """Give the parts of secrets, without their public prefixes, that stand in some bytes."""
    found = []
    for secret in secrets:
        tail = secret[8:]
        pieces = {tail[at : at + PART] for at in range(len(tail) - PART + 1)}
        found += [piece for piece in pieces if piece.encode() in data]
    return found


def repository(folder: Path, branches: list[str]) -> None:
    """Make a working copy that stands on a branch with a secret for its name, and knows others."""
    git = folder / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "objects").mkdir()
    (git / "HEAD").write_text(f"ref: refs/heads/{branches[0]}\n")
    lines = [f'[branch "{name}"]\n\tremote = origin\n\tmerge = refs/heads/{name}\n' for name in branches]
    (git / "config").write_text('[remote "origin"]\n\turl = https://git.example/acme/app.git\n' + "".join(lines))
    for name in branches:
        (git / "refs" / "heads" / name).write_text("0" * 40 + "\n")


async def work(house: House, secrets: list[str], seen: list[bytes]) -> None:
    """Write all secrets as a person does; what the process shows of itself meanwhile is put to ``seen``."""
    typed, pasted, names, branches = (secrets[at::4] for at in range(4))
    repository(house.work, branches)
    editor = await house.start_editor()
    uri = editor.open(house.work / "typed.py", "python", "")
    version = 0
    for line, secret in enumerate(typed):
        for column, sign in enumerate(f'key = "{secret}"'):
            version += 1
            await editor.send([did_change(uri, version, [insertion(line, column, sign)])])
        version += 1
        await editor.send([did_change(uri, version, [insertion(line, len(secret) + 8, "\n")])])
    uri = editor.open(house.work / "pasted.py", "python", "")
    for number, secret in enumerate(pasted):
        await editor.send([did_change(uri, number + 1, [insertion(number, 0, f"use({secret!r})\n")])])
    for secret in names:
        named = editor.open(house.work / f"notes-{secret}.txt", "text", "nothing\n")
        editor.close(named)
    process = Path("/proc") / str(editor.pid)
    if process.exists():
        seen += [(process / "cmdline").read_bytes(), (process / "environ").read_bytes()]
    status = await editor.request("overt/status")
    why = await editor.request("overt/why", {"uri": uri})
    seen += [repr(status).encode(), repr(why).encode()]
    try:
        await editor.stop()
    except OvertError:  # what fails on purpose may take the collector with it
        assert house.environment["CANARY_FAULT"]
        editor.kill()
        await editor.gone()


def insertion(line: int, column: int, text: str) -> dict[str, Any]:
    at = {"line": line, "character": column}
    return {"range": {"start": at, "end": at}, "text": text}


async def stored(house: House, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Give everything in the store, opened with its own keys, what is still pending left out."""
    monkeypatch.setenv("OVERT_KEYRING", "file")
    store = await Store.open(house.person, open_custody(house.person), clock=SystemClock())
    try:
        for orphan in await store.orphans():
            assert not await store.pending(orphan.session)
        return b"".join([repr(each).encode() async for each in store.events()])
    finally:
        await store.close()


@pytest.mark.parametrize("fault", ["", "filter", "scan", "store", "shadow"])
async def test_no_secret_is_in_logs_output_arguments_store_or_dataset(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = canaries(EACH_AT_A_FAULT if fault else EACH)
    assert len(set(secrets)) == (4 * EACH_AT_A_FAULT if fault else 4 * EACH)
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(HOOK)
    log = tmp_path / "debug.log"
    house = House(tmp_path / "house")
    await house.found_study()
    await house.join()
    house.environment |= {
        "PYTHONPATH": os.pathsep.join([str(hook), str(Path(__file__).parents[2])]),
        "PYTHONASYNCIODEBUG": "1",
        "CANARY_LOG": str(log),
        "CANARY_FAULT": fault,
    }
    seen: list[bytes] = []
    try:
        await work(house, secrets, seen)
        house.environment["CANARY_FAULT"] = ""
        await house.start_receiver()
        report = await house.sync()
        seen.append(repr(report).encode())
        seen += [(await house.overt(*command)).encode() for command in (("show",), ("status",), ("export",))]
        seen.append(await stored(house, monkeypatch))
        assert report["uploaded"] or fault  # what fails at its first events leaves nothing to send
        if report["uploaded"]:
            await house.build()
        for table in ("events", "documents") if report["uploaded"] else ():
            rows = pyarrow.dataset.dataset(house.dataset / table).to_table().to_pylist()
            seen.append(repr(rows).encode())
    finally:
        await house.close()
    out, err = capfd.readouterr()
    seen += [out.encode(), err.encode(), log.read_bytes()]
    seen += [path.read_bytes() for path in house.person.rglob("*") if path.is_file()]
    seen += [path.read_bytes() for path in house.received.rglob("*") if path.is_file()]
    assert [piece for data in seen for piece in parts_in(data, secrets)] == []
    assert log.stat().st_size > 100  # the hook was there
    kept = b"".join(seen)
    if not fault:
        assert kept.count(f'key = "{FILLER}'.encode()) >= EACH
        assert f"notes-{FILLER}".encode() in kept
