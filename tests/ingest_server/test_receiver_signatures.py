"""A request's signature, if it bears any, must be of the participant that it is about."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from event_model.request_signatures import MAX_SKEW_S, sign_request
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.kit import NOW, Person

REFUSED = {"code": "signature-refused", "message": "the request is not signed as it has to be"}


@pytest.fixture
async def bare(receiver: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that signs nothing by itself."""
    receiver.auth = None  # type: ignore[assignment]
    return receiver


def signed(person: Person, body: bytes, path: str, *, method: str = "PUT", by: Person | None = None) -> dict[str, str]:
    return sign_request(method, path, body, (by or person).key, now_s=NOW // 1000)


async def join(client: httpx.AsyncClient, person: Person) -> None:
    path, body = f"{person.path}/consent", person.consent()
    assert (await client.put(path, content=body, headers=signed(person, body, path))).status_code == 201


def objects(settings: ReceiverSettings) -> list[Path]:
    return list(settings.data.glob("segments/**/*.overt"))


@pytest.mark.parametrize("name", ["content-digest", "signature-input", "signature"])
async def test_half_a_signature_is_none_that_counts(
    bare: httpx.AsyncClient, person: Person, settings: ReceiverSettings, name: str
) -> None:
    await join(bare, person)
    for method, path, body in (
        ("PUT", f"{person.path}/consent", person.consent()),
        ("PUT", person.segment_path(0), person.envelope(0)),
        ("POST", f"{person.path}/deletions", person.deletion()),
    ):
        headers = signed(person, body, path, method=method)
        del headers[name]
        answer = await bare.request(method, path, content=body, headers=headers)
        assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert objects(settings) == []


async def test_what_was_signed_before_the_key_was_lost_can_still_be_sent(
    bare: httpx.AsyncClient, person: Person
) -> None:
    await join(bare, person)
    assert (await bare.put(person.segment_path(0), content=person.envelope(0))).status_code == 201
    assert (await bare.post(f"{person.path}/deletions", content=person.deletion())).status_code == 201


async def test_altered_or_somebody_elses_it_is_refused_with_one_answer(
    bare: httpx.AsyncClient, person: Person, stranger: Person, settings: ReceiverSettings
) -> None:
    await join(bare, person)
    body, path = person.envelope(0), person.segment_path(0)
    good = signed(person, body, path)
    for headers in (
        signed(stranger, body, path),
        signed(person, body, person.segment_path(1)),
        signed(person, body, path, method="POST"),
        signed(person, body + b"x", path),
        {**good, "content-digest": signed(person, b"other", path)["content-digest"]},
        {**good, "signature": signed(stranger, body, path)["signature"]},
    ):
        answer = await bare.put(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()) == (401, REFUSED)
    twice = [*good.items(), ("signature", good["signature"])]
    assert (await bare.put(path, content=body, headers=twice)).json() == REFUSED
    assert objects(settings) == []
    assert (await bare.put(path, content=body, headers=good)).status_code == 201


async def test_a_request_that_was_signed_over_a_day_ago_or_ahead_is_refused(
    bare: httpx.AsyncClient, person: Person, settings: ReceiverSettings
) -> None:
    await join(bare, person)
    for method, path, body in (
        ("PUT", f"{person.path}/consent", person.consent()),
        ("PUT", person.segment_path(0), person.envelope(0)),
        ("POST", f"{person.path}/deletions", person.deletion()),
    ):
        for skew_s in (-MAX_SKEW_S - 1, MAX_SKEW_S + 1):
            headers = sign_request(method, path, body, person.key, now_s=NOW // 1000 + skew_s)
            answer = await bare.request(method, path, content=body, headers=headers)
            assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert objects(settings) == []


async def test_a_replayed_request_changes_nothing(
    bare: httpx.AsyncClient, person: Person, settings: ReceiverSettings
) -> None:
    await join(bare, person)
    body, path = person.envelope(0), person.segment_path(0)
    headers = signed(person, body, path)
    answers = [await bare.put(path, content=body, headers=headers) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200]
    assert len({answer.content for answer in answers}) == 1
    assert len(objects(settings)) == 1
    # Sent elsewhere it is nobody's.
    assert (await bare.put(person.segment_path(1), content=body, headers=headers)).status_code == 401
