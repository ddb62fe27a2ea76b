"""Starting another of overt's processes, which outlives this one."""

from __future__ import annotations

import subprocess
import sys


def start(*arguments: str) -> None:
    """Start ``overt`` with arguments, apart from this process and its streams. OSError: if that can't be done."""
    subprocess.Popen(
        [sys.executable, "-m", "overt", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
