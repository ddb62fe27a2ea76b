"""The handshake as a state table, without I/O: who may go on, and with which secret.

==========  ============  ==========
state       message       next state
==========  ============  ==========
``fresh``   ``hello``     ``asked``
``asked``   ``proof``     ``ready``
==========  ============  ==========

Anything else, and any proof that does not fit, ends in ``refused``, which nothing leaves.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from browser_bridge.messages import PROTOCOL, ClientProof, Hello, Incoming
from browser_bridge.proofs import bridge_proof, client_proof, paired_secret, same, to_text
from event_model.keys import Secret

NONCE_BYTES = 16


class State(enum.Enum):
    """Where a handshake stands."""

    FRESH = "fresh"
    ASKED = "asked"
    READY = "ready"
    REFUSED = "refused"


NEXT: dict[tuple[State, type[Incoming]], State] = {
    (State.FRESH, Hello): State.ASKED,
    (State.ASKED, ClientProof): State.READY,
}
"""Every transition there is but those to ``refused``."""


class Keyring(msgspec.Struct, frozen=True):
    """Where a handshake finds secrets: by profile and origin, or the code of a pairing that is open now."""

    secret: Callable[[str, str], Secret | None]
    code: Callable[[], Secret | None]


class Handshake:
    """One connection's. ``origin`` and ``port`` are the connection's own; ``random`` gives bytes."""

    def __init__(self, *, origin: str, port: int, keyring: Keyring, random: Callable[[int], bytes]) -> None:
        self.state = State.FRESH
        self.hello: Hello | None = None
        self.paired: Secret | None = None
        """The secret of a pairing that this handshake made; to be kept."""
        self._origin = origin
        self._port = port
        self._keyring = keyring
        self._random = random
        self._secret: Secret | None = None
        self._answer = ""

    def receive(self, message: Incoming) -> dict[str, Any] | None:
        """Take a message; gives the answer, if there is one. Look at ``state`` then."""
        after = NEXT.get((self.state, type(message)), State.REFUSED)
        self.state = State.REFUSED
        if after is State.ASKED and isinstance(message, Hello):
            return self._ask(message)
        if after is State.READY and isinstance(message, ClientProof):
            self._check(message)
        return None

    def _ask(self, hello: Hello) -> dict[str, Any] | None:
        if hello.protocol != PROTOCOL:
            return None
        known = self._keyring.code() if hello.pair else self._keyring.secret(hello.profile, self._origin)
        # One who is not known gets a challenge too: an answer that looks the same tells nothing.
        self._secret = known or Secret(self._random(32))
        self.hello = hello
        self._answer = to_text(self._random(NONCE_BYTES))
        self.state = State.ASKED
        return {"type": "challenge", "nonce": self._answer, "proof": bridge_proof(self._secret, **self._bound(hello))}

    def _check(self, message: ClientProof) -> None:
        if self._secret is None or self.hello is None:
            return
        if not same(message.proof, client_proof(self._secret, **self._bound(self.hello))):
            return
        if self.hello.pair:
            self.paired = paired_secret(self._secret, **self._bound(self.hello))
        self.state = State.READY

    def _bound(self, hello: Hello) -> dict[str, Any]:
        return {
            "profile": hello.profile,
            "origin": self._origin,
            "port": self._port,
            "nonce": hello.nonce,
            "answer": self._answer,
        }
