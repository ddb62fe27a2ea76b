"""Uploads with either side killed at every step: every event arrives exactly once, and no receipt comes too early."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from consent_ledger.ledger import Ledger
from event_model.clock import SystemClock
from event_model.envelope import open_envelope, parse_envelope
from event_model.events import DocumentEdit
from event_model.keys import pseudonym_of, study_signing_key
from event_model.segment import decode_segment
from local_store.custody import open_custody
from tests.faults.fault_effort import effort
from tests.ingest_server.kit import CUSTODIAN, RECEIVER_KEY, Person, client_at, make_manifest
from tests.ingest_server.receiver_process import KILL_AT_STEP, running
from tests.sync_client.device import Device, manifest_for
from tests.sync_client.front import Front, endless, forward

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("fault-sync")]

WORKER = Path(__file__).with_name("sync_worker.py")
ROOT = Path(__file__).parents[2]
NOW = 1_767_312_000_000
"""A day after the devices joined."""

TEXTS = ["one", "two", "three"]

MAX_MEMORY_KIB = 64 << 10

DEVICE_STEPS = 26
"""A little more than an upload of three segments takes: the log, the consent, and twice three steps a segment."""

RECEIVER_STEPS = 20


@pytest.fixture
def front() -> Iterator[Front]:
    front = Front()
    yield front
    front.close()


async def prepare(folder: Path, front: Front, *texts: str) -> Device:
    device = Device(folder / "home", manifest_for(front.url))
    device.keys = open_custody(device.home)
    device.installation = device.keys.installation
    device.ledger = Ledger(device.home)
    device.pseudonym = pseudonym_of(study_signing_key(device.installation, device.study).verify_key)
    device.join()
    store = await device.open()
    await device.type(store, *texts)
    await store.close()
    return device


def sync(device: Device, kill_at: int = 0) -> int:
    command = [sys.executable, str(WORKER), str(device.home), str(kill_at)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL, timeout=120).returncode


def arrived(data: Path, device: Device) -> list[str]:
    texts = []
    for path in sorted(data.glob(f"segments/{device.study}/{device.pseudonym}/**/*.overt")):
        content = decode_segment(open_envelope(parse_envelope(path.read_bytes()), CUSTODIAN))
        texts += [event.body.inserted for event in content.events if isinstance(event.body, DocumentEdit)]
    return texts


@pytest.mark.parametrize("run", range(effort(4, 200)))
async def test_whoever_is_killed_at_whichever_step_every_event_arrives_once(
    tmp_path: Path, front: Front, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    chance = random.Random(run)
    device = await prepare(tmp_path, front, *TEXTS)
    data = tmp_path / "data"
    # Over 200 runs each side is killed at each of its steps several times, alone and both in one run.
    receiver_step = 1 + run % RECEIVER_STEPS if run % 3 else 0
    device_step = 1 + chance.randrange(DEVICE_STEPS) if run % 3 != 1 else 0
    with running(data, device.signed, RECEIVER_KEY, SystemClock().wall_ms(), f"{KILL_AT_STEP}{receiver_step}") as (
        url,
        _,
    ):
        front.upstream = httpx.URL(url).port or 0
        sync(device, device_step)
    with running(data, device.signed, RECEIVER_KEY, SystemClock().wall_ms()) as (url, _):
        front.upstream = httpx.URL(url).port or 0
        assert sync(device) == 0
    assert arrived(data, device) == TEXTS
    store = await device.open()
    assert [info.state.value for info in await store.segments()] == ["uploaded"] * 3
    await store.close()


@pytest.mark.parametrize("limit", [0, 20_000, 100_000])
def test_a_full_disk_gives_no_receipt_whichever_write_it_meets(tmp_path: Path, limit: int) -> None:
    """No file may grow beyond the limit: at 0 nothing is written, at 20,000 the object but no row."""
    person = Person(make_manifest())
    data = tmp_path / "data"
    sealed = person.envelope(0, payload=bytes(50_000) if limit == 100_000 else b"small")
    with running(data, person.manifest.raw, RECEIVER_KEY, NOW) as (url, process), client_at(url) as client:
        assert client.put(f"{person.path}/consent", content=person.consent()).status_code == 201
        before = resource.prlimit(process, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        answer = client.put(person.segment_path(0), content=sealed)
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)
        if limit < 100_000:
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"]
        assert client.put(person.segment_path(0), content=sealed).status_code in ({200} if answer.is_success else {201})
        assert not list(data.glob("**/*.part"))
    (stored,) = data.glob("segments/**/*.overt")
    assert stored.read_bytes() == sealed


async def test_an_answer_of_a_gigabyte_costs_no_memory_and_loses_nothing(
    tmp_path: Path, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERT_KEYRING", "file")
    device = await prepare(tmp_path, front, *TEXTS)
    front.otherwise = endless
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(WORKER), str(device.home), "0"]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, timeout=120)
    assert ended.returncode == 7
    assert int(ended.stdout.split()[1]) < MAX_MEMORY_KIB
    data = tmp_path / "data"
    with running(data, device.signed, RECEIVER_KEY, SystemClock().wall_ms()) as (url, _):
        front.upstream = httpx.URL(url).port or 0
        front.otherwise = forward
        assert sync(device) == 0
    assert arrived(data, device) == TEXTS
