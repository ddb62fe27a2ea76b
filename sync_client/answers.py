"""What each answer of a receiver means, and which receipts count. Pure: bytes and numbers in, a verdict out."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from event_model.errors import CryptoError, FormatError, UploadError
from event_model.ids import Pseudonym, StudyId
from event_model.keys import VerifyKey
from event_model.receipts import DELETION_RECEIPT, SEGMENT_RECEIPT, DeletionReceipt, SegmentReceipt
from event_model.signed import open_document

MAX_ANSWER_BYTES = 64 << 10
"""A receipt has some 500 bytes; of a longer answer no more than this is read."""

MAX_RETRY_AFTER_S = 7 * 24 * 3600
"""A week: a receiver that asks for more is asked again after a week."""


class Reaction(enum.Enum):
    """What to do about an answer."""

    ACCEPTED = "accepted"
    """Done, if the receipt is valid; an answer without a valid one counts as ``AGAIN``."""
    AGAIN = "again"
    """Passing trouble: try again later, the same bytes."""
    CONSENT = "consent"
    """The receiver lacks the consent record: send it once more, then the item again; then as ``REFUSED``."""
    REFUSED = "refused"
    """Permanent: trying again changes nothing. The study's upload stops here; nothing is thrown away."""


ANSWERS: Mapping[int, Reaction] = {
    200: Reaction.ACCEPTED,
    201: Reaction.ACCEPTED,
    400: Reaction.REFUSED,
    401: Reaction.CONSENT,
    403: Reaction.CONSENT,
    404: Reaction.REFUSED,
    408: Reaction.AGAIN,
    409: Reaction.REFUSED,
    410: Reaction.REFUSED,
    413: Reaction.REFUSED,
    422: Reaction.REFUSED,
    425: Reaction.AGAIN,
    429: Reaction.AGAIN,
    500: Reaction.AGAIN,
    502: Reaction.AGAIN,
    503: Reaction.AGAIN,
    504: Reaction.AGAIN,
}
"""The answers that are met in practice; docs/RECEIVER.md shows this table, and a test compares the two."""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, cut to ``MAX_ANSWER_BYTES``. ``status`` 0: none came; ``note`` then says why."""

    status: int
    body: bytes = b""
    retry_after: str | None = None
    note: str = ""


def reaction_to(status: int) -> Reaction:
    """Say what to do about a status; those not in the table go by their hundred. 0 (no answer) is tried again."""
    if status in ANSWERS:
        return ANSWERS[status]
    # Redirects (3xx) are refused too: a body is never sent to a host that the signed manifest does not name.
    return Reaction.REFUSED if 300 <= status < 500 else Reaction.AGAIN


def retry_after_ms(value: str | None, now_ms: int) -> int | None:
    """Read a Retry-After header (RFC 9110, section 10.2.3: seconds or a date); None if there is no sense in it."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), MAX_RETRY_AFTER_S) * 1000
    try:
        at_ms = int(parsedate_to_datetime(text).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return min(max(at_ms - now_ms, 0), MAX_RETRY_AFTER_S * 1000)


def problem_code(answer: Answer) -> str:
    """Read the stable code of a refusal; ``http-<status>`` if the answer names none."""
    try:
        problem = msgspec.json.decode(answer.body, type=_Problem)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return f"http-{answer.status}"
    return problem.code


def segment_receipt(
    body: bytes, *, key: VerifyKey, study: StudyId, pseudonym: Pseudonym, at: tuple[int, int], digest: str
) -> SegmentReceipt:
    """Check a receipt for one's own envelope; ``at`` is (epoch, number). UploadError: if it is not exactly that."""
    try:
        receipt = open_document(SEGMENT_RECEIPT, body, SegmentReceipt, key=key).payload
    except (FormatError, CryptoError) as error:
        raise _no_receipt() from error
    ours = (receipt.study, receipt.pseudonym, receipt.epoch, receipt.number, receipt.digest)
    if ours != (study, pseudonym, *at, digest):
        raise _no_receipt()
    return receipt


def deletion_receipt(
    body: bytes, *, key: VerifyKey, study: StudyId, pseudonym: Pseudonym, request: str
) -> DeletionReceipt:
    """Check a receipt for one's own deletion request, by its digest. UploadError: if it is not exactly that."""
    try:
        receipt = open_document(DELETION_RECEIPT, body, DeletionReceipt, key=key).payload
    except (FormatError, CryptoError) as error:
        raise _no_receipt() from error
    if (receipt.study, receipt.pseudonym, receipt.request) != (study, pseudonym, request):
        raise _no_receipt()
    return receipt


class _Problem(msgspec.Struct, frozen=True):
    code: str


def _no_receipt() -> UploadError:
    hint = "Nothing is lost. If this goes on, something between you and the receiver answers in its place."
    return UploadError("the answer is no receipt of the study's receiver", code="receipt-invalid", hint=hint)
