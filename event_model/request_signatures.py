"""Signed requests: HTTP Message Signatures (RFC 9421) by the installation's key over a Content-Digest (RFC 9530).

A signature covers the method, the target and the digest of the body, so that no one between device and receiver can
send a body elsewhere, under another method, or in another's name. Bytes and times in, headers or a verdict out.

One profile is spoken: Ed25519, the three components in this order, SHA-256. A general verifier costs ten times as much
for each request; the tests check both directions against one.
"""

from __future__ import annotations

import base64
import hashlib
import re

import msgspec

from event_model.errors import KeyUnavailable, SignatureError
from event_model.keys import SigningKey, VerifyKey, encode_key, read_verify_key

DIGEST_HEADER = "content-digest"
INPUT_HEADER = "signature-input"
SIGNATURE_HEADER = "signature"

MAX_SKEW_S = 24 * 3600
"""How far ``created`` may lie from the receiver's clock, either way.

A device's clock may be off; what is replayed within a day changes nothing, since every request is idempotent.
"""

MAX_HEADER_CHARACTERS = 1024
"""An input is some 200 characters."""

_COVERED = '("@method" "@request-target" "content-digest")'
_LABEL = "overt"

_INPUT = re.compile(r"([a-z*][a-z0-9_.*-]*)=(" + re.escape(_COVERED) + r'((?:;[a-z]+=(?:[0-9]{1,15}|"[^"\\]*"))*))')
_PARAMETER = re.compile(r';([a-z]+)=(?:([0-9]+)|"([^"\\]*)")')
_KNOWN = frozenset({"created", "expires", "keyid", "alg", "nonce", "tag"})


class SignedHeaders(msgspec.Struct, frozen=True):
    """The three headers as they came; empty where there was none."""

    digest: str = ""
    signature_input: str = ""
    signature: str = ""


def sign_request(method: str, target: str, body: bytes, key: SigningKey, *, now_s: int) -> dict[str, str]:
    """Give the headers that sign a request. ``target`` is the path, with the query if there is one."""
    digest = _digest_field(hashlib.sha256(body).digest())
    parameters = f'{_COVERED};created={now_s};keyid="{encode_key(key.verify_key.raw)}";alg="ed25519"'
    signature = base64.b64encode(key.sign(_base(method, target, digest, parameters))).decode()
    return {
        DIGEST_HEADER: digest,
        INPUT_HEADER: f"{_LABEL}={parameters}",
        SIGNATURE_HEADER: f"{_LABEL}=:{signature}:",
    }


def verify_request(method: str, target: str, body_digest: bytes, headers: SignedHeaders, *, now_s: int) -> VerifyKey:
    """Check a request's signature and give the key that made it; whose it is is the caller's to judge.

    ``body_digest`` is the SHA-256 of the body as it came. SignatureError: if a header is missing or malformed, the
    digest is another body's, the signature does not fit, or it was made over a day from ``now_s``, or is expired.
    """
    if headers.digest != _digest_field(body_digest):
        raise SignatureError("the request's Content-Digest is missing, or another body's")
    if max(len(headers.signature_input), len(headers.signature)) > MAX_HEADER_CHARACTERS:
        raise SignatureError("a signature header that is too long")
    match = _INPUT.fullmatch(headers.signature_input)
    if match is None:
        raise SignatureError("the request bears no signature of the form that is asked for")
    label, parameters, rest = match.groups()
    key = _key(_signed_with(rest, now_s=now_s))
    signature = _signature(headers.signature, label)
    key.verify(signature, _base(method, target, headers.digest, parameters))
    return key


def _base(method: str, target: str, digest: str, parameters: str) -> bytes:
    """Write the signature base (RFC 9421, section 2.5)."""
    return (
        f'"@method": {method}\n"@request-target": {target}\n"content-digest": {digest}\n'
        f'"@signature-params": {parameters}'
    ).encode()


def _digest_field(digest: bytes) -> str:
    return f"sha-256=:{base64.b64encode(digest).decode()}:"


def _signed_with(parameters: str, *, now_s: int) -> str:
    """Check the parameters of a signature and give its key id."""
    found: dict[str, str | int] = {}
    for name, number, text in _PARAMETER.findall(parameters):
        if name in found or name not in _KNOWN:
            raise SignatureError("a signature parameter that is unknown or given twice")
        found[name] = int(number) if number else text
    created, expires, key_id = found.get("created"), found.get("expires"), found.get("keyid")
    if not isinstance(created, int) or not isinstance(key_id, str) or found.get("alg", "ed25519") != "ed25519":
        raise SignatureError("a signature without a time, a key, or of another algorithm")
    if abs(now_s - created) > MAX_SKEW_S or (expires is not None and (isinstance(expires, str) or expires < now_s)):
        raise SignatureError("the request was signed too long ago, or in the future")
    return key_id


def _signature(header: str, label: str) -> bytes:
    prefix = f"{label}=:"
    if not header.startswith(prefix) or not header.endswith(":"):
        raise SignatureError("the request's signature is missing")
    try:
        return base64.b64decode(header[len(prefix) : -1], validate=True)
    except ValueError as error:
        raise SignatureError("the request's signature is malformed") from error


def _key(key_id: str) -> VerifyKey:
    try:
        return read_verify_key(key_id)
    except KeyUnavailable as error:
        raise SignatureError("the request's key is malformed") from error
