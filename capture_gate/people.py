"""Whose names the filter looks for: the person of this machine, and who wrote in the repositories that are opened.

Read here, handed to the filter, which keeps keyed digests; never stored nor sent.
"""

from __future__ import annotations

import configparser
import getpass
import re
from pathlib import Path

from capture_gate.locate import read_text

NAME_KEY_BYTES = 16
"""The key under which the filter keeps names, made anew for each run."""

_IDENTITY = re.compile(r"(?m)^[0-9a-f]{40,64} [0-9a-f]{40,64} ([^<\n]{1,100}) <([^>\n]{1,200})>")
"""A line of git's reflog: two object names, then who, then when."""


def this_person() -> frozenset[str]:
    """Give the names of the account and of git's own settings; what can't be read names nobody."""
    names: set[str] = set()
    try:
        names.add(getpass.getuser())
        names.add(Path.home().name)
    except (OSError, KeyError, RuntimeError):
        return frozenset(names)
    names |= _full_name()
    for config in (Path.home() / ".gitconfig", Path.home() / ".config" / "git" / "config"):
        names |= _identity(config)
    return frozenset(names)


def repository_people(root: Path) -> frozenset[str]:
    """Give the names and addresses of who committed, pulled or rebased in a working copy, from git's own notes."""
    git = root / ".git"
    names = set(_identity(git / "config"))
    try:
        for name, address in _IDENTITY.findall(read_text(git / "logs" / "HEAD")):
            names |= {name.strip(), address}
    except (OSError, ValueError):
        pass  # a worktree, no history yet, or one that is too large
    return frozenset(names)


def _full_name() -> set[str]:
    try:
        import pwd  # noqa: PLC0415 - there is none on Windows

        return {pwd.getpwnam(getpass.getuser()).pw_gecos.partition(",")[0]} - {""}
    except (ImportError, KeyError, OSError):
        return set()


def _identity(config: Path) -> set[str]:
    """Read ``user.name`` and ``user.email`` of a git configuration."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, delimiters=("=",), comment_prefixes=("#", ";"), interpolation=None
    )
    try:
        parser.read_string("\n".join(line.strip() for line in read_text(config).splitlines()))
        found = (parser.get("user", key, fallback=None) for key in ("name", "email"))
    except (OSError, ValueError, configparser.Error):
        return set()
    return {name.strip('"') for name in found if name}
