"""Where a file lies: its real path, the root of its working copy, and that copy's remotes.

The one place of the gate that reads the file system to decide scope. What can't be read yields no root and no
remotes, so that a scope by remote then says no.
"""

from __future__ import annotations

import configparser
import os
import stat
from pathlib import Path

from consent_ledger.scope import Location

MAX_GIT_CONFIG_BYTES = 1 << 20
"""A git configuration is a few kB; a larger file under that name is not read."""


def locate(path: Path) -> Location | None:
    """Describe a file's place: as it was opened, and as links lead; ``None`` when that can't be told."""
    absolute = Path(path).absolute()
    try:
        real_path = absolute.resolve(strict=False)
        root = _working_copy(absolute)
        real_root = root.resolve(strict=False) if root else None
        if _working_copy(real_path) != real_root:  # a link leads into, or out of, another working copy
            root = real_root = None
        remotes = _remotes(root) if root else ()
        return Location(path=absolute, real_path=real_path, root=root, remotes=remotes, real_root=real_root)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return None


def _working_copy(path: Path) -> Path | None:
    return next((folder for folder in path.parents if (folder / ".git").exists()), None)


def _remotes(root: Path) -> tuple[str, ...]:
    """Read the remotes' addresses from git's configuration (gitrepository-layout(5), git-worktree(1))."""
    try:
        git = root / ".git"
        if git.is_file():  # a worktree or submodule points elsewhere
            git = (root / read_text(git).removeprefix("gitdir:").strip()).resolve()
            common = git / "commondir"
            if common.is_file():
                git = (git / read_text(common).strip()).resolve()
        return _parse_remotes(read_text(git / "config"))
    except (OSError, ValueError):
        return ()


def read_text(path: Path) -> str:
    """Read a small regular file; a pipe or device that lies there instead must not hold the editor up."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file")
        data = file.read(MAX_GIT_CONFIG_BYTES + 1)
    if len(data) > MAX_GIT_CONFIG_BYTES:
        raise OSError(f"{path} is too large")
    return data.decode("utf-8", errors="replace")


def _parse_remotes(text: str) -> tuple[str, ...]:
    """Pick ``url`` of every ``[remote "…"]``; git's syntax is close enough to INI once lines are unindented."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, delimiters=("=",), comment_prefixes=("#", ";"), interpolation=None
    )
    try:
        parser.read_string("\n".join(line.strip() for line in text.splitlines()))
    except configparser.Error:
        return ()
    urls = (parser.get(name, "url", fallback=None) for name in parser.sections() if name.startswith('remote "'))
    return tuple(url for url in urls if url)
