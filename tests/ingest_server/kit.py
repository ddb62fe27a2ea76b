"""One study, its owner and receiver keys, and people who take part, each with real keys and real documents."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence

import httpx
import msgspec
from starlette.types import ASGIApp

from consent_ledger.manifest import (
    Controller,
    Purpose,
    ScopeRules,
    StudyManifest,
    WorkspaceRule,
    notice_digest,
    read_manifest,
    sign_manifest,
)
from consent_ledger.manifest import Receiver as ReceiverEntry
from consent_ledger.record import ConsentAct, ConsentRecord, make_record, sign_record, transition
from event_model.envelope import ENVELOPE_VERSION, EnvelopeHeader, parse_envelope, seal_envelope
from event_model.ids import RecordId, StudyId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key, pseudonym_of
from event_model.levels import Level
from event_model.receipts import DELETION_REQUEST, DeletionRequest
from event_model.request_signatures import (
    DIGEST_HEADER,
    INPUT_HEADER,
    SIGNATURE_HEADER,
    SignedHeaders,
    sign_request,
)
from event_model.signed import Signed, sign_document
from ingest_server.request_proof import RequestProof
from ingest_server.rows import Participant
from ingest_server.segments import Upload

NOW = 1_767_225_600_000
"""2026-01-01."""

RECEIVER_KEY = SigningKey(Secret(b"\x11" * 32))
OWNER = SigningKey(Secret(b"\x12" * 32))
CUSTODIAN = RecipientSecretKey(Secret(b"\x13" * 96))
NOTICE = "What you type in one folder is kept for a year."


_KEYS: dict[str, SigningKey] = {}
"""The keys of all that take part in a test, by pseudonym."""


class SignedRequests(httpx.Auth):
    """Signs each request with the key of the participant that it is about, if that is one of ours."""

    requires_request_body = True

    def __init__(self, now_ms: Callable[[], int] = lambda: NOW, *, key: SigningKey | None = None) -> None:
        self._now_ms = now_ms
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        target = request.url.raw_path.decode()
        found = re.search(r"/participants/([^/]+)/", target)
        key = self._key or (_KEYS.get(found[1]) if found else None)
        if key is not None:
            signed = sign_request(request.method, target, request.content, key, now_s=self._now_ms() // 1000)
            request.headers.update(signed)
        yield request


def client_of(app: ASGIApp, now_ms: Callable[[], int] = lambda: NOW) -> httpx.AsyncClient:
    """Make a client of an application, without a socket between, that signs as devices do."""
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://receiver", auth=SignedRequests(now_ms))


def client_at(url: str) -> httpx.Client:
    """Make a client of a receiver's process that signs as devices do."""
    return httpx.Client(base_url=url, auth=SignedRequests())


def make_manifest(**changes: object) -> Signed[StudyManifest]:
    manifest = StudyManifest(
        id=StudyId("study-a"),
        version=1,
        title="Typing",
        controller=Controller(name="Example", contact="privacy@example.org"),
        purposes=(Purpose(id="research", dpv="dpv:ResearchAndDevelopment", text="To learn."),),
        legal_basis="eu-gdpr:A6-1-a",
        kinds={"document.open": Level.CONTENT, "document.edit": Level.CONTENT},
        scope=ScopeRules(workspaces=(WorkspaceRule(path="/code/**"),)),
        retention_days=365,
        start="2025-12-01",
        end="2026-12-31",
        recipients=(encode_key(CUSTODIAN.public.raw),),
        receiver=ReceiverEntry(url="http://127.0.0.1:1", key=encode_key(RECEIVER_KEY.verify_key.raw)),
        notice=NOTICE,
        notice_digest=notice_digest(NOTICE),
    )
    return read_manifest(sign_manifest(msgspec.structs.replace(manifest, **changes), OWNER))


class Person:
    """An installation that takes part in a study, and the chain of its envelopes."""

    def __init__(self, manifest: Signed[StudyManifest], seed: int = 1) -> None:
        self.manifest = manifest
        self.study = manifest.payload.id
        self.be(SigningKey(Secret(bytes([seed]) * 32)))

    def be(self, key: SigningKey, *, given_ms: int = NOW - 1000) -> None:
        """Take part with this key, and a consent given then."""
        self.key = key
        self.pseudonym = pseudonym_of(self.key.verify_key)
        _KEYS[self.pseudonym] = key
        self.path = f"/v1/studies/{self.study}/participants/{self.pseudonym}"
        self.record = self.give("1" * 32, given_ms=given_ms)

    def give(self, record_id: str, *, given_ms: int = NOW - 1000, expires_ms: int | None = None) -> ConsentRecord:
        return make_record(
            self.manifest,
            verify_key=self.key.verify_key,
            record_id=RecordId(record_id),
            given_ms=given_ms,
            levels=self.manifest.payload.levels,
            narrowing="0" * 64,
            expires_ms=expires_ms,
        )

    def consent(self, record: ConsentRecord | None = None) -> bytes:
        return sign_record(record or self.record, self.key)

    def withdrawn(self, *, at_ms: int = NOW) -> bytes:
        return self.consent(transition(self.record, ConsentAct.WITHDRAW, at_ms=at_ms))

    def header(self, number: int, **changes: object) -> EnvelopeHeader:
        header = EnvelopeHeader(
            version=ENVELOPE_VERSION,
            study=self.study,
            study_version=self.manifest.payload.version,
            pseudonym=self.pseudonym,
            verify_key=encode_key(self.key.verify_key.raw),
            epoch=1,
            number=number,
            first_seq=number * 10,
            count=10,
            prev_digest="",
            consent_record=self.record.record_id,
            recipient=CUSTODIAN.public.key_id,
        )
        return msgspec.structs.replace(header, **changes)

    def envelope(self, number: int = 0, *, prev: bytes = b"", payload: bytes = b"sealed", **changes: object) -> bytes:
        changes.setdefault("prev_digest", parse_envelope(prev).digest if prev else "")
        return seal_envelope(self.header(number, **changes), payload, CUSTODIAN.public, self.key)

    def chain(self, length: int) -> list[bytes]:
        made: list[bytes] = []
        for number in range(length):
            made.append(self.envelope(number, prev=made[-1] if made else b""))
        return made

    def segment_path(self, number: int, epoch: int = 1) -> str:
        return f"{self.path}/segments/{epoch}/{number}"

    def upload(self, number: int, data: bytes, *, now_ms: int = NOW) -> Upload:
        """Give a segment as it comes to a segment store: under its address, in a request that was signed then."""
        path = self.segment_path(number)
        signed = sign_request("PUT", path, data, self.key, now_s=now_ms // 1000)
        headers = SignedHeaders(signed[DIGEST_HEADER], signed[INPUT_HEADER], signed[SIGNATURE_HEADER])
        return Upload(Participant(self.study, self.pseudonym), 1, number, data, RequestProof("PUT", path, headers))

    def deletion(self, segments: Sequence[tuple[int, int]] | None = None, **changes: object) -> bytes:
        request = DeletionRequest(
            study=self.study,
            pseudonym=self.pseudonym,
            requested_ms=NOW,
            reason="forgotten",
            consent_record=self.record.record_id,
            segments=None if segments is None else tuple(segments),
        )
        return sign_document(DELETION_REQUEST, msgspec.structs.replace(request, **changes), self.key)
