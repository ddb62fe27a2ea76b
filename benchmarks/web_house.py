"""A whole overt for the web on one machine: study of sites, person, bridge introduced to a browser, receiver."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from browser_bridge.introduction import introduce, introduction
from browser_bridge.papers import Papers
from event_model.envelope import open_envelope, parse_envelope
from event_model.events import Event
from event_model.page_events import PAGE_TYPES
from event_model.segment import decode_segment
from overt.demo.house import House
from overt.keyfiles import read_recipient_key

KINDS = tuple(str(body.__struct_config__.tag) for body in PAGE_TYPES)
"""Every kind of event of a page."""

QUIET_S = 0.05


class WebHouse(House):
    """A house whose study is of sites. ``user`` is the person's home folder, where browsers keep their profiles."""

    def __init__(self, folder: Path) -> None:
        """Make nothing yet."""
        super().__init__(folder)
        self.user = folder / "user"
        self.user.mkdir(parents=True)

    async def found_web_study(
        self, origins: Sequence[str], level: str, *, secret_fields: Sequence[str] = (), levels: Mapping[str, str] = {}
    ) -> None:
        """Make and sign a study of sites that asks for every kind of event of a page, at one level."""
        self.work.mkdir(parents=True)
        await self.overt(
            "study", "new", str(self.study_folder), "--title", "How the help desk works",
            "--receiver", f"http://127.0.0.1:{self._port}", "--path", f"{self.work}/**",
        )  # fmt: skip
        toml = self.study_folder / "study.toml"
        text = toml.read_text("utf-8")
        kinds = "\n".join(f'"{kind}" = "{levels.get(kind, level)}"' for kind in KINDS)
        changes = (
            (r"(?m)^hold_s\s*=\s*\d+", "hold_s = 0"),
            (r"(?m)^settle_s\s*=\s*\d+", "settle_s = 30"),
            (r"(?m)^\[kinds\]\n(?:[^\[\n].*\n)*", f"[kinds]\n{kinds}\n"),
            (r"(?m)^\[scope\]\n", f"[scope]\nweb_origins = {_list(origins)}\nsecret_fields = {_list(secret_fields)}\n"),
        )
        for pattern, new in changes:
            text, count = re.subn(pattern, new.replace("\\", r"\\"), text)
            if count != 1:
                raise ValueError(f"the manifest template has {pattern} {count} times")
        toml.write_text(text, "utf-8")
        await self.overt("study", "sign", str(self.study_folder))

    def introduce(self, browser: str) -> None:
        """Tell a browser of this person where overt is."""
        introduce(
            introduction(browser, home=self.person, user_home=self.user, python=sys.executable, platform=sys.platform)
        )

    @property
    def browser_environment(self) -> dict[str, str]:
        """What a browser needs to know to start this person's bridge."""
        return {**self.environment, "HOME": str(self.user)}

    def bridge_pid(self) -> int | None:
        """Give the process of the bridge, if one runs."""
        address = Papers(self.person).address()
        if address is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(address.pid, 0)
            return address.pid
        return None

    async def stop_bridge(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the bridge and wait until it has gone."""
        pid = self.bridge_pid()
        if pid is None:
            return
        os.kill(pid, how)
        while Path(f"/proc/{pid}").exists() and "(zombie)" not in Path(f"/proc/{pid}/status").read_text("utf-8"):
            await asyncio.sleep(QUIET_S)

    async def close(self) -> None:
        """End all that was started for this person, a bridge that had not yet said where it is included."""
        while pids := self._bridges():
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            await asyncio.sleep(QUIET_S)
        await super().close()

    def _bridges(self) -> list[int]:
        """Find the processes of this person's bridge, and of those who are about to start one."""
        home = f"OVERT_HOME={self.person}".encode()
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (
                    home in (folder / "environ").read_bytes().split(b"\0")
                    and b"bridge" in (folder / "cmdline").read_bytes()
                ):
                    found.append(int(folder.name))
        return found

    async def kept(self) -> list[dict[str, Any]]:
        """Give every event that the device holds, as the person sees it."""
        lines = str(await self.overt("export")).splitlines()
        return [msgspec.json.decode(line) for line in lines]

    def uploaded(self) -> list[Event]:
        """Open what the receiver holds, with the study's key: every event in it."""
        key = read_recipient_key(self.study_folder / "study.key")
        events: list[Event] = []
        for path in sorted(self.received.rglob("*.overt")):
            events += decode_segment(open_envelope(parse_envelope(path.read_bytes()), key)).events
        return events


def _list(values: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"
