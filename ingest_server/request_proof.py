"""Who sent a request: its signature, and whose key a participant's requests must bear."""

from __future__ import annotations

import msgspec
from starlette.types import Scope

from event_model.errors import ReceiverError, SignatureError
from event_model.keys import pseudonym_of
from event_model.request_signatures import (
    DIGEST_HEADER,
    INPUT_HEADER,
    SIGNATURE_HEADER,
    SignedHeaders,
    verify_request,
)
from ingest_server.rows import Participant

_FIELDS = {
    DIGEST_HEADER.encode(): "digest",
    INPUT_HEADER.encode(): "signature_input",
    SIGNATURE_HEADER.encode(): "signature",
}


class RequestProof(msgspec.Struct, frozen=True):
    """What a request's signature covers beside its body, and the headers that hold it."""

    method: str
    target: str
    headers: SignedHeaders


def proof_of(scope: Scope) -> RequestProof:
    """Read it from an ASGI request. ReceiverError: 401, if a header is there twice."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        field = _FIELDS.get(name)
        if field is not None:
            if field in found:
                raise _refused()
            found[field] = value.decode("latin-1")
    query = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    return RequestProof(scope["method"], target.decode("latin-1"), SignedHeaders(**found))


def check_request(proof: RequestProof, participant: Participant, body_digest: bytes, *, now_ms: int) -> None:
    """Check that a participant's own key signed a request, body included. ReceiverError: 401; it tells no reason.

    A request that bears nothing of a signature passes: every body is itself signed and bound to its address, and a
    device whose key is locked or gone must still be able to send what was sealed or asked for before.
    """
    if proof.headers == SignedHeaders():
        return
    try:
        key = verify_request(proof.method, proof.target, body_digest, proof.headers, now_s=now_ms // 1000)
    except SignatureError as error:
        raise _refused() from error
    if pseudonym_of(key) != participant.pseudonym:
        raise _refused()


def _refused() -> ReceiverError:
    return ReceiverError("the request is not signed as it has to be", status=401, code="signature-refused")
