"""For all tests: whoever runs them over SSH runs them on a host of theirs."""

from __future__ import annotations

import os

os.environ.setdefault("OVERT_HOST", "own")
