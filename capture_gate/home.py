"""Where everything of one person's installation lies."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home_folder() -> Path:
    """Give the folder: ``OVERT_HOME``, or the user's data folder of the platform."""
    named = os.environ.get("OVERT_HOME")
    return Path(named) if named else Path(platformdirs.user_data_dir("overt", appauthor=False))
