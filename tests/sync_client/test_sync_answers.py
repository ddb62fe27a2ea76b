from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from event_model.errors import UploadError
from event_model.ids import Pseudonym, StudyId
from event_model.keys import Secret, SigningKey
from event_model.receipts import DELETION_RECEIPT, SEGMENT_RECEIPT, DeletionReceipt, SegmentReceipt
from event_model.signed import sign_document
from sync_client.answers import (
    ANSWERS,
    MAX_RETRY_AFTER_S,
    Reaction,
    deletion_receipt,
    reaction_to,
    retry_after_ms,
    segment_receipt,
)

KEY = SigningKey(Secret(b"\x01" * 32))
OTHER = SigningKey(Secret(b"\x02" * 32))
RECEIPT = SegmentReceipt(StudyId("study-a"), Pseudonym("a" * 32), 1, 2, "d" * 64, 5)
DOCUMENT = Path(__file__).parents[2] / "docs" / "RECEIVER.md"


def check(body: bytes) -> SegmentReceipt:
    return segment_receipt(
        body, key=KEY.verify_key, study=RECEIPT.study, pseudonym=RECEIPT.pseudonym, at=(1, 2), digest="d" * 64
    )


def test_ones_own_receipt_counts() -> None:
    assert check(sign_document(SEGMENT_RECEIPT, RECEIPT, KEY)) == RECEIPT


@pytest.mark.parametrize(
    "change",
    [
        {"study": "study-b"},
        {"pseudonym": "b" * 32},
        {"epoch": 2},
        {"number": 1},
        {"digest": "e" * 64},
    ],
)
def test_someone_elses_receipt_does_not_count(change: dict[str, object]) -> None:
    with pytest.raises(UploadError) as caught:
        check(sign_document(SEGMENT_RECEIPT, msgspec.structs.replace(RECEIPT, **change), KEY))
    assert caught.value.code == "receipt-invalid"
    assert caught.value.hint


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>200 OK</html>",
        b"\xff\xfe",
        b"[" * 60_000,
        sign_document(SEGMENT_RECEIPT, RECEIPT, OTHER),
        sign_document(DELETION_RECEIPT, RECEIPT, KEY),
        sign_document(SEGMENT_RECEIPT, RECEIPT, KEY).replace(b'"number":2', b'"number":3'),
    ],
)
def test_what_is_no_receipt_does_not_count(body: bytes) -> None:
    with pytest.raises(UploadError):
        check(body)


def test_a_deletion_receipt_must_name_the_request() -> None:
    receipt = DeletionReceipt(StudyId("study-a"), Pseudonym("a" * 32), "r" * 64, 3, 5)
    body = sign_document(DELETION_RECEIPT, receipt, KEY)
    arguments = {"key": KEY.verify_key, "study": receipt.study, "pseudonym": receipt.pseudonym}
    assert deletion_receipt(body, request="r" * 64, **arguments) == receipt  # type: ignore[arg-type]
    with pytest.raises(UploadError):
        deletion_receipt(body, request="s" * 64, **arguments)  # type: ignore[arg-type]
    with pytest.raises(UploadError):
        deletion_receipt(b"{}", request="r" * 64, **arguments)  # type: ignore[arg-type]


def test_no_redirect_is_ever_followed() -> None:
    assert {reaction_to(status) for status in range(300, 400)} == {Reaction.REFUSED}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("0", 0),
        (" 12 ", 12_000),
        ("99999999999999999999", MAX_RETRY_AFTER_S * 1000),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30_000),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("-1", None),
        ("soon", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(value: str | None, expected: int | None) -> None:
    assert retry_after_ms(value, 1_445_412_480_000) == expected


def test_the_published_table_is_the_one_in_use() -> None:
    rows = re.findall(r"^\| (\d{3})\b[^|]*\| \*\*(\w+)\*\*", DOCUMENT.read_text(), flags=re.MULTILINE)
    assert {int(status): Reaction(word) for status, word in rows} == dict(ANSWERS)
