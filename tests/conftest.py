"""For all tests: whoever runs them over SSH runs them on a host of theirs; real windows may need a second look."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OVERT_HOST", "own")

TESTS = Path(__file__).parent
WITH_WINDOWS = tuple(TESTS / name for name in ("editors", "extension", "review"))
"""Where real editors and browsers are driven: on a busy machine a click can miss a window that is being drawn."""

RERUNS = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Try a test with a real window again when it fails; what is broken fails every time, and is reported."""
    for item in items:
        if item.path.is_relative_to(TESTS) and any(item.path.is_relative_to(folder) for folder in WITH_WINDOWS):
            item.add_marker(pytest.mark.flaky(reruns=RERUNS, reruns_delay=2))
