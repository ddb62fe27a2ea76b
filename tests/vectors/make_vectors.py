"""Write the test vectors; only when the format changes: old vectors of a released format must stay as they are.

Run from the repository: ``python tests/vectors/make_vectors.py``. The tests read the files and need no part of this.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from event_model import columns, segment
from event_model.envelope import EnvelopeHeader, seal_envelope
from event_model.events import (
    FILLER,
    CaptureGap,
    CapturePause,
    CaptureResume,
    CaptureStart,
    CommandRun,
    CompletionAccept,
    DocumentClose,
    DocumentEdit,
    DocumentOpen,
    DocumentSave,
    EditorFocus,
    Event,
    Finding,
    GapReason,
    Mask,
    Origin,
    SelectionCause,
    SelectionChange,
    ViewportChange,
)
from event_model.ids import DocumentId, RecordId, SessionId, StudyId
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key, pseudonym_of
from event_model.levels import Level
from event_model.receipts import SEGMENT_RECEIPT, SegmentReceipt
from event_model.segment import SegmentContent, SegmentHeader
from event_model.signed import sign_document

HERE = Path(__file__).resolve().parent
SIGNER = SigningKey(Secret(bytes(range(32))))
RECIPIENT_SEED = bytes(range(96))
RECIPIENT = RecipientSecretKey(Secret(RECIPIENT_SEED))
PSEUDONYM = pseudonym_of(SIGNER.verify_key)
ONE, TWO = DocumentId(1), DocumentId(2)
WALL = 1_700_000_000_000

Vector = dict[str, Any]


def bodies() -> list[Any]:
    """Every kind, with its optional fields given and not, and text outside ASCII and outside the BMP."""
    return [
        CaptureStart("nvim", "0.7.2", "0.1.0", "utf-16"),
        EditorFocus(True),
        DocumentOpen(ONE, "src/näme.py", "w1", "python", "a = 1\r\nb = '😀'\n"),
        DocumentEdit(ONE, 0, 0, "x", Origin.TYPED, 90),
        DocumentEdit(ONE, 1, 0, "é", Origin.TYPED, 90),
        DocumentEdit(ONE, 1, 1, "", Origin.TYPED, 90),
        DocumentEdit(ONE, 12, 3, FILLER * 20, Origin.PASTED, 60),
        DocumentEdit(ONE, 3, 0, "😀\n", Origin.UNDO, 100, joined=True),
        SelectionChange(ONE, 9, 4, 2, SelectionCause.MOUSE),
        ViewportChange(ONE, 120, 171),
        CommandRun("editor.action.formatDocument"),
        CompletionAccept(ONE, 14),
        DocumentSave(ONE),
        DocumentOpen(TWO, "src/b.py", "w1", "python", "", continues=ONE),
        DocumentEdit(TWO, 2**53 - 1, 2**53 - 1, "", Origin.EXTERNAL),
        DocumentClose(ONE),
        CapturePause(),
        CaptureResume(),
        CaptureGap(3, GapReason.CRASHED),
        CaptureGap(1, GapReason.FORGOTTEN, TWO),
    ]


def all_kinds() -> tuple[Event, ...]:
    levels = (Level.CONTENT, Level.SHAPE, Level.RHYTHM)
    return tuple(
        Event(100 + at, WALL + 250 * at - (40 if at > 9 else 0), 250, levels[at % 7 // 3 % 3], body)
        for at, body in enumerate(bodies())
    )


def typing(count: int) -> tuple[Event, ...]:
    letters = "the quick brown fox "
    return tuple(
        Event(at, WALL + 90 * at, 90 if at else 0, Level.CONTENT, DocumentEdit(ONE, at, 0, letters[at % 20]))
        for at in range(count)
    )


def by_the_second(count: int) -> tuple[Event, ...]:
    """Typing as a clock that is coarse tells it."""
    body = DocumentEdit(ONE, 0, 0, "t", Origin.TYPED, 90)
    return tuple(Event(index, WALL + 1000 * index, 1000 if index else 0, Level.CONTENT, body) for index in range(count))


def segment_content() -> SegmentContent:
    header = SegmentHeader(
        version=1,
        study=StudyId("next-edit"),
        study_version=2,
        pseudonym=PSEUDONYM,
        consent_record=RecordId("0123456789abcdef" * 2),
        session=SessionId("fedcba9876543210" * 2),
        source="lsp",
        epoch=1,
        number=3,
        first_seq=17,
        sealed_ms=WALL + 60_000,
    )
    masks = (Mask(106, "inserted", 0, 20, 1), Mask(102, "path", 4, 4, 2))
    findings = (Finding(1, "secret", "aws-access-key", b"\x01\x02\x03"), Finding(2, "pii", "email"))
    return SegmentContent(header, all_kinds(), masks, findings)


def good(name: str, data: bytes, value: object) -> Vector:
    return {"name": name, "hex": data.hex(), "value": json.loads(msgspec.json.encode(value))}


def bad(name: str, data: bytes, error: str) -> Vector:
    return {"name": name, "hex": data.hex(), "error": error}


def zstd(plain: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(plain)


def events_vectors() -> dict[str, list[Vector]]:
    one = segment.encode_events(typing(1))
    plain = columns.unpack(one[1:], 1 << 20)
    row = b"\x01\x02\x00\x00\x00\x03\x01\x01\x02"
    times = b"\xbc\x31\x00"  # the end of the first time, and the column of differences
    malformed = "segment-malformed"
    assert row + b"\x00" in plain
    assert times in plain

    def raw(changed: bytes) -> bytes:
        return b"\x01\x00" + changed

    def with_row(slot: int, value: int) -> bytes:
        return raw(plain.replace(row, row[:slot] + bytes((value,)) + row[slot + 1 :]))

    return {
        "good": [
            good("no events", segment.encode_events(()), ()),
            good("one edit", one, typing(1)),
            good("every kind", segment.encode_events(all_kinds()), all_kinds()),
            good("a run of typing, compressed", segment.encode_events(typing(120)), typing(120)),
            good("times to the second", segment.encode_events(by_the_second(20)), by_the_second(20)),
        ],
        "bad": [
            bad("empty", b"", "segment-version"),
            bad("another version", b"\x02" + one[1:], "segment-version"),
            bad("an unknown form", b"\x01\x02" + plain, "segment-malformed"),
            bad("cut short", one[:-1], "segment-malformed"),
            bad("a byte too many", one + b"\x00", "segment-malformed"),
            bad("more events than go together", raw(b"\x81\x40"), "segment-malformed"),
            bad("a number that never ends", raw(b"\x81" * 12), "segment-malformed"),
            bad("an unknown kind", with_row(0, 99), "segment-malformed"),
            bad("an unknown level", with_row(1, 3), "segment-malformed"),
            bad("an unknown origin", with_row(2, 9), "segment-malformed"),
            bad("a confidence of 101", with_row(3, 101), "segment-malformed"),
            bad("a flag that is neither", with_row(4, 2), "segment-malformed"),
            bad("a number in a row that is not small", with_row(5, 5), "segment-malformed"),
            bad("a position below zero", with_row(6, 2), "segment-malformed"),
            bad("a text shorter than the edit says", with_row(8, 3), "segment-malformed"),
            bad("a code that names no row", raw(plain.replace(row + b"\x00", row + b"\x01\x01")), "segment-malformed"),
            bad(
                "a column of an unknown width",
                raw(plain.replace(row + b"\x00", row + b"\x08\x00")),
                "segment-malformed",
            ),
            bad("a column whose unit says nothing", raw(plain.replace(times, times[:-1] + b"\x09\x01\x05")), malformed),
            bad(
                "a column of numbers that are too large",
                raw(plain.replace(times, times[:-1] + b"\x09" + b"\x80" * 7 + b"\x40\x05")),
                malformed,
            ),
            bad("a text that is not UTF-8", raw(plain[:-1] + b"\xff"), "segment-malformed"),
            bad("damage in the compressed form", b"\x01\x01" + zstd(plain)[:-2], "segment-malformed"),
            bad("bytes after the compressed form", b"\x01\x01" + zstd(plain) + b"\x00", "segment-malformed"),
        ],
    }


def segment_vectors() -> dict[str, list[Vector]]:
    content = segment_content()
    data = segment.encode_segment(content)
    plain = columns.unpack(data[5:], 1 << 20)
    start = b"OVSG\x01\x00"
    header = msgspec.msgpack.encode(msgspec.structs.astuple(content.header))
    rest = plain[plain.index(header) + len(header) :]

    def with_header(values: list[object]) -> bytes:
        packed = msgspec.msgpack.encode(values)
        writer = columns.Writer()
        writer.raw(packed)
        return start + columns.unpack(writer.pack(1), 1 << 20) + rest

    values = list(msgspec.structs.astuple(content.header))
    return {
        "good": [good("every kind, masks and findings", data, content), good("not compressed", start + plain, content)],
        "bad": [
            bad("empty", b"", "segment-malformed"),
            bad("another magic", b"OVSX" + data[4:], "segment-malformed"),
            bad("another version", data[:4] + b"\x02" + data[5:], "segment-version"),
            bad("cut short", data[:-1], "segment-malformed"),
            bad("a byte too many", start + plain + b"\x00", "segment-malformed"),
            bad("a header of another version", with_header([2, *values[1:]]), "segment-version"),
            bad("a header with too few fields", with_header(values[:-1]), "segment-malformed"),
            bad("a header with a text for a number", with_header([*values[:-1], "now"]), "segment-malformed"),
            bad("a size that no machine has", start[:5] + b"\x01" + bomb(), "segment-too-large"),
        ],
    }


def bomb() -> bytes:
    """A frame header that promises 2^62 bytes (RFC 8878, 3.1.1.1)."""
    return b"\x28\xb5\x2f\xfd\xe0" + (2**62).to_bytes(8, "little") + b"\x01\x00\x00"


def envelope_vectors() -> dict[str, Any]:
    header = EnvelopeHeader(
        version=2,
        study=StudyId("next-edit"),
        study_version=2,
        pseudonym=PSEUDONYM,
        verify_key=encode_key(SIGNER.verify_key.raw),
        epoch=1,
        number=3,
        first_seq=17,
        count=20,
        prev_digest="ab" * 32,
        consent_record=RecordId("0123456789abcdef" * 2),
        recipient=RECIPIENT.public.key_id,
    )
    payload = segment.encode_segment(segment_content())
    data = seal_envelope(header, payload, RECIPIENT.public, SIGNER)
    packed = msgspec.msgpack.encode(msgspec.structs.astuple(header))
    ciphertext = data[4 + 1 + 4 + len(packed) + 4 : -64]

    def assemble(header_bytes: bytes, signer: SigningKey = SIGNER, tail: bytes = b"") -> bytes:
        body = b"OVEN\x02" + len(header_bytes).to_bytes(4, "big") + header_bytes
        body += len(ciphertext).to_bytes(4, "big") + ciphertext
        return body + signer.sign(b"overt envelope signature 2\n" + hashlib.sha256(body).digest()) + tail

    def changed(**fields: object) -> bytes:
        return msgspec.msgpack.encode(msgspec.structs.astuple(msgspec.structs.replace(header, **fields)))

    thief = SigningKey(Secret(b"z" * 32))
    flipped = bytearray(data)
    flipped[-70] ^= 1
    return {
        "recipient_secret": RECIPIENT_SEED.hex(),
        "good": [{**good("a segment", data, header), "payload": payload.hex()}],
        "bad": [
            bad("empty", b"", "envelope-malformed"),
            bad("another magic", b"OVEX" + data[4:], "envelope-malformed"),
            bad("another version", data[:4] + b"\x01" + data[5:], "envelope-version"),
            bad("cut short", data[:-1], "envelope-malformed"),
            bad("a byte too many", data + b"\x00", "envelope-malformed"),
            bad("a number in a longer form", assemble(packed[:1] + b"\xcc\x02" + packed[2:]), "envelope-malformed"),
            bad("a bit of the ciphertext flipped", bytes(flipped), "signature-invalid"),
            bad("a signature over the bytes themselves", data[:-64] + SIGNER.sign(data[:-64]), "signature-invalid"),
            bad("the signature of another key", assemble(packed, thief), "signature-invalid"),
            bad("the pseudonym of another key", assemble(changed(pseudonym="a" * 32)), "signature-invalid"),
            bad("another number, signed anew", assemble(changed(number=4)), "decrypt-failed"),
            bad("another consent record, signed anew", assemble(changed(consent_record="f" * 32)), "decrypt-failed"),
            bad("another recipient, signed anew", assemble(changed(recipient="0" * 16)), "decrypt-failed"),
        ],
    }


def signed_vectors() -> dict[str, Any]:
    receipt = SegmentReceipt(StudyId("next-edit"), PSEUDONYM, 1, 3, "ab" * 32, WALL)
    data = sign_document(SEGMENT_RECEIPT, receipt, SIGNER)
    wrapper = json.loads(data)

    def changed(**fields: object) -> bytes:
        return json.dumps(wrapper | fields).encode()

    return {
        "type": SEGMENT_RECEIPT,
        "good": [
            good("a receipt", data, receipt),
            good("spelled otherwise", json.dumps(wrapper, indent=1).encode(), receipt),
        ],
        "bad": [
            bad("not JSON", b"{", "malformed"),
            bad("another type", changed(type="deletion-receipt"), "malformed"),
            bad("a field too many", changed(more=1), "malformed"),
            bad("another payload", changed(payload=wrapper["payload"] | {"number": 4}), "signature-invalid"),
            bad(
                "another key",
                changed(key=encode_key(SigningKey(Secret(b"z" * 32)).verify_key.raw)),
                "signature-invalid",
            ),
        ],
    }


def main() -> None:
    """Write all files."""
    vectors = {
        "events": events_vectors(),
        "segment": segment_vectors(),
        "envelope": envelope_vectors(),
        "signed": signed_vectors(),
    }
    for name, content in vectors.items():
        (HERE / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
