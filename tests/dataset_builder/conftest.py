"""What the dataset tests share: a receiver's folder with one contributor, and a built dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dataset_builder.build import BuildReport, build
from tests.dataset_builder.dataset_world import RECIPIENT, SALT, Contributor, manifest


@pytest.fixture
def receiver(tmp_path: Path) -> Path:
    root = tmp_path / "receiver"
    root.mkdir()
    return root


@pytest.fixture
def alice(receiver: Path) -> Contributor:
    return Contributor(receiver, 1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "dataset"


@pytest.fixture
def run(receiver: Path, out: Path) -> Any:
    """Build the receiver's folder into ``out``."""

    def build_it(**changes: Any) -> BuildReport:
        settings: dict[str, Any] = {
            "source": receiver,
            "manifest": manifest(),
            "secret": RECIPIENT,
            "out": out,
            "salt": SALT,
        }
        return build(**{**settings, **changes})

    return build_it
