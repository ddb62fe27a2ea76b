"""Write tests/vectors/bridge.json: the proofs of the handshake, for both of its implementations."""

from __future__ import annotations

import json
from pathlib import Path

from browser_bridge.gatekeeper import CHROMIUM_ID
from browser_bridge.proofs import bridge_proof, client_proof, paired_secret, profile_secret, to_text
from event_model.keys import Secret

BOUND = {
    "profile": "0123456789abcdef0123456789abcdef",
    "origin": f"chrome-extension://{CHROMIUM_ID}",
    "port": 47011,
    "nonce": to_text(bytes(range(16))),
    "answer": to_text(bytes(range(16, 32))),
}


def main() -> None:
    """Write the file beside this one."""
    key, code = Secret(bytes(range(32))), Secret(b"ABCDEFGHIJKLMNOPQRST")
    secret = profile_secret(key, str(BOUND["profile"]), str(BOUND["origin"]))
    vectors = {
        "bound": BOUND,
        "bridge_key": to_text(key.reveal()),
        "secret": to_text(secret.reveal()),
        "bridge_proof": bridge_proof(secret, **BOUND),  # type: ignore[arg-type]
        "client_proof": client_proof(secret, **BOUND),  # type: ignore[arg-type]
        "code": "ABCDE-FGHIJ-KLMNO-PQRST",
        "paired_secret": to_text(paired_secret(code, **BOUND).reveal()),  # type: ignore[arg-type]
    }
    path = Path(__file__).resolve().with_name("bridge.json")
    path.write_text(json.dumps(vectors, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
