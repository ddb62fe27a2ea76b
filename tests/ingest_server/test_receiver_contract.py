"""The whole receiver on either pair of stores, two replicas at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from unittest import mock

import httpx
import pytest

from event_model.clock import ManualClock
from event_model.errors import StoreUnwritable
from event_model.receipts import DELETION_RECEIPT, DeletionReceipt, SentSpan
from event_model.signed import open_document
from ingest_server.app import create_app
from ingest_server.objects import DirectoryObjects
from ingest_server.postgres_metadata import PostgresMetadata
from ingest_server.s3_objects import S3Objects
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.backends import Backend
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person, client_of
from tests.ingest_server.servers import free_ports

Client = httpx.AsyncClient


@pytest.fixture
async def replicas(backend: Backend, settings: ReceiverSettings, clock: ManualClock) -> AsyncIterator[list[Client]]:
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            app = create_app(settings, clock, objects=backend.objects(), metadata=backend.metadata())
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = client_of(app)
            clients.append(await stack.enter_async_context(client))
        yield clients


async def test_sixteen_at_once_at_two_replicas_are_stored_once(
    replicas: list[Client], person: Person, backend: Backend
) -> None:
    joined = await replicas[0].put(f"{person.path}/consent", content=person.consent())
    assert joined.status_code == 201
    sealed = person.envelope(0)
    puts = (replicas[turn % 2].put(person.segment_path(0), content=sealed) for turn in range(16))
    answers = await asyncio.gather(*puts)
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert len({answer.content for answer in answers}) == 1
    keys = await backend.objects().keys("segments/")
    assert [await backend.objects().get(key) for key in keys] == [sealed]


async def test_what_is_deleted_at_one_replica_is_gone_and_refused_at_the_other(
    replicas: list[Client], person: Person, backend: Backend
) -> None:
    await replicas[0].put(f"{person.path}/consent", content=person.consent())
    sealed = person.envelope(0)
    await replicas[0].put(person.segment_path(0), content=sealed)
    answer = await replicas[1].post(f"{person.path}/deletions", content=person.deletion([(1, 0)]))
    receipt = open_document(DELETION_RECEIPT, answer.content, DeletionReceipt, key=RECEIVER_KEY.verify_key).payload
    assert receipt.segments_erased == 1
    assert await backend.objects().keys("segments/") == []
    assert (await replicas[0].put(person.segment_path(0), content=sealed)).status_code == 410


@contextmanager
def no_object_goes() -> Iterator[None]:
    failing = {"side_effect": StoreUnwritable("full")}
    with mock.patch.object(DirectoryObjects, "erase", **failing), mock.patch.object(S3Objects, "erase", **failing):
        yield


async def test_what_came_in_a_span_of_time_is_erased_and_nothing_else(
    replicas: list[Client], person: Person, stranger: Person, backend: Backend, clock: ManualClock
) -> None:
    """Also when the first attempt ends between the rows and the objects."""
    for each in (person, stranger):
        await replicas[0].put(f"{each.path}/consent", content=each.consent())
    chain = person.chain(4)
    foreign = stranger.envelope(0)
    for number, sealed in enumerate(chain):
        assert (await replicas[number % 2].put(person.segment_path(number), content=sealed)).status_code == 201
        assert number != 1 or (await replicas[0].put(stranger.segment_path(0), content=foreign)).status_code == 201
        clock.advance(1000)
    span = SentSpan(NOW + 1000, NOW + 3000)
    request = person.deletion((), sent=span)
    with no_object_goes():
        assert (await replicas[1].post(f"{person.path}/deletions", content=request)).status_code == 503
    answer = await replicas[0].post(f"{person.path}/deletions", content=request)
    assert answer.status_code == 201
    receipt = open_document(DELETION_RECEIPT, answer.content, DeletionReceipt, key=RECEIVER_KEY.verify_key).payload
    assert receipt.segments_erased == 2
    objects = backend.objects()
    left = {await objects.get(key) for key in await objects.keys("segments/")}
    assert left == {chain[0], chain[3], foreign}
    statuses = [
        (await replicas[1].put(person.segment_path(number), content=sealed)).status_code
        for number, sealed in enumerate(chain)
    ]
    assert statuses == [200, 410, 410, 200]
    again = await replicas[1].post(f"{person.path}/deletions", content=request)
    assert (again.status_code, again.content) == (200, answer.content)


async def test_a_span_leaves_alone_what_has_taken_an_erased_numbers_place(
    replicas: list[Client], person: Person, backend: Backend
) -> None:
    await replicas[0].put(f"{person.path}/consent", content=person.consent())
    await replicas[0].put(person.segment_path(0), content=person.envelope(0))
    request = person.deletion((), sent=SentSpan(NOW - 1000, NOW + 1))
    with no_object_goes():
        assert (await replicas[0].post(f"{person.path}/deletions", content=request)).status_code == 503
    left = person.envelope(0, payload=b"what is left")
    assert (await replicas[0].put(person.segment_path(0), content=left)).status_code == 201
    assert (await replicas[0].post(f"{person.path}/deletions", content=request)).status_code == 201
    objects = backend.objects()
    assert [await objects.get(key) for key in await objects.keys("segments/")] == [left]
    assert (await replicas[0].put(person.segment_path(0), content=left)).status_code == 200


@pytest.mark.parametrize(("segments", "span"), [(None, (1, 2)), (((1, 0),), (1, 2)), ((), (2, 2)), ((), (3, 2))])
async def test_a_span_that_makes_no_sense_erases_nothing(
    receiver: Client, person: Person, segments: tuple[tuple[int, int], ...] | None, span: tuple[int, int]
) -> None:
    await receiver.put(f"{person.path}/consent", content=person.consent())
    sealed = person.envelope(0)
    await receiver.put(person.segment_path(0), content=sealed)
    request = person.deletion(segments, sent=SentSpan(*span))
    assert (await receiver.post(f"{person.path}/deletions", content=request)).status_code == 422
    assert (await receiver.put(person.segment_path(0), content=sealed)).status_code == 200


async def test_no_receipt_while_the_object_store_is_down(
    backend: Backend, settings: ReceiverSettings, clock: ManualClock, person: Person
) -> None:
    gone = S3Objects("none", endpoint=f"http://127.0.0.1:{free_ports(1)[0]}", access_key="a", secret_key="b")
    metadata = backend.metadata()
    app = create_app(settings, clock, objects=gone, metadata=metadata)
    async with client_of(app) as client:
        await client.put(f"{person.path}/consent", content=person.consent())
        answer = await client.put(person.segment_path(0), content=person.envelope(0))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    metadata.close()


def test_a_database_that_is_down_is_store_unwritable() -> None:
    with pytest.raises(StoreUnwritable):
        PostgresMetadata(f"postgresql://overt@127.0.0.1:{free_ports(1)[0]}/none")


def test_what_is_no_database_address_is_store_unwritable() -> None:
    with pytest.raises(StoreUnwritable):
        PostgresMetadata("no address")


async def test_a_hundred_replays_are_stored_once_and_answered_the_same(
    replicas: list[Client], person: Person, backend: Backend
) -> None:
    await replicas[0].put(f"{person.path}/consent", content=person.consent())
    sealed = person.envelope(0)
    answers = [await replicas[turn % 2].put(person.segment_path(0), content=sealed) for turn in range(100)]
    assert [answer.status_code for answer in answers] == [201] + [200] * 99
    assert len({answer.content for answer in answers}) == 1
    assert len(await backend.objects().keys("segments/")) == 1


async def test_no_receipt_when_the_database_goes_down_between_the_two_writes(
    backend: Backend, settings: ReceiverSettings, clock: ManualClock, person: Person
) -> None:
    """The object is there, its row can't be written: no receipt; once the database is back the same bytes are taken."""
    objects, metadata = backend.objects(), backend.metadata()
    put_all = objects.put_all

    def put_then_lose_the_database(named: Sequence[tuple[str, bytes]]) -> list[StoreUnwritable | None]:
        outcomes = put_all(named)
        backend.take_database_down()
        return outcomes

    objects.put_all = put_then_lose_the_database  # type: ignore[method-assign]
    app = create_app(settings, clock, objects=objects, metadata=metadata)
    async with client_of(app) as client:
        assert (await client.put(f"{person.path}/consent", content=person.consent())).status_code == 201
        sealed = person.envelope(0)
        answer = await client.put(person.segment_path(0), content=sealed)
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        backend.bring_database_up()
        objects.put_all = put_all  # type: ignore[method-assign]
        assert (await client.put(person.segment_path(0), content=sealed)).status_code == 201
    assert [await objects.get(key) for key in await objects.keys("segments/")] == [sealed]
    metadata.close()
