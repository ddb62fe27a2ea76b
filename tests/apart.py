"""Programs that tests run and never import, each in an environment of its own, made from its lock where missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import filelock

ROOT = Path(__file__).parents[1]


def programs_apart(name: str, lock: str) -> Path:
    """Give the folder of the programs that ``requirements/<lock>`` installs; test processes wait for each other."""
    folder, requirements = ROOT / ".servers" / name, ROOT / "requirements" / lock
    folder.parent.mkdir(exist_ok=True)
    with filelock.FileLock(folder.with_suffix(".lock")):
        stamp = folder / ".ready"
        if not stamp.exists() or stamp.read_bytes() != requirements.read_bytes():
            uv, python = str(Path(sys.executable).parent / "uv"), str(folder / "bin" / "python")
            subprocess.run([uv, "venv", "-q", "--clear", "--python", sys.executable, str(folder)], check=True)
            install = [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", str(requirements)]
            subprocess.run(install, check=True)
            stamp.write_bytes(requirements.read_bytes())
    return folder / "bin"
