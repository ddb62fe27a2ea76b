"""What a disk may hold after a power cut: the writes of a process as strace saw them, replayed with parts missing.

Whatever a sync call covered is there. Of every later write each sector of 512 bytes is there or not, by chance, in any
order. Names and lengths change in the order in which they did, and what was not synced of that ends anywhere. A
journalling file system brings names along with any sync; another keeps those alone whose folder was synced.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
CALLS = "openat,close,write,pwrite64,writev,lseek,ftruncate,fsync,fdatasync,unlink,rename,link,mkdir,dup"

_LINE = re.compile(r"^(\d+) +(\w+)\((.*)\) += (-?\d+)(?: .*)?$")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_START = re.compile(r"^(\d+) +(\w+\(.*) <unfinished \.\.\.>$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


class Step(NamedTuple):
    """One thing that happened: ``write``, ``cut`` (a length), ``sync``, ``make``, ``remove``, ``rename``, ``said``."""

    kind: str
    file: int
    at: int = 0
    data: bytes = b""
    path: str = ""
    other: str = ""


class Recording:
    """The steps of a process, below one folder."""

    def __init__(self, trace: str, folder: Path) -> None:
        self._folder = str(folder)
        self._open: dict[int, tuple[int, str]] = {}
        self._at: dict[int, int] = {}
        self._files: dict[str, int] = {}
        self._count = 0
        self.steps: list[Step] = []
        for line in _whole_lines(trace):
            found = _LINE.match(line)
            if found is not None and int(found[4]) >= 0:
                self._take(found[2], found[3], int(found[4]))

    def _take(self, call: str, arguments: str, result: int) -> None:
        texts = [bytes.fromhex(each.replace("\\x", "")) for each in _STRING.findall(arguments)]
        if call == "writev":
            self.steps += [Step("said", -1, data=text) for text in texts]
            return
        if call in {"openat", "mkdir", "unlink", "rename", "link"}:
            paths = [each.decode("utf-8", "surrogateescape") for each in texts]
            if paths and all(path.startswith(self._folder) for path in paths):
                self._named(call, [path[len(self._folder) :].lstrip("/") for path in paths], arguments, result)
            elif call == "openat":
                self._open.pop(result, None)
            return
        handle = int(re.match(r"\d+", arguments)[0])  # type: ignore[index]
        if handle in self._open:
            self._on_handle(call, handle, arguments, texts, result)

    def _named(self, call: str, paths: list[str], arguments: str, result: int) -> None:
        path = paths[0]
        if call == "openat":
            if path not in self._files:
                self._files[path] = self._new()
                self.steps.append(Step("make", self._files[path], path=path))
            elif "O_TRUNC" in arguments:
                self.steps.append(Step("cut", self._files[path]))
            self._open[result], self._at[result] = (self._files[path], path), 0
        elif call == "mkdir":
            self.steps.append(Step("folder", -1, path=path))
        elif call == "unlink":
            self._files.pop(path, None)
            self.steps.append(Step("remove", -1, path=path))
        else:
            self._files[paths[1]] = self._files[path]
            if call == "rename":
                del self._files[path]
            self.steps.append(Step(call, -1, path=path, other=paths[1]))

    def _on_handle(self, call: str, handle: int, arguments: str, texts: list[bytes], result: int) -> None:
        file = self._open[handle][0]
        if call == "write":
            self.steps.append(Step("write", file, self._at[handle], texts[0][:result]))
            self._at[handle] += result
        elif call == "pwrite64":
            self.steps.append(Step("write", file, int(arguments.rsplit(",", 1)[1]), texts[0][:result]))
        elif call == "lseek":
            self._at[handle] = result
        elif call == "ftruncate":
            self.steps.append(Step("cut", file, int(arguments.rsplit(",", 1)[1])))
        elif call in {"fsync", "fdatasync"}:
            self.steps.append(Step("sync", file, path=self._open[handle][1]))
        elif call == "close":
            del self._open[handle]

    def _new(self) -> int:
        self._count += 1
        return self._count


def _whole_lines(trace: str) -> list[str]:
    """Put calls that were interrupted by another thread's back together, where they ended."""
    begun: dict[str, str] = {}
    lines: list[str] = []
    for line in trace.splitlines():
        if (start := _START.match(line)) is not None:
            begun[start[1]] = start[2]
        elif (end := _RESUMED.match(line)) is not None and end[1] in begun:
            lines.append(f"{end[1]} {begun.pop(end[1])}{end[3].strip()}")
        else:
            lines.append(line)
    return lines


def cut_power(
    recording: Recording,
    upto: int,
    folder: Path,
    chance: random.Random,
    *,
    honest: bool = True,
    journal: bool = True,
) -> list[str]:
    """Make in ``folder`` what a disk may hold after the first steps; gives what the process had said by then.

    ``honest`` false: the disk ignores sync calls, as where a store forgot to make them. ``journal`` false: a sync
    brings along no name but those in the folder that it was asked of.
    """
    steps = recording.steps[:upto]
    synced: dict[int, int] = {}
    folders = {"": 0, **{step.path: 0 for step in steps if step.kind == "folder"}}
    for place, step in enumerate(steps):
        if step.kind == "sync" and honest:
            synced[step.file] = place
            folders.update(dict.fromkeys(folders, place) if journal else {step.path: place})
    upto_place = chance.randint(folders[""], len(steps))
    names_upto = {each: upto_place if journal else chance.randint(place, len(steps)) for each, place in folders.items()}
    names: dict[str, int] = {}
    content: dict[int, bytearray] = {}
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for place, step in enumerate(steps):
        if step.kind in {"make", "folder", "remove", "rename", "link"}:
            if place <= names_upto[_parent(step.other or step.path)]:
                _rename(step, names, folder)
        elif step.kind in {"write", "cut"}:
            data = content.setdefault(step.file, bytearray())
            _change(step, data, chance if place > synced.get(step.file, -1) else None)
    for path, file in names.items():
        target = folder / path
        if target.parent.is_dir() and not target.is_dir():
            target.write_bytes(content.get(file, b""))
    return [word for step in steps if step.kind == "said" for word in step.data.decode().splitlines()]


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _rename(step: Step, names: dict[str, int], folder: Path) -> None:
    if step.kind == "make":
        names[step.path] = step.file
    elif step.kind == "folder":
        with contextlib.suppress(FileNotFoundError):  # its own folder is not there
            (folder / step.path).mkdir(exist_ok=True)
    elif step.kind == "remove":
        names.pop(step.path, None)
    elif step.path in names:
        names[step.other] = names[step.path]
        if step.kind == "rename":
            del names[step.path]


def _change(step: Step, data: bytearray, chance: random.Random | None) -> None:
    """Carry out a write or a new length; by chance only in part, where nothing says that it reached the disk."""
    if step.kind == "cut":
        if chance is None or chance.random() < 0.5:
            del data[step.at :]
            data.extend(bytes(step.at - len(data)))
        return
    fate = "all" if chance is None else chance.choice(["all", "none", "torn"])
    at = 0
    while at < len(step.data):
        end = min(len(step.data), ((step.at + at) // SECTOR + 1) * SECTOR - step.at)
        if fate == "all" or (fate == "torn" and chance is not None and chance.random() < 0.5):
            data.extend(bytes(max(0, step.at + end - len(data))))
            data[step.at + at : step.at + end] = step.data[at:end]
        at = end
