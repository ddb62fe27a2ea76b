"""A study, an owner and an installation to test with."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from consent_ledger.ledger import Ledger
from consent_ledger.manifest import StudyManifest, manifest_from_toml, sign_manifest, study_template
from event_model.keys import RecipientSecretKey, Secret, SigningKey, encode_key
from tests.consent_ledger.consent_kit import seed


@pytest.fixture(scope="session")
def owner() -> SigningKey:
    return SigningKey(seed("owner"))


@pytest.fixture(scope="session")
def installation() -> Secret:
    return seed("installation")


@pytest.fixture(scope="session")
def toml() -> str:
    return study_template(
        study="demo",
        recipient=encode_key(RecipientSecretKey(seed("recipient", 96)).public.raw),
        receiver_url="https://receiver.example.org",
        receiver_key=encode_key(SigningKey(seed("receiver")).verify_key.raw),
        start=datetime.date(2025, 12, 1),
        end=datetime.date(2026, 6, 30),
    )


@pytest.fixture(scope="session")
def manifest(toml: str) -> StudyManifest:
    return manifest_from_toml(toml)


@pytest.fixture(scope="session")
def signed(manifest: StudyManifest, owner: SigningKey) -> bytes:
    return sign_manifest(manifest, owner)


@pytest.fixture(scope="session")
def variant(manifest: StudyManifest, owner: SigningKey) -> Callable[..., bytes]:
    """Sign the study with some fields changed."""

    def make(*, signer: SigningKey = owner, **changes: Any) -> bytes:
        return sign_manifest(replace(manifest, **changes), signer)

    return make


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "overt"


@pytest.fixture
def ledger(home: Path) -> Ledger:
    return Ledger(home, user_home=Path("/home/ada"))
