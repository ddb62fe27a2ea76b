"""The audit log on either pair of stores: what is done stands in it, and every proof it gives holds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import httpx
import msgspec
import pytest

from event_model.checkpoint import Checkpoint, open_checkpoint
from event_model.clock import ManualClock
from event_model.errors import AuditError
from event_model.keys import Secret, SigningKey, encode_key
from event_model.log_entries import LOG_STATEMENT, LogKind, LogProof, LogStatement, decode_entry, subject_of
from event_model.merkle import check_consistency, check_inclusion, leaf_hash
from event_model.roles import Member, Role, StudyRoles, sign_roles
from event_model.signed import sign_document
from event_model.study_shares import check_proof
from ingest_server.app import create_app
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.backends import Backend
from tests.ingest_server.kit import NOW, OWNER, RECEIVER_KEY, Person, client_of

Client = httpx.AsyncClient

CUSTODIANS = [SigningKey(Secret(bytes([0x31 + at]) * 32)) for at in range(3)]
AUDITOR = SigningKey(Secret(b"\x41" * 32))


def roles(person: Person) -> bytes:
    named = [
        Member(f"custodian-{at + 1}", encode_key(key.verify_key.raw), (Role.CUSTODIAN,))
        for at, key in enumerate(CUSTODIANS)
    ]
    council = Member("council", encode_key(AUDITOR.verify_key.raw), (Role.AUDITOR,))
    return sign_roles(StudyRoles(person.study, (*named, council), 2), OWNER)


@pytest.fixture
async def replicas(
    backend: Backend, settings: ReceiverSettings, clock: ManualClock, person: Person
) -> AsyncIterator[list[Client]]:
    settings = msgspec.structs.replace(settings, roles=(roles(person),))
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            app = create_app(settings, clock, objects=backend.objects(), metadata=backend.metadata())
            await stack.enter_async_context(app.router.lifespan_context(app))
            client = client_of(app)
            clients.append(await stack.enter_async_context(client))
        yield clients


def log(person: Person) -> str:
    return f"/v1/studies/{person.study}/log"


async def read_checkpoint(client: Client, person: Person) -> Checkpoint:
    answer = await client.get(f"{log(person)}/checkpoint")
    assert answer.status_code == 200
    return open_checkpoint(answer.content, origin=f"overt/{person.study}", key=RECEIVER_KEY.verify_key)


async def read_entries(client: Client, person: Person, start: int = 0, end: int = 1000) -> list[bytes]:
    answer = await client.get(f"{log(person)}/entries", params={"start": start, "end": end})
    return [base64.b64decode(each) for each in answer.json()["entries"]]


def opening(person: Person, **changes: object) -> LogStatement:
    statement = LogStatement(
        study=person.study,
        kind=LogKind.KEY_OPENING,
        stated_ms=NOW,
        nonce="0" * 32,
        purpose="Train the model, round one",
    )
    return msgspec.structs.replace(statement, **changes)


async def post(client: Client, person: Person, statement: LogStatement, keys: list[SigningKey]) -> httpx.Response:
    signed = [sign_document(LOG_STATEMENT, statement, key) for key in keys]
    return await client.post(log(person), content=b'{"statements":[' + b",".join(signed) + b"]}")


async def test_enrolments_withdrawals_and_deletions_are_told_without_pseudonyms(
    replicas: list[Client], person: Person, stranger: Person
) -> None:
    first, second = replicas
    assert (await read_checkpoint(first, person)).size == 0
    for who in (person, stranger):
        await first.put(f"{who.path}/consent", content=who.consent())
        await second.put(f"{who.path}/consent", content=who.consent())
    await first.put(person.segment_path(0), content=person.envelope(0))
    for _ in range(2):
        await second.post(f"{person.path}/deletions", content=person.deletion([(1, 0)]))
    await first.put(f"{person.path}/consent", content=person.withdrawn())
    data = await read_entries(second, person)
    entries = [decode_entry(each) for each in data]
    assert [entry.kind for entry in entries] == [
        LogKind.ENROLMENT,
        LogKind.ENROLMENT,
        LogKind.DELETION,
        LogKind.WITHDRAWAL,
    ]
    mine = subject_of(person.study, person.pseudonym)
    assert [entry.subject == mine for entry in entries] == [True, False, True, True]
    assert entries[2].count == 1
    assert person.pseudonym.encode() not in b"".join(data)


async def test_every_proof_holds_at_every_replica(replicas: list[Client], person: Person) -> None:
    seen: list[Checkpoint] = []
    for number in range(9):
        answer = await post(replicas[number % 2], person, opening(person, nonce=f"{number:032}"), CUSTODIANS[:2])
        assert answer.status_code == 201
        proof = msgspec.json.decode(answer.content, type=LogProof)
        entry, checkpoint = check_proof(proof, study=person.study, log_key=RECEIVER_KEY.verify_key)
        assert (entry.by, entry.purpose) == (("custodian-1", "custodian-2"), "Train the model, round one")
        seen.append(checkpoint)
    entries = await read_entries(replicas[0], person)
    last = seen[-1]
    for index, data in enumerate(entries):
        answer = await replicas[1].get(f"{log(person)}/inclusion", params={"index": index, "size": last.size})
        path = [base64.b64decode(step) for step in answer.json()["path"]]
        check_inclusion(leaf_hash(data), index, last.size, path, last.root)
    for older in seen:
        answer = await replicas[1].get(f"{log(person)}/consistency", params={"first": older.size, "second": last.size})
        path = [base64.b64decode(step) for step in answer.json()["path"]]
        check_consistency(older.size, last.size, older.root, last.root, path)


async def test_entries_written_at_once_at_two_replicas_stand_in_one_line(
    replicas: list[Client], person: Person
) -> None:
    statements = [opening(person, nonce=f"{number:032}") for number in range(12)]
    posts = [post(replicas[at % 2], person, each, CUSTODIANS[:2]) for at, each in enumerate(statements)]
    answers = await asyncio.gather(*posts)
    proofs = [msgspec.json.decode(answer.content, type=LogProof) for answer in answers]
    assert sorted(proof.index for proof in proofs) == list(range(12))
    for proof in proofs:
        check_proof(proof, study=person.study, log_key=RECEIVER_KEY.verify_key)
    again = msgspec.json.decode((await post(replicas[1], person, statements[3], CUSTODIANS[:2])).content, type=LogProof)
    assert (again.index, again.entry) == (proofs[3].index, proofs[3].entry)
    assert (await read_checkpoint(replicas[0], person)).size == 12


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({}, CUSTODIANS[:1]),
        ({}, [CUSTODIANS[0], CUSTODIANS[0]]),
        ({}, [CUSTODIANS[0], AUDITOR]),
        ({}, [CUSTODIANS[0], OWNER]),
        ({}, [CUSTODIANS[0], SigningKey(Secret(b"\x55" * 32))]),
        ({}, []),
        ({"purpose": ""}, CUSTODIANS[:2]),
        ({"purpose": "x"}, CUSTODIANS[:2]),
        ({"purpose": "what\nfor, who knows"}, CUSTODIANS[:2]),
        ({"stated_ms": NOW - 3_600_000}, CUSTODIANS[:2]),
        ({"study": "study-b"}, CUSTODIANS[:2]),
        ({"kind": LogKind.DELETION}, CUSTODIANS[:2]),
        ({"kind": LogKind.DATASET_RELEASE}, CUSTODIANS[:2]),
        ({"kind": LogKind.DATASET_RELEASE}, [OWNER]),
        ({"kind": LogKind.DATASET_RELEASE}, [OWNER, OWNER]),
        ({"kind": LogKind.DATASET_RELEASE}, [OWNER, AUDITOR]),
        ({"kind": LogKind.DATASET_RELEASE}, [OWNER, SigningKey(Secret(b"\x55" * 32))]),
        ({"kind": LogKind.DATASET_RELEASE, "purpose": ""}, [OWNER, CUSTODIANS[0]]),
        ({"nonce": ""}, CUSTODIANS[:2]),
        ({"digest": "x" * 1000}, CUSTODIANS[:2]),
    ],
)
async def test_who_may_not_state_something_is_refused_and_nothing_is_written(
    replicas: list[Client], person: Person, change: dict[str, object], keys: list[SigningKey]
) -> None:
    answer = await post(replicas[0], person, opening(person, **change), keys)
    if change.get("purpose", "").startswith("what"):  # white space of any kind is one space
        assert answer.status_code == 201
        return
    assert (answer.status_code, answer.json()["code"]) == (403, "statement-refused")
    assert (await read_checkpoint(replicas[0], person)).size == 0


async def test_owner_and_custodian_release_and_two_statements_are_not_mixed(
    replicas: list[Client], person: Person
) -> None:
    released = opening(person, kind=LogKind.DATASET_RELEASE, digest="d" * 64)
    assert (await post(replicas[0], person, released, [OWNER, CUSTODIANS[0]])).status_code == 201
    (entry,) = await read_entries(replicas[0], person)
    assert decode_entry(entry).by == ("custodian-1", "owner")
    one, other = opening(person), opening(person, purpose="Something else entirely")
    documents = [sign_document(LOG_STATEMENT, one, CUSTODIANS[0]), sign_document(LOG_STATEMENT, other, CUSTODIANS[1])]
    answer = await replicas[0].post(log(person), content=b'{"statements":[' + b",".join(documents) + b"]}")
    assert answer.status_code == 403


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"statements":[1]}', b'{"statements":[{}]}', b"\xff"])
async def test_what_is_no_statement_is_refused(receiver: Client, person: Person, body: bytes) -> None:
    assert (await receiver.post(log(person), content=body)).status_code == 403


async def test_places_that_the_log_has_not_are_not_proved(receiver: Client, person: Person) -> None:
    assert (await receiver.get(f"{log(person)}/inclusion", params={"index": 0, "size": 1})).status_code == 404
    assert (await receiver.get(f"{log(person)}/consistency", params={"first": 0, "second": 1})).status_code == 404
    assert (await receiver.get(f"{log(person)}/inclusion", params={"index": "x", "size": 1})).status_code == 400
    assert (await receiver.get("/v1/studies/no-such/log/checkpoint")).status_code == 404
    assert (await read_entries(receiver, person)) == []


def test_a_list_of_roles_by_another_owner_is_refused(settings: ReceiverSettings, person: Person) -> None:
    forged = sign_roles(StudyRoles(person.study), SigningKey(Secret(b"\x66" * 32)))
    with pytest.raises(Exception, match="signed by another key"):
        create_app(msgspec.structs.replace(settings, roles=(forged,)))
    foreign = sign_roles(StudyRoles("study-z"), OWNER)  # type: ignore[arg-type]
    with pytest.raises(AuditError):
        create_app(msgspec.structs.replace(settings, roles=(foreign,)))
