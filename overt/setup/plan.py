"""Where a set-up takes place, and what it comes to."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import msgspec

from capture_gate.home import home_folder
from overt.setup.changes import Change

_PACKAGED = Path(__file__).resolve().parents[1] / "plugins"
_CHECKOUT = Path(__file__).resolve().parents[2] / "extensions"


class Surroundings(msgspec.Struct, frozen=True):
    """The machine as a set-up sees it; ``which`` finds a program, ``plugin`` a plugin's files."""

    user_home: Path
    home: Path
    python: str
    platform: str
    environment: Mapping[str, str]
    which: Callable[[str], str | None]
    plugin: Callable[[str], Path | None]

    @classmethod
    def here(cls) -> Self:
        """Describe this machine."""
        return cls(Path.home(), home_folder(), sys.executable, sys.platform, os.environ, shutil.which, find_plugin)

    @property
    def command(self) -> tuple[str, ...]:
        """What starts overt, by its full path: an editor's PATH is seldom the one of the person's terminal."""
        found = self.which("overt")
        return (str(Path(found).absolute()),) if found else (self.python, "-m", "overt")

    @property
    def sidecar(self) -> tuple[str, ...]:
        """What starts the sidecar, likewise."""
        return (*self.command, "lsp")

    def folder(self, variable: str, default: str) -> Path:
        """Give a folder that an environment variable names, or its default below the user's home."""
        return Path(self.environment[variable]) if self.environment.get(variable) else self.user_home / default


class Plan(msgspec.Struct, frozen=True):
    """What setting up one tool takes. ``recipe`` is for the person's own hands; ``after`` says what comes next."""

    target: str
    title: str
    found: bool
    changes: tuple[Change, ...] = ()
    recipe: str = ""
    after: str = ""

    @property
    def done(self) -> bool:
        """Whether there are changes and all are made."""
        return bool(self.changes) and all(change.done() for change in self.changes)


def find_plugin(name: str) -> Path | None:
    """Give a plugin's folder or file: as it was installed with overt, or as it lies in a checkout."""
    for path in (_PACKAGED / name, _CHECKOUT / name):
        if path.exists():
            return path
    return None
