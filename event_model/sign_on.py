"""What device and receiver agree on about enrolment by single sign-on (OpenID Connect Core 1.0). Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from urllib.parse import urlsplit

import msgspec

from event_model.ids import Pseudonym, StudyId
from event_model.keys import encode_key

TOKEN_HEADER = "overt-identity-token"  # noqa: S105 - a header's name
"""The request header in which a device shows its ID token beside its consent record."""

PERSON_CHARACTERS = 43
"""The length of a ``person_digest``."""


class SignOnSettings(msgspec.Struct, frozen=True):
    """Whose tokens count, and the client that they must have been made for."""

    issuer: str
    client_id: str


def nonce_of(study: StudyId, pseudonym: Pseudonym) -> str:
    """Name a participant in the token's ``nonce``: who gets hold of the token can't enrol another key with it.

    A digest, so that the provider does not learn the pseudonym.
    """
    return encode_key(hashlib.sha256(f"overt sign-on nonce 1\n{study}\n{pseudonym}".encode()).digest())


def person_digest(issuer: str, study: StudyId, subject: str) -> str:
    """Name a person of a provider in one study: 43 characters.

    The owner, who knows the subject, and the receiver, who saw it in a token, come to the same; who knows no subject
    can't tell one from it, but who knows some can try them: it is for these two alone.
    """
    named = msgspec.json.encode(["overt sign-on person 1", issuer, study, subject])
    return encode_key(hashlib.sha256(named).digest())


def discovery_address(issuer: str) -> str:
    """Say where a provider describes itself (OpenID Connect Discovery 1.0, section 4)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def safe_address(url: str) -> bool:
    """Say whether an address is https, or http on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    if parts.scheme != "http":
        return False
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
