"""Objects to segments: every check that one object needs, and what the plan must know of it."""

from __future__ import annotations

import re

import msgspec

from dataset_builder.event_arrays import EventArrays
from event_model.envelope import MAX_ENVELOPE_BYTES, EnvelopeHeader, open_envelope, parse_envelope
from event_model.errors import CryptoError, FormatError, SegmentError
from event_model.events import Body, DocumentOpen, Finding, Mask
from event_model.ids import StudyId
from event_model.keys import RecipientSecretKey
from event_model.page_events import INTERVALS, KeyRhythm, PageBody, page_texts
from event_model.segment import SegmentHeader, decode_columns

_KEY = re.compile(r"segments/([a-z0-9-]{2,63})/([a-z2-7]{32})/([0-9]{8})/([0-9]{10})\.overt")


MAX_WALL_MS = 253_402_300_799_999
"""The last millisecond of the year 9999 (Unix time): later ones can't be written as a date."""

MAX_DELTA_MS = 366 * 86_400_000
"""A session that slept for a year; sums of larger steps would not fit the columns."""


class Place(msgspec.Struct, frozen=True):
    """Where a segment stands in its contributor's sequence, as the name of its object says."""

    study: str
    pseudonym: str
    epoch: int
    number: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the plan knows of one object: an intact segment's place and extent, or what is wrong with it.

    ``code`` is ``""`` for an intact segment; ``digest`` names the envelope, ``prev_digest`` the one before.
    """

    key: str
    code: str = ""
    detail: str = ""
    pseudonym: str = ""
    epoch: int = 0
    number: int = 0
    first_seq: int = 0
    count: int = 0
    session: str = ""
    first_index: int = 0
    first_ms: int = 0
    last_ms: int = 0
    masks: int = 0
    digest: str = ""
    prev_digest: str = ""
    size: int = 0


def place_of(key: str) -> Place | None:
    """Read an object's name; None if it is not a segment's."""
    match = _KEY.fullmatch(key)
    return None if match is None else Place(match[1], match[2], int(match[3]), int(match[4]))


class Opened(msgspec.Struct, frozen=True):
    """A segment that was opened, checked against its envelope."""

    header: SegmentHeader
    events: EventArrays
    masks: tuple[Mask, ...]
    findings: tuple[Finding, ...]


def open_segment(key: str, data: bytes, *, study: StudyId, secret: RecipientSecretKey) -> Opened:
    """Check and open an object.

    EnvelopeError, SignatureError, DecryptError, SegmentError: with a code that says what is wrong with it.
    """
    return _open(key, data, study, secret)[0]


def inspect(key: str, data: bytes, *, study: StudyId, secret: RecipientSecretKey) -> tuple[Facts, Opened | None]:
    """Check and open an object: what the plan must know of it, and the segment; never raises for a bad object."""
    place = place_of(key)
    if place is None:
        facts = Facts(key=key, code="not-a-segment", detail="the object's name is not a segment's", size=len(data))
        return facts, None
    try:
        content, header, digest = _open(key, data, study, secret)
    except (FormatError, CryptoError) as error:
        facts = Facts(
            key=key,
            code=error.code,
            detail=error.message,
            pseudonym=place.pseudonym,
            epoch=place.epoch,
            number=place.number,
            size=len(data),
        )
        return facts, None
    facts = Facts(
        key=key,
        pseudonym=header.pseudonym,
        epoch=header.epoch,
        number=header.number,
        first_seq=header.first_seq,
        count=header.count,
        session=content.header.session,
        first_index=content.events.first_index,
        first_ms=int(content.events.walls.min()),
        last_ms=int(content.events.walls.max()),
        masks=len(content.masks),
        digest=digest,
        prev_digest=header.prev_digest,
        size=len(data),
    )
    return facts, content


def _open(key: str, data: bytes, study: StudyId, secret: RecipientSecretKey) -> tuple[Opened, EnvelopeHeader, str]:
    envelope = parse_envelope(data[: MAX_ENVELOPE_BYTES + 1])
    header = envelope.header
    if header.study != study:
        raise SegmentError(f"the segment belongs to the study {header.study!r}", code="foreign-study")
    if place_of(key) != Place(header.study, header.pseudonym, header.epoch, header.number):
        raise SegmentError("the object's name is not that of the segment inside", code="misplaced")
    if header.recipient != secret.public.key_id:
        envelope.verify()
        raise SegmentError("the segment is sealed to another key", code="foreign-recipient")
    columns = decode_columns(open_envelope(envelope, secret))
    content = Opened(columns.header, EventArrays(columns.events), columns.masks, columns.findings)
    _check_agreement(header, content)
    return content, header, envelope.digest


def _check_agreement(header: EnvelopeHeader, content: Opened) -> None:
    """What is sealed must say the same as what is written on it."""
    inner = content.header
    for field in ("study", "study_version", "pseudonym", "epoch", "number", "first_seq", "consent_record"):
        if getattr(header, field) != getattr(inner, field):
            raise SegmentError(f"envelope and segment disagree about {field}", code="header-mismatch")
    events = content.events
    if header.count != len(events) or not len(events):
        raise SegmentError("envelope and segment disagree about the number of events", code="header-mismatch")
    if int(events.walls.max()) > MAX_WALL_MS or int(events.deltas.max()) > MAX_DELTA_MS:
        raise SegmentError("an event of a time that no calendar has", code="time-invalid")
    _check_masks(content)


def _check_masks(content: Opened) -> None:
    """Each mask must lie in a text of an event of this segment, and belong to a finding that is told."""
    if not content.masks:
        return
    events = content.events
    bodies = dict(events.others)
    lengths = dict(zip(events.at.tolist(), events.length.tolist(), strict=True))
    numbers = {finding.number for finding in content.findings}
    for mask in content.masks:
        place = mask.index - events.first_index
        fields = {"inserted": lengths[place]} if place in lengths else _maskable(bodies.get(place))
        if mask.offset + mask.length > fields.get(mask.field, -1):
            raise SegmentError(f"a mask of event {mask.index} lies outside its text", code="mask-invalid")
        if mask.finding not in numbers:
            raise SegmentError(f"a mask of event {mask.index} names an unknown finding", code="mask-invalid")


def _maskable(body: Body | None) -> dict[str, int]:
    """Give the length of each text of a body that a mask may name; a rhythm is masked as a whole."""
    if isinstance(body, DocumentOpen):
        return {"text": len(body.text), "path": len(body.path)}
    if isinstance(body, KeyRhythm):
        return {each.field: len(each.text) for each in page_texts(body)} | {INTERVALS: 0}
    if isinstance(body, PageBody):
        return {each.field: len(each.text) for each in page_texts(body)}
    return {}
