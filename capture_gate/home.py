"""Where everything of one person's installation lies."""

from __future__ import annotations

import os
from pathlib import Path

HOME_VARIABLE = "OVERT_HOME"


def home_folder() -> Path:
    """Give the folder: ``OVERT_HOME``, or the user's data folder of the platform."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named)
    import platformdirs  # noqa: PLC0415 - an editor waits for the sidecar to start

    return Path(platformdirs.user_data_dir("overt", appauthor=False))
