from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from event_model.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from event_model.errors import AuditError
from event_model.ids import StudyId
from event_model.keys import Secret, SigningKey

KEY = SigningKey(Secret(b"\x21" * 32))
OTHER = SigningKey(Secret(b"\x22" * 32))
ORIGIN = origin_of(StudyId("study-a"))
CHECKPOINT = Checkpoint(ORIGIN, 17, b"\x05" * 32)


def test_a_checkpoint_is_a_signed_note_of_the_published_form() -> None:
    data = sign_checkpoint(CHECKPOINT, KEY)
    text, signatures = data.split(b"\n\n")
    assert text.decode().split("\n") == ["overt/study-a", "17", base64.b64encode(b"\x05" * 32).decode()]
    dash, name, value = signatures.decode().rstrip("\n").split(" ")
    assert (dash, name) == ("\N{EM DASH}", ORIGIN)
    raw = base64.b64decode(value)
    assert raw[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + KEY.verify_key.raw).digest()[:4]
    Ed25519PublicKey.from_public_bytes(KEY.verify_key.raw).verify(raw[4:], text + b"\n")


def test_what_was_signed_is_read_back_also_beside_a_witness() -> None:
    data = sign_checkpoint(CHECKPOINT, KEY)
    witnessed = data + "\N{EM DASH} witness.example AAAAAAAA\n".encode()
    for each in (data, witnessed):
        assert open_checkpoint(each, origin=ORIGIN, key=KEY.verify_key) == CHECKPOINT


def test_another_key_log_or_size_is_refused() -> None:
    data = sign_checkpoint(CHECKPOINT, KEY)
    for wrong, origin, key, code in (
        (data, ORIGIN, OTHER, "log-signature"),
        (data, "overt/study-b", KEY, "log-foreign"),
        (data.replace(b"17", b"18"), ORIGIN, KEY, "log-signature"),
        (sign_checkpoint(CHECKPOINT, OTHER), ORIGIN, KEY, "log-signature"),
    ):
        with pytest.raises(AuditError) as caught:
            open_checkpoint(wrong, origin=origin, key=key.verify_key)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"overt/study-a\n17\n\n",
        b"overt/study-a\n17\nAAAA\n\nx",
        b"overt/study-a\n017\n" + base64.b64encode(bytes(32)) + b"\n\nx",
        b"overt/study-a\n-1\n" + base64.b64encode(bytes(32)) + b"\n\nx",
        b"overt/study-a\n1_0\n" + base64.b64encode(bytes(32)) + b"\n\nx",
        b"overt/study-a\n" + b"9" * 5000 + b"\n" + base64.b64encode(bytes(32)) + b"\n\nx",
        b"\xff\n17\n" + base64.b64encode(bytes(32)) + b"\n\nx",
        b"x" * 10_000 + b"\n\n",
    ],
)
def test_what_is_no_checkpoint_is_said_so(data: bytes) -> None:
    with pytest.raises(AuditError) as caught:
        open_checkpoint(data, origin=ORIGIN, key=KEY.verify_key)
    assert caught.value.code == "log-malformed"
