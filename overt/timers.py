"""The timer that runs ``overt sync``: what each system wants written, and what it is then told. Pure.

Linux: a systemd user timer. macOS: a launchd agent. Windows: a Task Scheduler entry. All run as the person, never as
root, and say on one line how to be rid of them.
"""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from event_model.errors import OvertError

EVERY_S = 3600
"""An hour: the hold counts in hours, and the receiver sees a quarter of a hundred requests a day at most."""

SPREAD_S = 600
"""Up to ten minutes later, at random: a company's machines don't all come at the full hour."""

NAME = "overt-sync"
LABEL = "org.overt.sync"


class Timer(msgspec.Struct, frozen=True):
    """Files to write, commands that switch the timer on and off, in order."""

    files: tuple[tuple[Path, bytes], ...]
    switch_on: tuple[tuple[str, ...], ...]
    switch_off: tuple[tuple[str, ...], ...]


def make_timer(
    system: str,
    *,
    home: Path,
    command: Sequence[str],
    environment: dict[str, str],
    user: int = 0,
    every_s: int = EVERY_S,
) -> Timer:
    """Plan the timer for a system (``sys.platform``); ``user`` is the uid, for launchd. OvertError: if it has none."""
    if system.startswith("linux"):
        return _systemd(home / ".config" / "systemd" / "user", command, environment, every_s)
    if system == "darwin":
        return _launchd(home / "Library" / "LaunchAgents", command, environment, user, every_s)
    if system == "win32":
        return _task(home / "AppData" / "Local" / "overt", command, environment, every_s)
    raise OvertError(
        f"no timer is known for {system}", code="timer-unknown", hint=f"Run `{' '.join(command)}` from your own."
    )


def _systemd(folder: Path, command: Sequence[str], environment: dict[str, str], every_s: int) -> Timer:
    variables = "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in sorted(environment.items()))
    service = f"""[Unit]
Description=Send what is past its hold to the studies you have joined
Documentation=man:overt(1)

[Service]
Type=oneshot
ExecStart={" ".join(_quoted(part) for part in command)}
{variables}Nice=10
IOSchedulingClass=idle
NoNewPrivileges=yes
"""
    timer = f"""[Unit]
Description=Run overt sync by itself; `overt sync --install-timer --undo` takes this away

[Timer]
OnStartupSec=5min
OnUnitInactiveSec={every_s}s
RandomizedDelaySec={SPREAD_S}s
Unit={NAME}.service

[Install]
WantedBy=timers.target
"""
    unit = f"{NAME}.timer"
    return Timer(
        files=((folder / f"{NAME}.service", service.encode()), (folder / unit, timer.encode())),
        switch_on=(("systemctl", "--user", "daemon-reload"), ("systemctl", "--user", "enable", "--now", unit)),
        switch_off=(("systemctl", "--user", "disable", "--now", unit), ("systemctl", "--user", "daemon-reload")),
    )


def _launchd(folder: Path, command: Sequence[str], environment: dict[str, str], user: int, every_s: int) -> Timer:
    agent = {
        "Label": LABEL,
        "ProgramArguments": list(command),
        "EnvironmentVariables": environment,
        "StartInterval": every_s,
        "ProcessType": "Background",
        "LowPriorityIO": True,
    }
    path = folder / f"{LABEL}.plist"
    return Timer(
        files=((path, plistlib.dumps(agent)),),
        switch_on=(("launchctl", "bootstrap", f"gui/{user}", str(path)),),
        switch_off=(("launchctl", "bootout", f"gui/{user}/{LABEL}"),),
    )


def _task(folder: Path, command: Sequence[str], environment: dict[str, str], every_s: int) -> Timer:
    # Task Scheduler sets no variables: cmd does, before the command.
    settings = "".join(f'set "{name}={value}"&& ' for name, value in sorted(environment.items()))
    line = " ".join(f'"{part}"' for part in command)
    xml = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>Runs overt sync every hour</Description></RegistrationInfo>
  <Triggers>
    <TimeTrigger>
      <StartBoundary>2026-01-01T00:00:00</StartBoundary>
      <RandomDelay>PT{SPREAD_S}S</RandomDelay>
      <Repetition><Interval>PT{every_s}S</Interval></Repetition>
    </TimeTrigger>
  </Triggers>
  <Principals><Principal><LogonType>InteractiveToken</LogonType><RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>true</DisallowStartIfOnBatteries>
    <RunOnlyIfNetworkAvailable>true</RunOnlyIfNetworkAvailable>
    <StartWhenAvailable>true</StartWhenAvailable>
  </Settings>
  <Actions><Exec><Command>cmd</Command><Arguments>/c "{escape(settings + line)}"</Arguments></Exec></Actions>
</Task>
"""
    path = folder / f"{NAME}.xml"
    return Timer(
        files=((path, xml.encode("utf-16")),),
        switch_on=(("schtasks", "/Create", "/F", "/TN", NAME, "/XML", str(path)),),
        switch_off=(("schtasks", "/Delete", "/F", "/TN", NAME),),
    )


def _quoted(text: str) -> str:
    """Quote for systemd: backslashes, quotes, and the per cent sign that starts a specifier."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
