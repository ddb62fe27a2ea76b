"""Makes the envelope of a segment, once: its bytes are kept until the receipt is here, and sent again as they are."""

from __future__ import annotations

import asyncio
import hashlib

from consent_ledger.manifest import StudyManifest
from event_model.envelope import ENVELOPE_VERSION, EnvelopeHeader, seal_envelope
from event_model.errors import KeyUnavailable
from event_model.keys import Secret, encode_key, study_signing_key
from event_model.segment import SegmentContent, encode_segment
from local_store.model import SegmentInfo
from local_store.store import Store


async def envelope_for(
    store: Store, info: SegmentInfo, manifest: StudyManifest, installation: Secret | None
) -> tuple[SegmentInfo, bytes]:
    """Give the envelope kept for a segment, or make and keep one.

    StoreDamaged: if the segment does not open. StoreConflict: if it was rewritten meanwhile. KeyUnavailable: if it is
    to be made without ``installation``.
    """
    kept = await store.envelope(info)
    if kept is not None:
        return info, kept
    if installation is None:
        raise KeyUnavailable("what has no envelope yet can't be sent without the key", code="key-needed")
    content = await store.read(info)
    previous = await store.last_digest(info.study, info.epoch)
    # Packing and sealing 4 MiB takes a second; the caller may be waiting for other things meanwhile.
    data = await asyncio.to_thread(_seal, content, previous, manifest, installation)
    return await store.put_envelope(info, data, hashlib.sha256(data).hexdigest()), data


def _seal(content: SegmentContent, previous: str, manifest: StudyManifest, installation: Secret) -> bytes:
    about = content.header
    key = study_signing_key(installation, about.study)
    recipient = manifest.recipient_keys[0]
    header = EnvelopeHeader(
        version=ENVELOPE_VERSION,
        study=about.study,
        study_version=about.study_version,
        pseudonym=about.pseudonym,
        verify_key=encode_key(key.verify_key.raw),
        epoch=about.epoch,
        number=about.number,
        first_seq=about.first_seq,
        count=len(content.events),
        prev_digest=previous,
        consent_record=about.consent_record,
        recipient=recipient.key_id,
    )
    return seal_envelope(header, encode_segment(content), recipient, key)
