"""How a command comes by a study's private key: from one file while it is whole, from shares once it is split."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from consent_ledger.study import StudyManifest
from event_model.clock import SystemClock
from event_model.errors import DatasetError, KeyUnavailable
from event_model.keys import RecipientSecretKey, SigningKey, encode_key
from event_model.log_entries import LogKind, LogProof, check_purpose
from overt.keyfiles import read_recipient_key
from overt.study_log import ReceiverLog

MAX_SHARE_BYTES = 16 << 10


class OpenKey:
    """A study key in hand, and what the log says about how it came there (nothing, for a key that was never split)."""

    def __init__(self, secret: RecipientSecretKey, proof: LogProof | None, shares: Sequence[Any]) -> None:
        self.secret = secret
        self.proof = proof
        self._shares = shares

    def tell_built(self, manifest: StudyManifest, *, digest: str, count: int) -> LogProof | None:
        """Have a dataset that was built with this key written into the log; ``digest`` names it, ``count`` segments."""
        if not self._shares:
            return None
        proof: LogProof = _shares_module().state(
            LogKind.DATASET_BUILD,
            [self._shares[0].signing_key],
            ReceiverLog(manifest.receiver.url),
            study=manifest.id,
            log_key=manifest.receiver_key,
            now_ms=SystemClock().wall_ms(),
            digest=digest,
            count=count,
        )
        return proof


def open_key(manifest: StudyManifest, *, key: Path | None, shares: Sequence[Path], purpose: str | None) -> OpenKey:
    """Give a study's private key; from shares, the purpose is written into the study's log first.

    KeyUnavailable: if it is not the study's, or shares are missing. AuditError, UploadError: if the log can't be told.
    """
    if key is not None:
        return OpenKey(_of_study(read_recipient_key(key), manifest, key), None, ())
    module = _shares_module()
    read = [module.read_share(_read(path)) for path in shares]
    for share in read:
        if share.study != manifest.id:
            raise KeyUnavailable(f"this share is of the study {share.study}", code="key-foreign", hint="")
    log = ReceiverLog(manifest.receiver.url)
    now_ms = SystemClock().wall_ms()
    secret, proof = module.open_study_key(read, purpose or "", log, log_key=manifest.receiver_key, now_ms=now_ms)
    return OpenKey(_of_study(secret, manifest, shares[0]), proof, read)


def approving_keys(manifest: StudyManifest, shares: Sequence[Path]) -> list[SigningKey]:
    """Give the signing keys of custodians by their shares. KeyUnavailable: if one is of another study."""
    module = _shares_module()
    read = [module.read_share(_read(path)) for path in shares]
    for share in read:
        if share.study != manifest.id:
            raise KeyUnavailable(f"this share is of the study {share.study}", code="key-foreign", hint="")
    return [share.signing_key for share in read]


def tell_released(manifest: StudyManifest, approvers: Sequence[SigningKey], *, purpose: str, digest: str) -> LogProof:
    """Have a release written into the log by its card's digest, as owner and custodians state it together.

    AuditError: if the purpose is no sentence, or the receiver knows them as something else. UploadError: if the log
    can't be reached.
    """
    proof: LogProof = _shares_module().state(
        LogKind.DATASET_RELEASE,
        approvers,
        ReceiverLog(manifest.receiver.url),
        study=manifest.id,
        log_key=manifest.receiver_key,
        now_ms=SystemClock().wall_ms(),
        purpose=check_purpose(purpose),
        digest=digest,
    )
    return proof


def _of_study(secret: RecipientSecretKey, manifest: StudyManifest, source: Path) -> RecipientSecretKey:
    if encode_key(secret.public.raw) not in manifest.recipients:
        raise KeyUnavailable(
            f"{source} is not a key of the study {manifest.id}",
            code="key-foreign",
            hint="The study is sealed to other keys; give the key or the shares that were made with it.",
        )
    return secret


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_SHARE_BYTES)
    except OSError as error:
        raise KeyUnavailable(f"can't read the share {path}", hint="Check the path and its permissions.") from error


def _shares_module() -> ModuleType:
    try:
        return importlib.import_module("event_model.study_shares")
    except ModuleNotFoundError as error:
        hint = "Install them: pip install 'overt[dataset]'"
        raise DatasetError(f"a package is missing ({error.name})", code="extra-missing", hint=hint) from error
