"""The receiver as a real process on a real port, killed at the worst moments."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import httpx
import pytest

from event_model.errors import ReceiverError
from event_model.receipts import DELETION_RECEIPT, DeletionReceipt
from event_model.signed import open_document
from ingest_server.server import ReceiverSettings, serve
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person, SignedRequests, client_at
from tests.ingest_server.receiver_process import (
    KILL_AFTER_OBJECT,
    KILL_BEFORE_ANSWER,
    KILL_WHILE_ERASING,
    running,
)

pytestmark = pytest.mark.system


def start(data: Path, person: Person, fault: str = ""):
    return running(data, person.manifest.raw, RECEIVER_KEY, NOW, fault)


def objects(data: Path) -> list[Path]:
    return sorted(data.glob("segments/**/*.overt"))


@pytest.mark.parametrize(("fault", "status"), [(KILL_AFTER_OBJECT, 201), (KILL_BEFORE_ANSWER, 200)])
def test_killed_between_object_and_answer_it_stores_once(
    tmp_path: Path, person: Person, fault: str, status: int
) -> None:
    data = tmp_path / "data"
    chain = person.chain(2)
    with start(data, person, fault) as (url, _), client_at(url) as client:
        assert client.put(f"{person.path}/consent", content=person.consent()).status_code == 201
        with pytest.raises(httpx.HTTPError):
            client.put(person.segment_path(0), content=chain[0])
    assert len(objects(data)) == 1
    with start(data, person) as (url, _), client_at(url) as client:
        assert client.put(person.segment_path(0), content=chain[0]).status_code == status
        assert client.put(person.segment_path(0), content=chain[0]).status_code == 200
        assert client.put(person.segment_path(1), content=chain[1]).status_code == 201
    assert [path.read_bytes() for path in objects(data)] == chain


def test_an_object_without_a_row_gives_way_to_other_bytes(tmp_path: Path, person: Person) -> None:
    data = tmp_path / "data"
    with (
        start(data, person, KILL_AFTER_OBJECT) as (url, _),
        client_at(url) as client,
    ):
        client.put(f"{person.path}/consent", content=person.consent())
        with pytest.raises(httpx.HTTPError):
            client.put(person.segment_path(0), content=person.envelope(0))
    rewritten = person.envelope(0, payload=b"what is left")
    with start(data, person) as (url, _), client_at(url) as client:
        assert client.put(person.segment_path(0), content=rewritten).status_code == 201
    assert [path.read_bytes() for path in objects(data)] == [rewritten]


def test_a_deletion_that_died_half_way_is_finished_by_the_next_attempt(tmp_path: Path, person: Person) -> None:
    data = tmp_path / "data"
    body = person.deletion()
    chain = person.chain(3)
    with (
        start(data, person, KILL_WHILE_ERASING) as (url, _),
        client_at(url) as client,
    ):
        client.put(f"{person.path}/consent", content=person.consent())
        for number, sealed in enumerate(chain):
            client.put(person.segment_path(number), content=sealed)
        with pytest.raises(httpx.HTTPError):
            client.post(f"{person.path}/deletions", content=body)
    assert len(objects(data)) == 2
    with start(data, person) as (url, _), client_at(url) as client:
        assert client.put(person.segment_path(0), content=chain[0]).status_code == 403
        answer = client.post(f"{person.path}/deletions", content=body)
    receipt = open_document(DELETION_RECEIPT, answer.content, DeletionReceipt, key=RECEIVER_KEY.verify_key).payload
    assert receipt.segments_erased == 3
    assert objects(data) == []


async def test_sixteen_at_once_over_sixteen_connections_are_stored_once(tmp_path: Path, person: Person) -> None:
    data = tmp_path / "data"
    sealed = person.envelope(0, payload=b"x" * 50_000)

    async def put(url: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=url, auth=SignedRequests()) as client:
            return await client.put(person.segment_path(0), content=sealed)

    with start(data, person) as (url, _):
        async with httpx.AsyncClient(base_url=url, auth=SignedRequests()) as client:
            await client.put(f"{person.path}/consent", content=person.consent())
        answers = await asyncio.gather(*(put(url) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.content for answer in answers}) == 1
    assert [path.read_bytes() for path in objects(data)] == [sealed]


def test_half_a_body_is_not_stored_and_the_receiver_goes_on(tmp_path: Path, person: Person) -> None:
    data = tmp_path / "data"
    sealed = person.envelope(0)
    with start(data, person) as (url, _), client_at(url) as client:
        client.put(f"{person.path}/consent", content=person.consent())
        port = httpx.URL(url).port
        assert port is not None
        with socket.create_connection(("127.0.0.1", port)) as half:
            head = f"PUT {person.segment_path(0)} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sealed)}\r\n\r\n"
            half.sendall(head.encode() + sealed[:-1])
        assert client.get("/healthz").status_code == 200
        assert objects(data) == []
        assert client.put(person.segment_path(0), content=sealed).status_code == 201


def test_it_ends_on_sigterm(tmp_path: Path, person: Person) -> None:
    with start(tmp_path / "data", person) as (url, process_id):
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert process_id > 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/healthz")
    assert signal.SIGTERM


def test_a_port_that_is_taken_is_said_so(settings: ReceiverSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ReceiverError) as caught:
        serve(settings, port=taken.getsockname()[1])
    assert caught.value.code == "address"
    assert caught.value.hint
