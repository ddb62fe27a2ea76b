"""What is usually wrong with an installation, each fault with a sentence and the way out."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from browser_bridge.papers import Papers
from capture_gate.decision import SENTENCES
from capture_gate.home import HOME_VARIABLE
from capture_gate.host import HOST_VARIABLE, OWN, is_remote
from event_model.errors import OvertError
from overt import __version__
from overt.device import Device
from overt.setup.changes import CopyFolder, Introduce, WriteFile
from overt.setup.plan import Surroundings
from overt.setup.targets import TARGETS, VSCODE_ID

OTHER, CONSENT, KEY, STORE = 1, 3, 4, 6
"""Exit codes, as the commands' own for the same trouble."""

START_S = 20.0
"""A sidecar that has not answered by then is taken for dead; it takes half a second."""

_OUT = re.compile(r"version (\S+)")
_PROGRAM = re.compile(r'"([^"]+)"')
"""The first word of a command that `overt setup` wrote down, as JSON or as Lua."""


class Finding(msgspec.Struct, frozen=True):
    """One check: ``code`` is stable, ``hint`` the way out, ``exit_code`` that of the doctor when it is the worst."""

    check: str
    ok: bool
    detail: str
    code: str = ""
    hint: str = ""
    exit_code: int = 0


def diagnose(device: Device, here: Surroundings) -> list[Finding]:
    """Make every check; the ones that others depend on come first."""
    found = [*_program(here), _host(here.environment), *_folder(device.home), _filter(), *_consent(device)]
    found += _keys_and_store(device)
    return [*found, *_bridge(device.home), *_plugins(here)]


def _fine(check: str, detail: str) -> Finding:
    return Finding(check, ok=True, detail=detail)


def _wrong(check: str, detail: str, code: str, hint: str, exit_code: int = OTHER) -> Finding:
    return Finding(check, ok=False, detail=detail, code=code, hint=hint, exit_code=exit_code)


# --- the program that editors start


def _program(here: Surroundings) -> Iterator[Finding]:
    yield _fine("version", f"overt {__version__}, Python {sys.version.split()[0]} ({sys.executable})")
    installed = list(_on_path(here.environment))
    if not installed:
        yield _wrong(
            "on PATH", "editors can't start `overt lsp`", "not-on-path",
            f"Add {Path(sys.executable).parent} to PATH, or name {sys.executable} -m overt lsp in the editor.",
        )  # fmt: skip
        return
    versions = {path: _version_of(path) for path in installed}
    first = installed[0]
    if versions[first] is None:
        yield _wrong(
            "on PATH", f"{first} does not run: its Python is gone, or misses overt", "wrong-python",
            f"Install overt anew, or remove {first}.",
        )  # fmt: skip
        return
    yield _fine("on PATH", str(first))
    others = [f"{path} is {version or 'broken'}" for path, version in versions.items() if version != __version__]
    if others:
        yield _wrong(
            "one version", f"this is {__version__}, but {'; '.join(others)}", "two-versions",
            "Editors start the first on PATH: update or remove the others.",
        )  # fmt: skip
    yield _sidecar(first)


def _on_path(environment: Mapping[str, str]) -> Iterator[Path]:
    seen = set()
    for folder in environment.get("PATH", "").split(os.pathsep):
        found = shutil.which("overt", path=folder) if folder else None
        if found is not None and (real := Path(found).resolve()) not in seen:
            seen.add(real)
            yield Path(found)


def _version_of(program: Path) -> str | None:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=START_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    said = _OUT.search(done.stdout)
    return said[1] if said and done.returncode == 0 else None


