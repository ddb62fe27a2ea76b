"""A whole overt on one machine, in one folder: study, person, receiver and dataset, each by its real command."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from event_model.errors import OvertError
from overt.demo.editor import ScriptedEditor

OVERT = (sys.executable, "-m", "overt")

READY_S = 30.0
"""A receiver that does not answer by then is taken for dead."""


class House:
    """Its folders: the study's (manifest and keys), ``person`` (OVERT_HOME), ``work``, ``received`` and ``dataset``.

    The receiver listens on a free loopback port until ``close``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.study_folder = folder / "demo-study"
        self.person = folder / "person"
        self.work = folder / "work"
        self.received = folder / "received"
        self.dataset = folder / "dataset"
        self.environment = {"OVERT_HOME": str(self.person), "OVERT_KEYRING": "file", "OVERT_HOST": "own"}
        self._receiver: asyncio.subprocess.Process | None = None
        self._port = _free_port()

    @property
    def manifest(self) -> Path:
        """The signed manifest, which people join by."""
        return self.study_folder / "study.json"

    async def found_study(self, *, hold_s: int = 0, settle_s: int = 120, kinds: Sequence[str] = ()) -> None:
        """Make a study for the files under ``work``, fill in its manifest and sign it.

        ``kinds`` are asked for beside those of the template.
        """
        self.work.mkdir(parents=True)
        await self.overt(
            "study", "new", str(self.study_folder), "--title", "Demonstration: how code is edited",
            "--receiver", f"http://127.0.0.1:{self._port}", "--path", f"{self.work}/**",
        )  # fmt: skip
        toml = self.study_folder / "study.toml"
        text = toml.read_text("utf-8")
        for name, value in (("hold_s", hold_s), ("settle_s", settle_s)):
            text, count = re.subn(rf"(?m)^{name}\s*=\s*\d+", f"{name} = {value}", text)
            if count != 1:
                raise OvertError(f"the manifest template names {name} {count} times", code="demo")
        added = "".join(f'"{kind}" = "content"\n' for kind in kinds)
        text, count = re.subn(r"(?m)^\[kinds\]\n", lambda found: found.group() + added, text)
        if count != 1:
            raise OvertError(f"the manifest template has {count} tables of kinds", code="demo")
        toml.write_text(text, "utf-8")
        await self.overt("study", "sign", str(self.study_folder))

    async def join(self) -> dict[str, Any]:
        """Join the study as a person who has read the notice."""
        joined = await self.overt("join", str(self.manifest), "--agree", "--json")
        return dict(joined)

    async def start_editor(self, name: str = "overt demo") -> ScriptedEditor:
        """Start the sidecar as an editor does."""
        return await ScriptedEditor.start((*OVERT, "lsp"), root=self.work, environment=self.environment, name=name)

    async def start_receiver(self, *options: str) -> None:
        """Start the receiver, with the study's roles if there are any, and wait until it answers."""
        roles = self.study_folder / "roles.json"
        self._receiver = await asyncio.create_subprocess_exec(
            *OVERT, "serve", "--study", str(self.manifest), "--key", str(self.study_folder / "receiver.key"),
            "--data", str(self.received), "--port", str(self._port), "--json",
            *(("--roles", str(roles)) if roles.exists() else ()), *options,
            stdout=asyncio.subprocess.PIPE, env={**os.environ, **self.environment},
        )  # fmt: skip
        if self._receiver.stdout is None:
            raise OvertError("the receiver has no output", code="demo")
        async with asyncio.timeout(READY_S):
            line = await self._receiver.stdout.readline()
        if not line:
            raise OvertError("the receiver did not start", code="demo", hint="Its last words are above.")

    async def sync(self) -> dict[str, Any]:
        """Upload what is due; gives the report."""
        return dict(await self.overt("sync", "--json"))

    async def build(self) -> dict[str, Any]:
        """Build the dataset; gives the report."""
        report = await self.overt(
            "dataset", "build", str(self.received), "--study", str(self.manifest),
            "--key", str(self.study_folder / "study.key"), "--out", str(self.dataset), "--json",
        )  # fmt: skip
        return dict(report)

    async def overt(self, *arguments: str) -> Any:
        """Run an ``overt`` command; gives its JSON where it was asked for. OvertError: if it fails."""
        process = await asyncio.create_subprocess_exec(
            *OVERT, *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, **self.environment},
        )  # fmt: skip
        out, err = await process.communicate()
        if process.returncode:
            words = err.decode(errors="replace").strip()
            raise OvertError(f"overt {' '.join(arguments[:2])} failed ({process.returncode}): {words}", code="demo")
        return json.loads(out) if "--json" in arguments else out.decode()

    async def close(self) -> None:
        """Stop the receiver."""
        if self._receiver is not None and self._receiver.returncode is None:
            self._receiver.terminate()
            await self._receiver.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
