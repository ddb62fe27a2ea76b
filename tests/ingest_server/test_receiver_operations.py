"""What an operator sees and sets: readiness, figures and lines without identities, limits that answer."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import msgspec
import pytest

from event_model.clock import ManualClock
from event_model.errors import StoreUnwritable
from event_model.signed import MAX_DOCUMENT_BYTES
from ingest_server.app import create_app
from ingest_server.objects import DirectoryObjects
from ingest_server.rate_limit import RateLimit
from ingest_server.settings import ReceiverSettings
from tests.ingest_server.kit import NOW, RECEIVER_KEY, Person, client_of
from tests.ingest_server.receiver_process import running


async def test_figures_and_lines_name_routes_and_nobody(
    settings: ReceiverSettings, clock: ManualClock, person: Person
) -> None:
    lines: list[bytes] = []
    app = create_app(settings, clock, log=lambda line: lines.append(msgspec.json.encode(dict(line))))
    async with client_of(app) as client:
        await client.put(f"{person.path}/consent", content=person.consent())
        await client.put(person.segment_path(7), content=person.envelope(7))
        await client.put(person.segment_path(8), content=b"rubbish")
        await client.get(f"/{person.pseudonym}")
        text = (await client.get("/metrics")).text
    route = "/v1/studies/{study}/participants/{pseudonym}/segments/{epoch}/{number}"
    assert f'overt_requests_total{{method="PUT",route="{route}",status="201"}} 1.0' in text
    assert f'overt_requests_total{{method="PUT",route="{route}",status="422"}} 1.0' in text
    assert 'overt_requests_total{method="GET",route="unknown",status="404"} 1.0' in text
    logged = [msgspec.json.decode(line) for line in lines]
    assert [line["status"] for line in logged] == [201, 201, 422, 404, 200]
    assert logged[2]["bytes"] == len(b"rubbish")
    seen = text.encode() + b"".join(lines)
    for identity in (person.pseudonym, person.study, person.record.record_id, "rubbish"):
        assert identity.encode() not in seen


async def test_ready_only_while_both_stores_answer(
    settings: ReceiverSettings, clock: ManualClock, tmp_path: Path
) -> None:
    class Broken(DirectoryObjects):
        down = False

        async def get(self, key: str) -> bytes | None:
            if self.down:
                raise StoreUnwritable("gone")
            return await super().get(key)

    objects = Broken(tmp_path / "o")
    app = create_app(settings, clock, objects=objects)
    async with client_of(app) as client:
        assert (await client.get("/readyz")).json() == {"status": "ready"}
        objects.down = True
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/healthz")).status_code == 200


async def test_one_installation_that_asks_too_often_waits_and_others_do_not(
    settings: ReceiverSettings, clock: ManualClock, person: Person, stranger: Person
) -> None:
    app = create_app(msgspec.structs.replace(settings, rate_per_minute=3), clock)
    async with client_of(app) as client:
        for _ in range(3):
            assert (await client.put(f"{person.path}/consent", content=person.consent())).status_code in (200, 201)
        answer = await client.put(f"{person.path}/consent", content=person.consent())
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "rate-limited", "20")
        assert (await client.put(f"{stranger.path}/consent", content=stranger.consent())).status_code == 201
        clock.advance(20_000)
        assert (await client.put(f"{person.path}/consent", content=person.consent())).status_code == 200


def test_a_bucket_fills_at_an_even_pace_and_never_over() -> None:
    limit = RateLimit(per_minute=60, burst=2)
    assert [limit.wait_ms("a", 0) for _ in range(3)] == [0, 0, 1000]
    assert limit.wait_ms("a", 1000) == 0
    assert limit.wait_ms("a", 1000) > 0
    assert [limit.wait_ms("a", 10**9) for _ in range(3)] == [0, 0, 1000]
    assert limit.wait_ms("a", 0) == 1000  # a clock that goes back gives nothing


@pytest.mark.system
@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_answered_and_not_reset(tmp_path: Path, person: Person, *, declared: bool) -> None:
    body = bytes(MAX_DOCUMENT_BYTES + 500_000)
    length = f"Content-Length: {len(body)}" if declared else "Transfer-Encoding: chunked"
    head = f"PUT {person.path}/consent HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n".encode()
    data = body if declared else b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with running(tmp_path / "data", person.manifest.raw, RECEIVER_KEY, NOW) as (url, _):
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", httpx.URL(url).port or 0), timeout=30) as connection:
                connection.sendall(head + data)
                answer = b""
                while piece := connection.recv(1 << 16):
                    answer += piece
            assert answer.startswith(b"HTTP/1.1 413"), answer[:100]
            assert b'"body-too-large"' in answer
        assert httpx.get(f"{url}/healthz").status_code == 200
