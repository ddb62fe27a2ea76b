"""The handshake without a socket: the vectors, and every way that is not the one."""

from __future__ import annotations

import base64
import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from browser_bridge.handshake import NEXT, Handshake, Keyring, State
from browser_bridge.messages import (
    MAX_BATCH,
    MAX_PAGES,
    ClientProof,
    Events,
    Hello,
    Incoming,
    Pages,
    Ping,
    Request,
    decode,
)
from browser_bridge.proofs import bridge_proof, client_proof, paired_secret, profile_secret, to_text
from event_model.errors import FormatError
from event_model.keys import Secret

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors" / "bridge.json").read_text("utf-8"))
BOUND = VECTORS["bound"]
SECRET = Secret(base64.urlsafe_b64decode(VECTORS["secret"] + "="))
EVENT = '{"page":"p","wall_ms":1,"body":{}}'
OPEN = '{"page":"p","url":"https://x.example","open":{}}'
HELLO = Hello(1, BOUND["profile"], BOUND["nonce"])


def handshake(known: Secret | None = SECRET) -> Handshake:
    answer = base64.urlsafe_b64decode(BOUND["answer"] + "==")
    return Handshake(
        origin=BOUND["origin"],
        port=BOUND["port"],
        keyring=Keyring(secret=lambda *_: known, code=lambda: None),
        random=lambda count: answer[:count].ljust(count, b"x"),
    )


def test_proofs_are_those_of_the_vectors() -> None:
    key = Secret(base64.urlsafe_b64decode(VECTORS["bridge_key"] + "="))
    assert to_text(profile_secret(key, BOUND["profile"], BOUND["origin"]).reveal()) == VECTORS["secret"]
    assert bridge_proof(SECRET, **BOUND) == VECTORS["bridge_proof"]
    assert client_proof(SECRET, **BOUND) == VECTORS["client_proof"]
    code = Secret(VECTORS["code"].replace("-", "").encode())
    assert to_text(paired_secret(code, **BOUND).reveal()) == VECTORS["paired_secret"]


def test_right_proof_is_ready() -> None:
    shaking = handshake()
    assert shaking.receive(HELLO) == {
        "type": "challenge",
        "nonce": BOUND["answer"],
        "proof": VECTORS["bridge_proof"],
    }
    assert shaking.receive(ClientProof(VECTORS["client_proof"])) is None
    assert shaking.state is State.READY


@pytest.mark.parametrize("proof", [VECTORS["bridge_proof"], "A" * 43, VECTORS["client_proof"][:-1] + "A"])
def test_wrong_proof_is_refused(proof: str) -> None:
    shaking = handshake()
    shaking.receive(HELLO)
    shaking.receive(ClientProof(proof))
    assert shaking.state is State.REFUSED


def test_unknown_profile_gets_a_challenge_that_no_proof_meets() -> None:
    shaking = handshake(None)
    told = shaking.receive(HELLO)
    assert told is not None
    assert set(told) == {"type", "nonce", "proof"}
    shaking.receive(ClientProof(VECTORS["client_proof"]))
    assert shaking.state is State.REFUSED


def test_secret_of_an_unknown_profile_is_random_each_time() -> None:
    answer = base64.urlsafe_b64decode(BOUND["answer"] + "==")
    proofs = set()
    for filling in (b"a", b"b"):
        shaking = Handshake(
            origin=BOUND["origin"],
            port=BOUND["port"],
            keyring=Keyring(secret=lambda *_: None, code=lambda: None),
            random=lambda count, filling=filling: answer if count == len(answer) else filling * count,  # type: ignore[misc]
        )
        told = shaking.receive(HELLO)
        assert told is not None
        proofs.add(told["proof"])
    assert len(proofs) == 2


def test_nothing_leads_on_but_the_table() -> None:
    messages: list[Incoming] = [
        HELLO,
        ClientProof("A" * 43),
        Pages([]),
        Events(1, []),
        Request(1, "state"),
        Ping(),
    ]
    for state, message in product(State, messages):
        if (state, type(message)) in NEXT:
            continue
        shaking = handshake()
        shaking.state = state
        assert shaking.receive(message) is None
        assert shaking.state is State.REFUSED


def test_hello_of_an_extension_of_an_earlier_age_is_understood() -> None:
    said = {"type": "hello", "protocol": 1, "profile": BOUND["profile"], "nonce": BOUND["nonce"], "pair": False}
    told = {"version": "0.1.0", "browser": "chromium", "language": "de"}
    assert decode(json.dumps(said | told)) == decode(json.dumps(said)) == HELLO


def test_other_version_is_refused() -> None:
    shaking = handshake()
    assert shaking.receive(Hello(2, BOUND["profile"], BOUND["nonce"])) is None
    assert shaking.state is State.REFUSED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"type":"nope"}',
        '{"type":"hello"}',
        '{"type":"ping","x":1}',
        '{"type":"events","first":0,"events":[]}',
        '{"type":"events","first":1,"events":[]}',
        '{"type":"proof","proof":"short"}',
        f'{{"type":"events","first":1,"events":[{",".join([EVENT] * (MAX_BATCH + 1))}]}}',
        f'{{"type":"pages","pages":[{",".join([OPEN] * (MAX_PAGES + 1))}]}}',
        '{"type":"events","first":1e400,"events":[]}',
        b"\xff\xfe",
        "[" * 100_000,
        '{"type":"request","id":1,"method":"x","params":{"a":' + "[" * 100_000,
    ],
)
def test_malformed_message_is_a_format_error(text: str | bytes) -> None:
    with pytest.raises(FormatError):
        decode(text)


def test_largest_batch_and_list_of_pages_are_messages() -> None:
    decode(f'{{"type":"events","first":1,"events":[{",".join([EVENT] * MAX_BATCH)}]}}')
    decode(f'{{"type":"pages","pages":[{",".join([OPEN] * MAX_PAGES)}]}}')
