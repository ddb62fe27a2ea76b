"""Deletion requests on their way to a receiver: signed files that wait until they are confirmed."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from consent_ledger.files import make_private_folder, read_small, sync_folder, write_files
from event_model.errors import ConsentError
from event_model.ids import RecordId, StudyId
from event_model.keys import Secret, pseudonym_of, study_signing_key
from event_model.receipts import DELETION_REQUEST, DeletionRequest, SentSpan
from event_model.signed import sign_document


class Outbox:
    """The folder ``outbox/``; a request's name follows from its bytes, so that writing it twice makes one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(
        self,
        study: StudyId,
        *,
        installation: Secret,
        requested_ms: int,
        reason: str,
        consent_record: RecordId | None = None,
        segments: tuple[tuple[int, int], ...] | None = None,
        sent: SentSpan | None = None,
    ) -> Path:
        """Sign a request and keep it. StoreUnwritable: if there is no space for it."""
        key = study_signing_key(installation, study)
        request = DeletionRequest(
            study=study,
            pseudonym=pseudonym_of(key.verify_key),
            requested_ms=requested_ms,
            reason=reason,
            consent_record=consent_record,
            segments=segments,
            sent=sent,
        )
        data = sign_document(DELETION_REQUEST, request, key)
        path = self._path / f"{requested_ms:016d}-{study}-{hashlib.sha256(data).hexdigest()[:16]}.json"
        make_private_folder(self._path)
        write_files([(path, data)])
        return path

    def waiting(self) -> list[tuple[Path, bytes]]:
        """List the requests, oldest first; one that can't be read is left where it is."""
        found: list[tuple[Path, bytes]] = []
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(self._path.glob("*.json")):
                with contextlib.suppress(OSError):
                    found.append((path, read_small(path)))
        return found

    def settled(self, path: Path) -> None:
        """Take a confirmed request away. ConsentError: if the path is none of this folder's."""
        if path.parent != self._path:
            raise ConsentError(f"{path.name} is no deletion request", code="no-such-request")
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            sync_folder(self._path)
