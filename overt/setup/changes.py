"""What a set-up does to a machine: each change says what it is, whether it is done, and how it is undone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from browser_bridge.introduction import Introduction, introduce, is_introduced, take_back
from event_model.errors import OvertError

COMMAND_S = 120
"""How long an editor may take to install an extension."""


class Change(Protocol):
    """One step of a set-up. OSError, OvertError: if it can't be made."""

    def describe(self) -> str:
        """Say in a line what it does."""
        ...

    def done(self) -> bool:
        """Say whether nothing is left to do."""
        ...

    def made(self) -> bool:
        """Say whether there is anything to take back, of this version or another."""
        ...

    def apply(self) -> None:
        """Do it; doing it again changes nothing."""
        ...

    def undo(self) -> None:
        """Take it back; what the person changed since is left alone."""
        ...


class CopyFolder(msgspec.Struct, frozen=True):
    """A plugin's files, copied to where the editor looks for them."""

    source: Path
    target: Path

    def describe(self) -> str:
        """Say what is copied where."""
        return f"copy {sum(1 for _ in self._files())} files to {self.target}"

    def done(self) -> bool:
        """Compare every file."""
        return all(_read(self.target / name) == _read(self.source / name) for name in self._files())

    def made(self) -> bool:
        """Look for the folder."""
        return self.target.exists()

    def apply(self) -> None:
        """Copy; files of an older version that are no more are left to ``undo``."""
        for name in self._files():
            path = self.target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.source / name, path)

    def undo(self) -> None:
        """Remove the files, and the folders that are empty then."""
        for name in self._files():
            (self.target / name).unlink(missing_ok=True)
        folders = {parent for name in self._files() for parent in (self.target / name).parents}
        for folder in sorted(folders, key=lambda each: -len(each.parts)):
            if folder.is_relative_to(self.target) and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _files(self) -> Iterable[Path]:
        return sorted(path.relative_to(self.source) for path in self.source.rglob("*") if path.is_file())


class WriteFile(msgspec.Struct, frozen=True):
    """A small file of overt's own, such as the command that a plugin starts."""

    path: Path
    text: str

    def describe(self) -> str:
        """Name the file."""
        return f"write {self.path}"

    def done(self) -> bool:
        """Compare it."""
        return _read(self.path) == self.text.encode()

    def made(self) -> bool:
        """Look for the file."""
        return self.path.exists()

    def apply(self) -> None:
        """Write it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.text, encoding="utf-8")

    def undo(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)


class MarkedBlock(msgspec.Struct, frozen=True):
    """Lines in the person's own configuration, between two marks, so that they can be found again."""

    path: Path
    comment: str
    lines: tuple[str, ...]

    def describe(self) -> str:
        """Say which lines are added where."""
        return f"add {len(self.lines)} lines at the end of {self.path}, between marks"

    def done(self) -> bool:
        """Look for the lines."""
        return self._block() in self._text()

    def made(self) -> bool:
        """Look for the marks."""
        return self._begin in self._text()

    def apply(self) -> None:
        """Add the lines, in the place of an older block."""
        text = self._without()
        separator = "" if not text or text.endswith("\n") else "\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text + separator + self._block(), encoding="utf-8")

    def undo(self) -> None:
        """Take the block out; the rest stays to the byte."""
        if self.path.exists():
            self.path.write_text(self._without(), encoding="utf-8")

    def _block(self) -> str:
        return "\n".join((self._begin, *self.lines, self._end)) + "\n"

    @property
    def _begin(self) -> str:
        return f"{self.comment} overt: begin (`overt setup --undo` takes this out)"

    @property
    def _end(self) -> str:
        return f"{self.comment} overt: end"

    def _text(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except UnicodeDecodeError as error:
            raise OvertError(
                f"{self.path} is not UTF-8.", code="setup-unreadable", hint="Add the lines by hand: --print shows them."
            ) from error

    def _without(self) -> str:
        text = self._text()
        before, begin, rest = text.partition(self._begin + "\n")
        _, end, after = rest.partition(self._end + "\n")
        return before + after if begin and end else text


class RunCommand(msgspec.Struct, frozen=True):
    """An editor's own command; ``listing`` prints a line ``name`` when it is done."""

    arguments: tuple[str, ...]
    undoing: tuple[str, ...]
    listing: tuple[str, ...]
    name: str

    def describe(self) -> str:
        """Say what is run."""
        return f"run {' '.join(self.arguments)}"

    def done(self) -> bool:
        """Ask the editor."""
        return self.name.casefold() in _run(self.listing).casefold().split()

    def made(self) -> bool:
        """Ask the editor."""
        return self.done()

    def apply(self) -> None:
        """Run it."""
        _run(self.arguments)

    def undo(self) -> None:
        """Run the opposite, where there is something to take back."""
        if self.done():
            _run(self.undoing)


class Introduce(msgspec.Struct, frozen=True):
    """A browser's native messaging manifest, and the launcher that it names."""

    plan: Introduction

    def describe(self) -> str:
        """Name the files."""
        key = f" and the registry key {self.plan.registry_key}" if self.plan.registry_key else ""
        return f"write {self.plan.manifest_path} and {self.plan.launcher_path}{key}"

    def done(self) -> bool:
        """Compare both files, and look who else could change them."""
        return is_introduced(self.plan)

    def made(self) -> bool:
        """Look for the manifest: the launcher stays for other browsers."""
        return self.plan.manifest_path.exists()

    def apply(self) -> None:
        """Write them."""
        introduce(self.plan)

    def undo(self) -> None:
        """Remove the manifest: then the browser can't call."""
        take_back(self.plan)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _run(arguments: tuple[str, ...]) -> str:
    """Run a command and give what it prints. OvertError: if it fails."""
    try:
        ran = subprocess.run(arguments, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OvertError(
            f"{arguments[0]} could not be run: {error}.", code="setup-command", hint="--print shows what to do by hand."
        ) from error
    if ran.returncode:
        raise OvertError(
            f"{' '.join(arguments)} failed: {(ran.stderr or ran.stdout).strip()[-400:]}",
            code="setup-command",
            hint="--print shows what to do by hand.",
        )
    return ran.stdout
