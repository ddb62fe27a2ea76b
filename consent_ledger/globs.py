"""The two glob languages of a scope: paths (as in .gitignore) and git remotes. Pure.

Path globs are checked and compiled so that none can take an earlier one back: a leading ``!`` or ``#``, which
.gitignore gives a meaning, is refused.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from pathlib import PurePath, PureWindowsPath
from typing import Final
from urllib.parse import urlsplit

from event_model.errors import FormatError

MAX_GLOB = 1_000
"""Characters of a glob: longer than any path in use."""
MAX_DEEP = 2
"""``**`` in a remote glob; more would let matching time grow without bound."""

Matcher = Callable[[str], str | None]
"""What gives the glob that matches a path's text, or None."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")
_SCP_LIKE: Final = re.compile(r"(?:[^@/:]+@)?(\[[0-9a-fA-F:]+\]|[^@/:\[\]]+):(?!//)(.*)")
"""git's short form ``[user@]host:path`` (git-clone(1))."""


class GlobError(FormatError):
    """A glob that can't be used."""

    code = "glob-invalid"


def check_folder_glob(glob: str) -> None:
    """Check the path glob of a workspace. GlobError: as ``check_path_glob``, or if it does not say from where."""
    check_path_glob(glob)
    if not glob.startswith(("/", "~/", "**/")) and not re.match(r"[A-Za-z]:/", glob):
        raise GlobError(f"a workspace's path begins with /, ~/ or **/, not {glob!r}")


def check_path_glob(glob: str) -> None:
    """Check a path glob. GlobError: if it is empty, negated, a comment, or not a pattern."""
    if not glob.strip() or glob != glob.strip():
        raise GlobError(f"a pattern is empty or has blanks around it: {glob!r}")
    if glob[0] in "!#":
        raise GlobError(f"a pattern can't begin with {glob[0]!r}: rules are added, never taken back: {glob!r}")
    _check_characters(glob)
    if ".." in glob.split("/"):
        raise GlobError(f"a pattern can't contain '..': {glob!r}")
    if not glob.strip("/*~"):
        # "**" or "/" as a workspace would be the whole machine.
        raise GlobError(f"a pattern must name something: {glob!r}")
    try:
        with warnings.catch_warnings():
            # Sets such as [[] or [a--b] mean something else to a later Python.
            warnings.simplefilter("error", FutureWarning)
            # Folding can turn a range around: [Z-a] becomes [z-a], which is none.
            for fold in (False, True):
                compile_globs([glob], fold=fold)
    except (ValueError, re.error, FutureWarning) as error:
        raise GlobError(f"not a pattern: {glob!r}") from error


def check_remote_glob(glob: str) -> None:
    """Check a remote glob. GlobError: if it is empty, or names no host."""
    if not glob or glob != glob.strip():
        raise GlobError(f"a remote is empty or has blanks around it: {glob!r}")
    _check_characters(glob)
    parts = normalise_remote(glob).split("/")
    if len(parts) < 2 or not parts[0].strip("*?."):
        raise GlobError(f"a remote is written host/path, such as github.com/acme/*, not {glob!r}")
    if parts.count("**") > MAX_DEEP:
        raise GlobError(f"a remote has '**' at most {MAX_DEEP} times: {glob!r}")


def _check_characters(glob: str) -> None:
    if len(glob) > MAX_GLOB:
        raise GlobError(f"a pattern has at most {MAX_GLOB} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in glob):
        raise GlobError(f"a pattern holds control characters: {glob!r}")


def normalise_remote(remote: str) -> str:
    """Write a git remote as ``host/path``: no scheme, no credentials, no default port, no ``.git``.

    ``git@host:a/b.git``, ``ssh://git@host/a/b`` and ``https://token@host/a/b`` give the same text. A remote that is
    a path on this machine gives an empty string: it names no host, so no study can name it.
    """
    remote = remote.strip()
    if "://" in remote:
        try:
            parts = urlsplit(remote)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            return ""
        if parts.scheme.lower() == "file" or not host:
            return ""
        default = {"https": 443, "http": 80, "ssh": 22, "git": 9418, "git+ssh": 22}.get(parts.scheme.lower())
        return _join_remote(host if port in {None, default} else f"{host}:{port}", parts.path)
    if (match := _SCP_LIKE.fullmatch(remote)) and not re.fullmatch(r"[A-Za-z]:[\\/].*", remote):
        # "user:token@host/path" is no remote, and what looks like its path holds the token.
        return "" if "@" in match[2] else _join_remote(match[1].strip("[]"), match[2])
    if remote.startswith(("/", ".", "~", "\\")) or "\\" in remote or ":" in remote or "/" not in remote:
        return ""
    host, _, path = remote.partition("/")
    return _join_remote(host.rpartition("@")[2], path)


def _join_remote(host: str, path: str) -> str:
    path = "/".join(part for part in path.split("/") if part)
    path = path.removesuffix(".git")
    if not path or ".." in path.split("/"):
        return ""
    return f"{host.lower()}/{path}"


def remote_matches(glob: str, remote: str) -> bool:
    """Say whether a remote fits a glob: ``*`` within one part of the path, ``**`` over any number of parts."""
    value = normalise_remote(remote)
    return bool(value) and _parts_match(normalise_remote(glob).split("/"), value.split("/"))


def _parts_match(globs: list[str], values: list[str]) -> bool:
    if not globs:
        return not values
    if globs[0] == "**":
        return any(_parts_match(globs[1:], values[start:]) for start in range(len(values) + 1))
    return bool(values) and fnmatch.fnmatchcase(values[0], globs[0]) and _parts_match(globs[1:], values[1:])


def path_text(path: PurePath, *, fold: bool) -> str | None:
    """Write an absolute path for matching: without the leading slash, NFC, folded if asked.

    None: if the path is relative or contains ``..``, which no rule can decide. On Windows the spellings that name the
    same file are made one: trailing dots and blanks, alternate data streams.
    """
    if not path.is_absolute() or ".." in path.parts:
        return None
    text = path.as_posix()
    if isinstance(path, PureWindowsPath):
        drive, *rest = [part for part in text.split("/") if part]
        text = "/".join([drive, *(part.split(":")[0].rstrip(" .") or part for part in rest)])
    return fold_text(text.lstrip("/"), fold=fold)


def fold_text(text: str, *, fold: bool) -> str:
    """Write text in NFC, and folded if asked: file systems differ in both."""
    # A line end in a name would slip past the dot of a regular expression.
    text = _CONTROL.sub("\ufffd", unicodedata.normalize("NFC", text))
    return unicodedata.normalize("NFC", text.casefold()) if fold else text


def compile_globs(globs: Iterable[str], *, fold: bool) -> Matcher:
    """Compile path globs to a function that gives the glob that matched, or None."""
    from pathspec import PathSpec  # noqa: PLC0415 - 20 ms that a machine without a study need not pay

    listed = tuple(globs)
    spec = PathSpec.from_lines("gitignore", [fold_text(glob, fold=fold) for glob in listed], backend="simple")

    def match(text: str) -> str | None:
        result = spec.check_file(text)
        return listed[result.index] if result.include and result.index is not None else None

    return match
