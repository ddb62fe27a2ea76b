"""Sessions straight to sealed segments, as a receiver keeps them: filtered, sealed and signed as on a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from consent_ledger.study import StudyManifest
from event_model.envelope import ENVELOPE_VERSION, EnvelopeHeader, parse_envelope, seal_envelope
from event_model.events import Event, Finding, Mask
from event_model.ids import Pseudonym, RecordId, SessionId, StudyId
from event_model.keys import RecipientPublicKey, Secret, SigningKey, encode_key, pseudonym_of, study_signing_key
from event_model.segment import SEGMENT_VERSION, SegmentContent, SegmentHeader, encode_segment
from overt.simulation.fleet import SimulatedSession
from overt.simulation.people import Person
from privacy_filter.detectors.base import Detector
from privacy_filter.masks import apply_masks
from privacy_filter.redactor import Redactor

SEGMENT_EVENTS = 4096
"""How many events are sealed together, as on a device."""

QUICK_LEVEL = 3
"""zstd's level for simulated segments: they are made once, in bulk."""


SegmentParts = tuple[tuple[Event, ...], tuple[Mask, ...], tuple[Finding, ...]]


class SimulatedDevice:
    """One person's installation, which seals into a receiver's folder."""

    def __init__(self, person: Person, *, seed: int, manifest: StudyManifest, received: Path) -> None:
        """The keys follow from the seed: simulated people have no secrets."""
        installation = Secret(f"simulated installation {seed} {person.number}".encode())
        self._manifest = manifest
        self._recipient: RecipientPublicKey = manifest.recipient_keys[0]
        self._key: SigningKey = study_signing_key(installation, manifest.id)
        self._tags = installation.derive("simulated tags")
        self._received = received
        self._record = RecordId(installation.derive("simulated record", length=16).reveal().hex())
        self._installation = installation
        self._number = self._seq = 0
        self._digest = ""

    @property
    def pseudonym(self) -> Pseudonym:
        """What the study calls this installation."""
        return pseudonym_of(self._key.verify_key)

    def session_id(self, number: int) -> SessionId:
        """Name a session."""
        return SessionId(self._installation.derive(f"simulated session {number}", length=16).reveal().hex())

    def seal(self, session: SimulatedSession, detector: Detector | None) -> int:
        """Filter a session and seal it; gives the number of events. Without a detector nothing is masked."""
        events = session.events()
        masks: Sequence[Mask] = ()
        findings: Sequence[Finding] = ()
        if detector is not None:
            redactor = Redactor(detector=detector, tag_key=self._tags, settle_ms=self._manifest.settle_s * 1000)
            now_ms = 0
            for event in events:
                now_ms += event.delta_ms
                redactor.feed(event, now_ms)
            taken = redactor.take(redactor.flush(now_ms))
            masks, findings = taken.masks, taken.findings
            events = apply_masks(events, masks)
        return self.put(self.session_id(session.number), session.source, events, masks, findings)

    def put(
        self,
        session: SessionId,
        source: str,
        events: Sequence[Event],
        masks: Sequence[Mask] = (),
        findings: Sequence[Finding] = (),
        *,
        together: int = SEGMENT_EVENTS,
    ) -> int:
        """Seal events that are masked already, so many together; gives their number."""
        for start in range(0, len(events), together):
            part = events[start : start + together]
            own = [mask for mask in masks if part[0].index <= mask.index <= part[-1].index]
            numbers = {mask.finding for mask in own}
            told = tuple(finding for finding in findings if finding.number in numbers)
            self._put(session, source, (tuple(part), tuple(own), told))
        return len(events)

    def _put(self, session: SessionId, source: str, parts: SegmentParts) -> None:
        events, masks, findings = parts
        header = SegmentHeader(
            version=SEGMENT_VERSION,
            study=self._manifest.id,
            study_version=self._manifest.version,
            pseudonym=self.pseudonym,
            consent_record=self._record,
            session=session,
            source=source,
            epoch=0,
            number=self._number,
            first_seq=self._seq,
            sealed_ms=events[-1].wall_ms,
        )
        outer = EnvelopeHeader(
            version=ENVELOPE_VERSION,
            study=header.study,
            study_version=header.study_version,
            pseudonym=header.pseudonym,
            verify_key=encode_key(self._key.verify_key.raw),
            epoch=header.epoch,
            number=header.number,
            first_seq=header.first_seq,
            count=len(events),
            prev_digest=self._digest,
            consent_record=header.consent_record,
            recipient=self._recipient.key_id,
        )
        payload = encode_segment(SegmentContent(header, events, masks, findings), level=QUICK_LEVEL)
        data = seal_envelope(outer, payload, self._recipient, self._key)
        path = self._received / _object_name(header.study, header.pseudonym, header.epoch, header.number)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_bytes(data)
        self._digest = parse_envelope(data).digest
        self._number += 1
        self._seq += len(events)


def _object_name(study: StudyId, pseudonym: Pseudonym, epoch: int, number: int) -> str:
    return f"segments/{study}/{pseudonym}/{epoch:08d}/{number:010d}.overt"
