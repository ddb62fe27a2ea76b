"""The study's audit log as its members reach it: at the receiver that the manifest names."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import msgspec

from event_model.errors import AuditError, UploadError
from event_model.ids import StudyId
from event_model.log_entries import LogProof

TIMEOUT_S = 60.0

MAX_PROOF_BYTES = 64 << 10

_HINT = "Nothing was opened or released: the log entry comes first. See whether the receiver's address can be reached."
_REFUSED = (
    "The receiver must be served with this study's roles.json (`overt serve --roles`), and the clocks must agree."
)


class ReceiverLog:
    """Sends statements to a receiver."""

    def __init__(self, url: str, http: httpx.Client | None = None) -> None:
        self._url = url.rstrip("/")
        self._http = http or httpx.Client(timeout=TIMEOUT_S, follow_redirects=False)

    def append(self, study: StudyId, statements: Sequence[bytes]) -> LogProof:
        """Have a statement written. UploadError: if the log can't be reached. AuditError: if it refuses."""
        body = b'{"statements":[' + b",".join(statements) + b"]}"
        try:
            answer = self._http.post(f"{self._url}/v1/studies/{study}/log", content=body)
        except httpx.HTTPError as error:
            raise UploadError(
                f"the study's log can't be reached: {error}", code="log-unreachable", hint=_HINT
            ) from error
        if answer.status_code != httpx.codes.CREATED:
            text = f"the study's log refuses the statement (it answered {answer.status_code})"
            raise AuditError(text, code="statement-refused", hint=_REFUSED)
        try:
            return msgspec.json.decode(answer.content[:MAX_PROOF_BYTES], type=LogProof)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise AuditError("the log's answer is no proof", code="log-malformed") from error
