"""What both sides of the handshake prove, and the secrets they prove it with. Pure.

The bridge has one key; a profile's secret is derived from it, so that the host that introduces them and the bridge
agree without talking to one another. All texts are ASCII; see docs/PROTOCOL.md.
"""

from __future__ import annotations

import base64
import hmac

from event_model.keys import Secret

_LABEL = "overt bridge 1"


def profile_secret(key: Secret, profile: str, origin: str) -> Secret:
    """Derive the secret of one profile and extension; another origin has another one."""
    return Secret(_mac(key, "secret", profile, origin))


def bridge_proof(secret: Secret, *, profile: str, origin: str, port: int, nonce: str, answer: str) -> str:
    """Make the bridge's proof: only who knows the secret can, and only for this connection."""
    return to_text(_mac(secret, "bridge", profile, origin, str(port), nonce, answer))


def client_proof(secret: Secret, *, profile: str, origin: str, port: int, nonce: str, answer: str) -> str:
    """Make the extension's proof."""
    return to_text(_mac(secret, "client", profile, origin, str(port), nonce, answer))


def paired_secret(code: Secret, *, profile: str, origin: str, port: int, nonce: str, answer: str) -> Secret:
    """Derive the lasting secret of a pairing from its code, which is then used up."""
    return Secret(_mac(code, "pair", profile, origin, str(port), nonce, answer))


def same(one: str, other: str) -> bool:
    """Compare two proofs in constant time."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def to_text(data: bytes) -> str:
    """Write bytes as base64url without padding (RFC 4648 section 5)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _mac(key: Secret, *parts: str) -> bytes:
    return hmac.digest(key.reveal(), "\n".join((_LABEL, *parts)).encode("utf-8", "surrogatepass"), "sha256")
