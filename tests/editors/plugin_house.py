"""A house for plugin tests: a study that a person joined, and the dataset that comes of what was typed."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.dataset

from overt.demo.house import House

MORE = ("viewport.change", "editor.focus", "command.run", "completion.accept")
"""What a plugin tells beside what the template's study asks for."""

TOOLS = str(Path(sys.executable).parent)


class PluginHouse:
    """Joined on entry; its receiver stopped at the end of ``harvest``."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder / "house")
        self.work = self.house.work
        self.environment = {**self.house.environment, "PATH": os.pathsep.join([TOOLS, os.environ["PATH"]])}
        asyncio.run(self._begin())

    async def _begin(self) -> None:
        await self.house.found_study(kinds=MORE)
        await self.house.join()

    def overt(self, *arguments: str) -> Any:
        """Run a command as the person; gives its JSON where asked for."""
        done = subprocess.run(
            [sys.executable, "-m", "overt", *arguments],
            env={**os.environ, **self.environment}, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    def harvest(self) -> Harvest:
        """Send everything to the receiver and build the dataset."""

        async def run() -> None:
            await self.house.start_receiver()
            try:
                await self.house.sync()
                await self.house.build()
            finally:
                await self.house.close()

        asyncio.run(run())
        return Harvest(self.house.dataset)


class Harvest:
    """A built dataset, read back."""

    def __init__(self, folder: Path) -> None:
        self.events = _rows(folder / "events")
        self.documents = _rows(folder / "documents")
        self.events.sort(key=lambda row: row["seq"])

    def of(self, path: str) -> list[dict[str, Any]]:
        """The events of every life of a file, in order."""
        lives = {(row["session"], row["document"], row["life"]) for row in self.documents if row["path"] == path}
        return [row for row in self.events if (row["session"], row["document"], row["life"]) in lives]

    def edits(self, path: str) -> list[dict[str, Any]]:
        """The edits of a file."""
        return [row for row in self.of(path) if row["kind"] == "document.edit"]

    def saved(self, path: str) -> list[str]:
        """What a file held at each of its saves, by replay."""
        first = {
            (row["session"], row["document"], row["life"]): row["initial_text"]
            for row in self.documents
            if row["path"] == path
        }
        texts: dict[tuple[Any, ...], str] = dict(first)
        found = []
        for row in self.of(path):
            life = (row["session"], row["document"], row["life"])
            if row["kind"] == "document.edit":
                assert row["applied"], row
                at, text = row["position"], texts[life]
                texts[life] = text[:at] + row["inserted"] + text[at + row["deleted"] :]
            elif row["kind"] == "document.save":
                found.append(texts[life])
        return found

    def origins(self, path: str) -> list[tuple[str, str]]:
        """Runs of edits of one origin: the origin, and what they put in."""
        runs: list[tuple[str, str]] = []
        for row in self.edits(path):
            origin, text = row["origin"], row["inserted"]
            if runs and runs[-1][0] == origin:
                runs[-1] = (origin, runs[-1][1] + text)
            else:
                runs.append((origin, text))
        return runs

    def __contains__(self, text: str) -> bool:
        """Whether a text is anywhere in the dataset."""
        return text in repr(self.events) or text in repr(self.documents)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return list(pyarrow.dataset.dataset(folder).to_table().to_pylist())
