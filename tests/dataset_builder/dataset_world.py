"""A small world for dataset tests: a study, contributors, and sealed segments in a receiver's folder."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

from consent_ledger.manifest import (
    Controller,
    Purpose,
    Receiver,
    ScopeRules,
    StudyManifest,
    WorkspaceRule,
    notice_digest,
)
from event_model.envelope import ENVELOPE_VERSION, EnvelopeHeader, parse_envelope, seal_envelope
from event_model.events import Body, CaptureStart, DocumentClose, DocumentEdit, DocumentOpen, Event, Finding, Mask
from event_model.ids import DocumentId, RecordId, SessionId, StudyId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key, pseudonym_of
from event_model.levels import Level
from event_model.segment import SegmentContent, SegmentHeader, encode_segment

SALT = b"a salt for tests, 32 bytes long."
NOON_MS = int(datetime.datetime(2026, 3, 2, 12, tzinfo=datetime.UTC).timestamp() * 1000)
HOUR_MS = 3_600_000
WORKSPACE = "tag-of-the-device"
RECIPIENT = RecipientSecretKey(Secret(bytes(range(96))))
OTHER_RECIPIENT = RecipientSecretKey(Secret(bytes(range(96, 192))))


def manifest(**changes: object) -> StudyManifest:
    """A study of documents, sealed to ``RECIPIENT``."""
    fields: dict[str, object] = {
        "id": StudyId("pilot"),
        "version": 1,
        "title": "A pilot",
        "controller": Controller("Example Ltd", "privacy@example.org"),
        "purposes": (Purpose("research", "dpv:ResearchAndDevelopment", "Train a model."),),
        "legal_basis": "eu-gdpr:A6-1-a",
        "kinds": {"document.open": Level.CONTENT, "document.edit": Level.CONTENT, "document.close": Level.CONTENT},
        "scope": ScopeRules(workspaces=(WorkspaceRule(path="~/code/**"),)),
        "retention_days": 30,
        "start": "2026-01-01",
        "end": "2026-12-31",
        "recipients": (encode_key(RECIPIENT.public.raw),),
        "receiver": Receiver("http://127.0.0.1:8000", encode_key(SigningKey(Secret(bytes(32))).verify_key.raw)),
        "notice": "We record edits.",
        "notice_digest": notice_digest("We record edits."),
    }
    return StudyManifest(**{**fields, **changes})  # type: ignore[arg-type]


class Clock:
    """Wall time that moves by a step per event."""

    def __init__(self, start_ms: int = NOON_MS, step_ms: int = 150) -> None:
        self.now_ms = start_ms
        self.step_ms = step_ms

    def tick(self, step_ms: int | None = None) -> tuple[int, int]:
        step = self.step_ms if step_ms is None else step_ms
        self.now_ms += step
        return self.now_ms, step


def events_of(bodies: Iterable[Body], *, clock: Clock | None = None, level: Level = Level.CONTENT) -> list[Event]:
    """Give bodies times and indexes."""
    clock = clock or Clock()
    events = []
    for index, body in enumerate(bodies):
        wall, delta = clock.tick()
        events.append(Event(index, wall, delta, level, body))
    return events


class Contributor:
    """One installation that seals segments into a receiver's folder."""

    def __init__(self, root: Path, number: int = 0, *, study: str = "pilot") -> None:
        self.root = root
        self.study = StudyId(study)
        self.key = SigningKey(Secret(number.to_bytes(32, "big")))
        self.pseudonym = pseudonym_of(self.key.verify_key)
        self.number = 0
        self.seq = 0
        self.digest = ""
        self._sessions = itertools.count()
        self._seed = number

    def new_session(self) -> SessionId:
        return SessionId(f"{self._seed:016x}{next(self._sessions):016x}")

    def key_of(self, number: int, epoch: int = 0) -> Path:
        return self.root / f"segments/{self.study}/{self.pseudonym}/{epoch:08d}/{number:010d}.overt"

    def content(
        self,
        session: SessionId,
        events: Sequence[Event],
        masks: Sequence[Mask] = (),
        findings: Sequence[Finding] = (),
        **changes: object,
    ) -> SegmentContent:
        """The next segment, before it is sealed."""
        fields: dict[str, object] = {
            "version": 1,
            "study": self.study,
            "study_version": 1,
            "pseudonym": self.pseudonym,
            "consent_record": RecordId("0" * 32),
            "session": session,
            "source": "lsp",
            "epoch": 0,
            "number": self.number,
            "first_seq": self.seq,
            "sealed_ms": events[-1].wall_ms,
        }
        header = SegmentHeader(**{**fields, **changes})  # type: ignore[arg-type]
        return SegmentContent(header, tuple(events), tuple(masks), tuple(findings))

    def envelope(
        self, content: SegmentContent, *, recipient: RecipientSecretKey = RECIPIENT, **changes: object
    ) -> bytes:
        """Seal a segment to the study's key."""
        header = content.header
        fields: dict[str, object] = {
            "version": ENVELOPE_VERSION,
            "study": header.study,
            "study_version": header.study_version,
            "pseudonym": header.pseudonym,
            "verify_key": encode_key(self.key.verify_key.raw),
            "epoch": header.epoch,
            "number": header.number,
            "first_seq": header.first_seq,
            "count": len(content.events),
            "prev_digest": self.digest,
            "consent_record": header.consent_record,
            "recipient": recipient.public.key_id,
        }
        return seal_envelope(
            EnvelopeHeader(**{**fields, **changes}),  # type: ignore[arg-type]
            encode_segment(content, level=3),
            recipient.public,
            self.key,
        )

    def put(self, content: SegmentContent, data: bytes | None = None) -> Path:
        """Store a segment as the receiver does, and go on after it."""
        data = self.envelope(content) if data is None else data
        path = self.key_of(content.header.number, content.header.epoch)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.number = content.header.number + 1
        self.seq = content.header.first_seq + len(content.events)
        self.digest = parse_envelope(data).digest
        return path

    def seal(
        self,
        events: Sequence[Event],
        *,
        masks: Sequence[Mask] = (),
        findings: Sequence[Finding] = (),
        session: SessionId | None = None,
        per_segment: int = 8192,
    ) -> SessionId:
        """Seal a session in segments of a size."""
        session = session or self.new_session()
        for start in range(0, len(events), per_segment):
            part = events[start : start + per_segment]
            own = [mask for mask in masks if part[0].index <= mask.index <= part[-1].index]
            numbers = {mask.finding for mask in own}
            told = [finding for finding in findings if finding.number in numbers]
            self.put(self.content(session, part, own, told))
        return session


def start() -> CaptureStart:
    return CaptureStart("neovim", "0.7.2", "0.1.0", "utf-32")


def opened(
    text: str = "", *, document: int = 1, path: str = "src/main.rs", continues: int | None = None
) -> DocumentOpen:
    return DocumentOpen(
        DocumentId(document), path, WORKSPACE, "rust", text, None if continues is None else DocumentId(continues)
    )


def edit(position: int, deleted: int, inserted: str, *, document: int = 1) -> DocumentEdit:
    return DocumentEdit(DocumentId(document), position, deleted, inserted)


def closed(document: int = 1) -> DocumentClose:
    return DocumentClose(DocumentId(document))


def typed(text: str, *, at: int = 0, document: int = 1) -> list[DocumentEdit]:
    """One edit per character."""
    return [edit(at + index, 0, sign, document=document) for index, sign in enumerate(text)]