def _sidecar(program: Path) -> Finding:
    """Start it as an editor does, in a folder of its own, so that it meets no consent and captures nothing."""
    said: list[dict[str, object]] = [
        {"id": 1, "method": "initialize", "params": {"capabilities": {}}},
        {"id": 2, "method": "shutdown"},
        {"method": "exit"},
    ]
    bodies = [json.dumps({"jsonrpc": "2.0", **each}).encode() for each in said]
    stream = b"".join(b"Content-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)
    hint = "Run `overt lsp` in a terminal to see what it says; installing overt anew mends most of it."
    with tempfile.TemporaryDirectory(prefix="overt-doctor-") as folder:
        environment = {**os.environ, HOME_VARIABLE: folder}
        try:
            done = subprocess.run(
                [program, "lsp"], input=stream, capture_output=True, timeout=START_S, check=False, env=environment
            )
        except (OSError, subprocess.TimeoutExpired):
            return _wrong("sidecar", "`overt lsp` does not answer", "sidecar-silent", hint)
    if done.returncode or b'"serverInfo"' not in done.stdout:
        return _wrong("sidecar", f"`overt lsp` ended with code {done.returncode}", "sidecar-broken", hint)
    return _fine("sidecar", "`overt lsp` starts and answers")


# --- where it runs


def _host(environment: Mapping[str, str]) -> Finding:
    if is_remote(environment):
        hint = f"Work from your own machine; or, where this one is yours alone, set {HOST_VARIABLE}={OWN}."
        return _wrong("host", SENTENCES["remote-host"], "remote-host", hint)
    return _fine("host", "your own machine")


def _folder(home: Path) -> Iterator[Finding]:
    if not home.exists():
        yield _fine("folder", f"{home} is not there yet")
        return
    info = home.stat()
    if hasattr(os, "getuid") and info.st_uid != os.getuid():
        yield _wrong(
            "folder", f"{home} belongs to somebody else", "folder-not-yours", f"Set {HOME_VARIABLE} to another."
        )
    elif os.name == "posix" and stat.S_IMODE(info.st_mode) & 0o077 and any((home / "keys").glob("*.key")):
        yield _wrong("folder", f"others may look into {home}", "folder-open", f"Run: chmod 700 '{home}'")
    else:
        yield _fine("folder", str(home))


# --- consent, keys, store


def _filter() -> Finding:
    """Load the filter with the engine that was chosen for it."""
    from privacy_filter.detectors import default_detector  # noqa: PLC0415 - its rules are read here alone

    try:
        default_detector()
    except OvertError as error:
        return _wrong("filter", f"nothing is captured without it: {error.message}", error.code, error.hint)
    return _fine("filter", "its rules are in order")


def _consent(device: Device) -> Iterator[Finding]:
    now = device.clock.wall_ms()
    grants = device.ledger.grants(now)
    live = [grant.study for grant in grants if grant.refusal is None]
    nothing = "no live study: nothing is captured. `overt join STUDY` shows one and asks"
    yield _fine("consent", ", ".join(live) if live else nothing)
    for grant in grants:
        if grant.refusal not in (None, "consent-withdrawn"):
            hint = f"`overt studies` says more; `overt join` or `overt leave {grant.study}` settles it."
            yield _wrong(f"study {grant.study}", grant.detail, str(grant.refusal), hint, CONSENT)
    if device.ledger.paused(now):
        yield _fine("pause", "capture is paused; `overt resume` ends the pause")


def _keys_and_store(device: Device) -> Iterator[Finding]:
    if not (device.has_store or (device.home / "keys").exists()):
        return
    try:
        keys = device.keys()
    except OvertError as error:
        yield _wrong("keys", error.message, error.code, error.hint, KEY)
        return
    yield _fine("keys", f"kept in {keys.kept_in}. {keys.warning or ''}".strip())
    if device.has_store:
        yield asyncio.run(_store(device))


async def _store(device: Device) -> Finding:
    try:
        report = await device.verified()
    except OvertError as error:
        return _wrong("store", error.message, error.code, error.hint, STORE)
    words = f"{report.segments} segments, {len(report.damaged)} damaged"
    if report.set_aside:
        words += f"; mended, the damaged database is kept as {report.set_aside[-1]} until you forget something"
    if report.sound:
        return _fine("store", words)
    return _wrong("store", words, "store-damaged", "`overt verify` says what; everything else stays readable.", STORE)


# --- the bridge and the plugins


def _bridge(home: Path) -> Iterator[Finding]:
    """Look whose the files are by which browser and bridge find and know each other."""
    papers = Papers(home)
    if not os.path.lexists(papers.folder):
        return
    try:
        papers.check()
    except OvertError as error:
        yield _wrong("bridge", error.message, error.code, error.hint)
    except OSError as error:
        yield _wrong("bridge", f"{error.filename}: {error.strerror}", "bridge-files", f"Look at {papers.folder}.")
    else:
        yield _fine("bridge", f"its files in {papers.folder} are yours alone")


def _plugins(here: Surroundings) -> Iterator[Finding]:
    for name, make in TARGETS.items():
        for change in make(here).changes:
            if isinstance(change, CopyFolder) and change.target.exists():
                yield _plugin(name, same=change.done(), detail=str(change.target))
            elif isinstance(change, WriteFile) and change.path.exists():
                yield from _started_by(name, change.path)
            elif isinstance(change, Introduce) and change.made():
                yield _introduced(name, change)
    folder = here.user_home / ".vscode" / "extensions"
    for each in sorted(folder.glob(f"{VSCODE_ID}-*")):
        version = each.name.removeprefix(f"{VSCODE_ID}-")
        yield _plugin("vscode", same=version == __version__, detail=f"{each} (version {version})")


def _started_by(name: str, path: Path) -> Iterator[Finding]:
    """Look whether the program that a plugin was told to start is still there."""
    said = _PROGRAM.search(path.read_text(encoding="utf-8", errors="replace"))
    if said is None or shutil.which(said[1]) is None:
        gone = said[1] if said else "nothing"
        hint = f"`overt setup {name}` names the one that is here."
        yield _wrong(f"plugin {name}", f"{path} names {gone}, which can't be run", "plugin-command-gone", hint)


def _introduced(name: str, change: Introduce) -> Finding:
    """Look whether what a browser starts is what this overt would have it start."""
    if change.done():
        return _fine(f"browser {name}", f"finds the bridge by {change.plan.manifest_path}")
    detail = f"{change.plan.manifest_path} or {change.plan.launcher_path} is not as overt {__version__} writes it"
    return _wrong(f"browser {name}", detail, "browser-differs", f"`overt setup {name}` renews it.")


def _plugin(name: str, *, same: bool, detail: str) -> Finding:
    if same:
        return _fine(f"plugin {name}", detail)
    hint = f"`overt setup {name}` renews it."
    return _wrong(f"plugin {name}", f"{detail} is not the one of overt {__version__}", "plugin-differs", hint)
