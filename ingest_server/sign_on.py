"""Enrolment by single sign-on: an OpenID Connect ID token, bound to one participant, lets a person in.

The token is checked and forgotten. What stays is a keyed digest of its subject, by which the same person is known
again in the same study and in no other; without the receiver's key nobody can tell from it who that is.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from event_model.clock import Clock
from event_model.errors import ReceiverError
from event_model.keys import Secret
from event_model.sign_on import SignOnSettings, discovery_address, nonce_of, person_digest, safe_address
from ingest_server.rows import Participant

INSTALLATIONS = 4
"""How many of one person's installations may take part in a study: a desk, a laptop, and new starts."""

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
"""What tokens may be signed with; nothing symmetric, and never nothing."""

MAX_TOKEN_CHARACTERS = 16_384
MAX_ANSWER_BYTES = 256 << 10
"""A provider's description or key set has some kilobytes."""

SKEW_S = 60
"""How far the provider's clock may be off."""

KEYS_LAST_S = 3600.0
"""After this the provider's keys are asked for again, so that one that was withdrawn goes out."""

KEYS_AGAIN_S = 60.0
"""And no sooner for a token that names an unknown key: anyone can make one."""

TIMEOUT_S = 10.0


class _Claims(msgspec.Struct):
    """What is read of a token; everything else in it is never looked at."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    nonce: str
    iat: float = 0.0
    azp: str | None = None


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


class SignOn:
    """Checks ID tokens of one provider."""

    def __init__(
        self,
        settings: SignOnSettings,
        *,
        secret: Secret,
        clock: Clock,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``secret`` is the receiver's: the digests of subjects are keyed with what is derived from it."""
        self.settings = settings
        self._digest_key = secret.derive("overt receiver sign-on subjects 1")
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._keys: KeySet | None = None
        self._fetched_s = 0.0

    async def places(self, participant: Participant, token: str) -> tuple[str, ...]:
        """Give the names of the places in the study that a token's subject may take, one for each installation.

        ReceiverError: 403 if the token is not the provider's, has expired, or was made for someone else; 503 if the
        provider's keys can't be had.
        """
        claims = await self._claims(token)
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        now_s = self._clock.wall_ms() / 1000
        sound = (
            claims.iss == self.settings.issuer
            and self.settings.client_id in audiences
            and (claims.azp == self.settings.client_id or (claims.azp is None and len(audiences) == 1))
            and claims.exp > now_s - SKEW_S
            and claims.iat < now_s + SKEW_S
            and claims.sub != ""
            and hmac.compare_digest(claims.nonce.encode(), nonce_of(participant.study, participant.pseudonym).encode())
        )
        if not sound:
            raise _refused()
        return self.places_of(person_digest(self.settings.issuer, participant.study, claims.sub))

    def places_of(self, person: str) -> tuple[str, ...]:
        """Give the places of a person, by the ``person_digest``."""
        return tuple(self._place(person, number) for number in range(INSTALLATIONS))

    def _place(self, person: str, number: int) -> str:
        named = msgspec.json.encode([person, number])
        return hmac.digest(self._digest_key.reveal(), named, "sha256").hex()[:32]

    async def _claims(self, token: str) -> _Claims:
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise _refused()
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
            keys = await self._current_keys(header.get("kid"))
            found = jws.deserialize_compact(token, keys, algorithms=ALGORITHMS)
            return msgspec.json.decode(found.payload, type=_Claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:  # msgspec's errors are ValueErrors
            raise _refused() from error

    async def _current_keys(self, wanted: Any) -> KeySet:
        age_s = self._monotonic_s() - self._fetched_s
        known = self._keys is not None and (wanted is None or any(key.kid == wanted for key in self._keys.keys))
        if self._keys is None or age_s > KEYS_LAST_S or (not known and age_s > KEYS_AGAIN_S):
            self._keys = await self._fetch_keys()
            self._fetched_s = self._monotonic_s()
        return self._keys

    async def _fetch_keys(self) -> KeySet:
        try:
            async with httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False) as http:
                found = await _get(http, discovery_address(self.settings.issuer))
                address = _keys_address(found, self.settings.issuer)
                return KeySet.import_key_set(msgspec.json.decode(await _get(http, address)))
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            raise ReceiverError(
                "the sign-on provider can't be asked at present", status=503, code="sign-on-unreachable"
            ) from error


def _keys_address(description: bytes, issuer: str) -> str:
    """Read where a provider's keys lie. ValueError: if the description is another's, or that place is not safe."""
    found = msgspec.json.decode(description, type=_Discovery)
    if found.issuer != issuer or not safe_address(found.jwks_uri):
        raise ValueError("a description that is another provider's")
    return found.jwks_uri


async def _get(http: httpx.AsyncClient, url: str) -> bytes:
    """Read a small document. ValueError: if it is not there, or too large."""
    async with http.stream("GET", url) as answer:
        if answer.status_code != httpx.codes.OK:
            raise ValueError(f"the provider answers {answer.status_code}")
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("the provider's answer is too large")
        return body


def _refused() -> ReceiverError:
    return ReceiverError("this sign-on is not valid here", status=403, code="sign-on-refused")
