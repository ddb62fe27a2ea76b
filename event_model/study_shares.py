"""The study's private key in shares (SLIP-39): none of them opens anything, some of them together do.

``open_study_key`` is the only way from shares to a key: it has the purpose written into the study's audit log, and
checks the proof that it stands there, before the shares are put together.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Protocol

import msgspec
from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics

from event_model.checkpoint import Checkpoint, open_checkpoint, origin_of
from event_model.errors import AuditError, KeyUnavailable
from event_model.ids import StudyId
from event_model.keys import (
    SEED_BYTES,
    RecipientSecretKey,
    Secret,
    SigningKey,
    VerifyKey,
    decode_key,
    encode_key,
)
from event_model.log_entries import (
    LOG_STATEMENT,
    LogEntry,
    LogKind,
    LogProof,
    LogStatement,
    check_purpose,
    decode_entry,
)
from event_model.merkle import check_inclusion, leaf_hash
from event_model.signed import sign_document

SHARE_KIND = "overt-study-share-1"

DEFAULT_SHARES = 3
DEFAULT_THRESHOLD = 2
MAX_SHARES = 16
"""SLIP-39's limit."""

NONCE_BYTES = 16


class KeyShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One custodian's file: words of a share (SLIP-39), and the key with which the custodian signs statements.

    ``recipient`` is the id of the study key that the shares make.
    """

    kind: str
    study: StudyId
    recipient: str
    custodian: str
    threshold: int
    shares: int
    words: str
    signer: str

    @property
    def signing_key(self) -> SigningKey:
        """The custodian's key. KeyUnavailable: if it is malformed."""
        return SigningKey(Secret(decode_key(self.signer)))

    def __repr__(self) -> str:
        return f"<KeyShare of {self.custodian}>"


class StudyLog(Protocol):
    """Where a statement is written down: the study's receiver (``overt.study_log``), or a stand-in for it."""

    def append(self, study: StudyId, statements: Sequence[bytes]) -> LogProof:
        """Write what was stated. OvertError: if that is refused or the log can't be reached."""
        ...


def split_study_key(
    secret: RecipientSecretKey, *, study: StudyId, threshold: int = DEFAULT_THRESHOLD, shares: int = DEFAULT_SHARES
) -> tuple[KeyShare, ...]:
    """Split a study key. KeyUnavailable: if the numbers make no sense."""
    if not 1 < threshold <= shares <= MAX_SHARES:
        raise KeyUnavailable(
            f"{threshold} of {shares} makes no sense", code="shares-invalid", hint="Two or more, of up to sixteen."
        )
    (group,) = generate_mnemonics(1, [(threshold, shares)], secret.raw.reveal())
    return tuple(
        KeyShare(
            kind=SHARE_KIND,
            study=study,
            recipient=secret.public.key_id,
            custodian=f"custodian-{number}",
            threshold=threshold,
            shares=shares,
            words=words,
            signer=encode_key(secrets.token_bytes(SEED_BYTES)),
        )
        for number, words in enumerate(group, 1)
    )


def read_share(data: bytes) -> KeyShare:
    """Read a share's file. KeyUnavailable: if it is none."""
    try:
        share = msgspec.json.decode(data, type=KeyShare)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeyUnavailable("this is no share of a study key", code="share-malformed") from error
    if share.kind != SHARE_KIND:
        raise KeyUnavailable(f"this is a {share.kind!r}, not a share of a study key", code="share-malformed")
    return share


def open_study_key(
    shares: Sequence[KeyShare], purpose: str, log: StudyLog, *, log_key: VerifyKey, now_ms: int
) -> tuple[RecipientSecretKey, LogProof]:
    """Write the purpose into the study's log, then put the shares together; give the key and the proof of the entry.

    ``log_key`` is the receiver's key that the manifest names. AuditError: if the purpose is no sentence, or the entry
    is not proved to stand in the log. KeyUnavailable: if the shares are too few, of two keys, or damaged.
    """
    chosen = _enough(shares)
    text = check_purpose(purpose)
    study = chosen[0].study
    proof = state(
        LogKind.KEY_OPENING,
        [share.signing_key for share in chosen],
        log,
        study=study,
        log_key=log_key,
        now_ms=now_ms,
        purpose=text,
    )
    return _combine(chosen), proof


def state(
    kind: LogKind,
    signers: Sequence[SigningKey],
    log: StudyLog,
    *,
    study: StudyId,
    log_key: VerifyKey,
    now_ms: int,
    purpose: str = "",
    digest: str = "",
    count: int = 0,
) -> LogProof:
    """Have something written into a study's log, signed by members, and check the proof that it stands there.

    AuditError: if the proof does not hold, or the entry says something else.
    """
    statement = LogStatement(
        study=study,
        kind=kind,
        stated_ms=now_ms,
        nonce=secrets.token_hex(NONCE_BYTES),
        purpose=purpose,
        digest=digest,
        count=count,
    )
    proof = log.append(study, [sign_document(LOG_STATEMENT, statement, signer) for signer in signers])
    entry, _ = check_proof(proof, study=study, log_key=log_key)
    said = (entry.kind, entry.study, entry.purpose, entry.digest, entry.count, len(entry.by))
    if said != (kind, study, purpose, digest, count, len(signers)):
        raise AuditError("the log holds another entry than was stated", code="log-entry")
    return proof


def check_proof(proof: LogProof, *, study: StudyId, log_key: VerifyKey) -> tuple[LogEntry, Checkpoint]:
    """Check that an entry stands in a study's log. AuditError: if that is not proved."""
    checkpoint = open_checkpoint(proof.checkpoint.encode(), origin=origin_of(study), key=log_key)
    try:
        data = base64.b64decode(proof.entry, validate=True)
    except ValueError as error:
        raise AuditError("the proof holds no entry", code="log-malformed") from error
    check_inclusion(leaf_hash(data), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return decode_entry(data), checkpoint


def _enough(shares: Sequence[KeyShare]) -> list[KeyShare]:
    """Give as many different shares of one key as are needed. KeyUnavailable: if there are not so many."""
    if len({(share.study, share.recipient, share.threshold) for share in shares}) > 1:
        raise KeyUnavailable("these shares are of different keys", code="shares-mixed")
    distinct = list({share.words: share for share in shares}.values())
    needed = distinct[0].threshold if distinct else DEFAULT_THRESHOLD
    if len(distinct) < needed:
        raise KeyUnavailable(
            f"{len(distinct)} of {needed} shares are here", code="shares-missing", hint="Ask another custodian."
        )
    return distinct[:needed]


def _combine(shares: Sequence[KeyShare]) -> RecipientSecretKey:
    try:
        secret = RecipientSecretKey(Secret(combine_mnemonics([share.words for share in shares])))
    except (MnemonicError, ValueError) as error:
        raise KeyUnavailable("a share is damaged", code="share-malformed") from error
    if secret.public.key_id != shares[0].recipient:
        raise KeyUnavailable("the shares make another key than the one they name", code="shares-mixed")
    return secret
