from __future__ import annotations

import base64
import datetime
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from http_message_signatures import HTTPMessageSigner, HTTPMessageVerifier, algorithms
from http_message_signatures.resolvers import MappingKeyResolver

from event_model.errors import SignatureError
from event_model.keys import Secret, SigningKey, encode_key
from event_model.request_signatures import MAX_SKEW_S, SignedHeaders, sign_request, verify_request

SEED = b"\x21" * 32
KEY = SigningKey(Secret(SEED))
NOW_S = 1_767_225_600
TARGET = "/v1/studies/study-a/participants/abc/segments/1/7"
BODY = b"sealed"


class Message:
    """A request as the general library wants it."""

    def __init__(self, headers: dict[str, str], method: str = "PUT", target: str = TARGET) -> None:
        self.method, self.url, self.headers = method, f"https://receiver.example{target}", headers


def resolver() -> MappingKeyResolver:
    name = encode_key(KEY.verify_key.raw)
    public = Ed25519PublicKey.from_public_bytes(KEY.verify_key.raw)
    return MappingKeyResolver(
        public_keys={name: public}, private_keys={name: Ed25519PrivateKey.from_private_bytes(SEED)}
    )


def headers_of(signed: dict[str, str]) -> SignedHeaders:
    low = {name.lower(): value for name, value in signed.items()}
    return SignedHeaders(low.get("content-digest", ""), low.get("signature-input", ""), low.get("signature", ""))


def verify(
    signed: dict[str, str], *, method: str = "PUT", target: str = TARGET, body: bytes = BODY, now_s: int = NOW_S
):
    return verify_request(method, target, hashlib.sha256(body).digest(), headers_of(signed), now_s=now_s)


def test_a_signed_request_names_its_key() -> None:
    assert verify(sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S)) == KEY.verify_key


def test_a_general_verifier_accepts_what_we_sign() -> None:
    now_s = int(datetime.datetime.now(datetime.UTC).timestamp())
    message = Message(sign_request("PUT", TARGET, BODY, KEY, now_s=now_s))
    HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=resolver()).verify(message, body=BODY)


def signed_by_a_general_signer(*, expires_s: int | None = None) -> dict[str, str]:
    message = Message({})
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver()).sign(
        message,
        key_id=encode_key(KEY.verify_key.raw),
        created=datetime.datetime.fromtimestamp(NOW_S, datetime.UTC),
        expires=None if expires_s is None else datetime.datetime.fromtimestamp(expires_s, datetime.UTC),
        covered_component_ids=("@method", "@request-target"),
        body=BODY,
    )
    return message.headers


def test_we_accept_what_a_general_signer_signs() -> None:
    assert verify(signed_by_a_general_signer()) == KEY.verify_key


def test_a_signature_that_says_when_it_expires_is_refused_from_then_on() -> None:
    signed = signed_by_a_general_signer(expires_s=NOW_S + 60)
    assert verify(signed, now_s=NOW_S + 60) == KEY.verify_key
    with pytest.raises(SignatureError):
        verify(signed, now_s=NOW_S + 61)


@pytest.mark.parametrize("skew_s", [-MAX_SKEW_S, MAX_SKEW_S])
def test_a_clock_may_be_off_by_a_day(skew_s: int) -> None:
    assert verify(sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S + skew_s)) == KEY.verify_key


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "POST"},
        {"target": TARGET[:-1] + "8"},
        {"target": TARGET + "?x=1"},
        {"body": b"other"},
        {"now_s": NOW_S + MAX_SKEW_S + 1},
        {"now_s": NOW_S - MAX_SKEW_S - 1},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_what_is_altered_is_refused(changed: dict[str, object]) -> None:
    signed = sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S)
    with pytest.raises(SignatureError):
        verify(signed, **changed)  # type: ignore[arg-type]


def test_a_digest_that_is_altered_with_the_body_is_refused() -> None:
    signed = sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S)
    other = sign_request("PUT", TARGET, b"other", KEY, now_s=NOW_S)
    with pytest.raises(SignatureError):
        verify({**signed, "content-digest": other["content-digest"]}, body=b"other")


def signed_with(parameters: str) -> dict[str, str]:
    """Sign as whoever has the key can, with any parameters."""
    headers = sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S)
    covered = f'("@method" "@request-target" "content-digest");keyid="{encode_key(KEY.verify_key.raw)}"{parameters}'
    base = f'"@method": PUT\n"@request-target": {TARGET}\n"content-digest": {headers["content-digest"]}\n'
    signature = base64.b64encode(KEY.sign(f'{base}"@signature-params": {covered}'.encode())).decode()
    return {**headers, "signature-input": f"overt={covered}", "signature": f"overt=:{signature}:"}


@pytest.mark.parametrize(
    ("parameters", "counts"),
    [
        (f";created={NOW_S}", True),
        (f';created={NOW_S};alg="ed25519";nonce="x";tag="y"', True),
        (f';created={NOW_S};alg="hmac-sha256"', False),
        (f';created={NOW_S};other="x"', False),
        (f";created={NOW_S - 1};created={NOW_S}", False),
        (f';created={NOW_S};nonce="{"x" * 1024}"', False),
        (f";created={NOW_S};expires={NOW_S - 1}", False),
        ("", False),
    ],
)
def test_a_signature_that_fits_counts_only_with_parameters_that_are_known(parameters: str, *, counts: bool) -> None:
    if counts:
        assert verify(signed_with(parameters)) == KEY.verify_key
    else:
        with pytest.raises(SignatureError):
            verify(signed_with(parameters))


@pytest.mark.parametrize("name", ["content-digest", "signature-input", "signature"])
@pytest.mark.parametrize("value", ["", "x", "overt=:", "overt=::", "overt=:\N{EM DASH}:", "a" * 5000])
def test_a_missing_or_malformed_header_is_refused(name: str, value: str) -> None:
    signed = sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S)
    with pytest.raises(SignatureError):
        verify({**signed, name: value})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (';alg="ed25519"', ';alg="hmac-sha256"'),
        (f";created={NOW_S}", ""),
        (f";created={NOW_S}", f";created={NOW_S};created={NOW_S + 1}"),
        (f";created={NOW_S}", f";created={NOW_S + 1}"),
        (f";created={NOW_S}", f";created={NOW_S};expires={NOW_S - 1}"),
        (' "content-digest"', ""),
        ("keyid=", "other="),
    ],
)
def test_an_input_that_is_altered_is_refused(old: str, new: str) -> None:
    signed = sign_request("PUT", TARGET, BODY, KEY, now_s=NOW_S)
    assert old in signed["signature-input"]
    with pytest.raises(SignatureError):
        verify({**signed, "signature-input": signed["signature-input"].replace(old, new)})
