"""Keys and headers that the tests of this room share."""

from __future__ import annotations

import pytest

from event_model.envelope import ENVELOPE_VERSION, EnvelopeHeader
from event_model.ids import RecordId, SessionId, StudyId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key, pseudonym_of
from event_model.segment import SEGMENT_VERSION, SegmentHeader


@pytest.fixture(scope="session")
def signer() -> SigningKey:
    return SigningKey(Secret(bytes(range(32))))


@pytest.fixture(scope="session")
def recipient() -> RecipientSecretKey:
    return RecipientSecretKey(Secret(bytes(range(96))))


@pytest.fixture(scope="session")
def envelope_header(signer: SigningKey, recipient: RecipientSecretKey) -> EnvelopeHeader:
    return EnvelopeHeader(
        version=ENVELOPE_VERSION,
        study=StudyId("next-edit"),
        study_version=2,
        pseudonym=pseudonym_of(signer.verify_key),
        verify_key=encode_key(signer.verify_key.raw),
        epoch=1,
        number=3,
        first_seq=17,
        count=5,
        prev_digest="ab" * 32,
        consent_record=RecordId("0123456789abcdef" * 2),
        recipient=recipient.public.key_id,
    )


@pytest.fixture(scope="session")
def segment_header(signer: SigningKey) -> SegmentHeader:
    return SegmentHeader(
        version=SEGMENT_VERSION,
        study=StudyId("next-edit"),
        study_version=2,
        pseudonym=pseudonym_of(signer.verify_key),
        consent_record=RecordId("0123456789abcdef" * 2),
        session=SessionId("fedcba9876543210" * 2),
        source="lsp",
        epoch=1,
        number=3,
        first_seq=17,
        sealed_ms=1_700_000_000_000,
    )
