"""Writes the timer's files, tells the system, and shows both."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from consent_ledger.files import make_private_folder, write_files
from overt.timers import EVERY_S, Timer, make_timer

KEPT_VARIABLES = ("OVERT_HOME", "OVERT_KEYRING", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""What the timer's command needs to find the same folder, keys and network as this one."""

COMMAND_S = 30.0


class TimerReport(msgspec.Struct, frozen=True):
    """Which files were written or taken away, and the commands that did not work, to be run by hand."""

    files: tuple[str, ...]
    failed: tuple[str, ...]


def plan(every_s: int = EVERY_S) -> Timer:
    """Plan the timer for this system and this environment. OvertError: if no timer is known for it."""
    environment = {name: os.environ[name] for name in KEPT_VARIABLES if os.environ.get(name)}
    command = (sys.executable, "-m", "overt", "sync", "--unattended")
    user = os.getuid() if hasattr(os, "getuid") else 0
    return make_timer(
        sys.platform, home=Path.home(), command=command, environment=environment, user=user, every_s=every_s
    )


def installed(choices: Sequence[int]) -> int | None:
    """Say which of several intervals (seconds) the timer here has; 0 for one of another kind, None for none."""
    for every_s in choices:
        files = plan(every_s).files
        if all(_holds(path, data) for path, data in files):
            return every_s
    return 0 if any(path.exists() for path, _ in plan().files) else None


def install(timer: Timer) -> TimerReport:
    """Write the files and switch the timer on. StoreUnwritable: if a file can't be written."""
    for path, _ in timer.files:
        make_private_folder(path.parent)
    write_files(timer.files)
    return TimerReport(tuple(str(path) for path, _ in timer.files), _run(timer.switch_on))


def undo(timer: Timer) -> TimerReport:
    """Switch the timer off and take its files away."""
    there = tuple(path for path, _ in timer.files if path.exists())
    failed = _run(timer.switch_off) if there else ()
    for path in there:
        path.unlink()
    return TimerReport(tuple(str(path) for path in there), failed)


def show(timer: Timer) -> None:
    """Print what is written, whole."""
    for path, data in timer.files:
        click.secho(f"{path}:", bold=True)
        click.echo(data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"))


def is_metered() -> bool:
    """Say whether NetworkManager calls the connection metered; where nothing says so, it is not."""
    if shutil.which("nmcli") is None:
        return False
    command = ["nmcli", "-t", "-f", "GENERAL.METERED", "device", "show"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return any(line.partition(":")[2].startswith("yes") for line in told.splitlines())


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _run(commands: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(" ".join(command) for command in commands if not _works(command))


def _works(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=COMMAND_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
