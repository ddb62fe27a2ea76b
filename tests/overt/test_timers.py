from __future__ import annotations

import os
import plistlib
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from event_model.errors import OvertError
from overt import timer_shell
from overt.timers import Timer, make_timer

COMMAND = ("/opt/a b/python", "-m", "overt", "sync", "--unattended")
ENVIRONMENT = {"OVERT_HOME": '/home/x/50% "quoted" & <more>', "OVERT_KEYRING": "file"}


def timer(system: str) -> Timer:
    return make_timer(system, home=Path("/home/x"), command=COMMAND, environment=ENVIRONMENT, user=501)


def test_systemd_units_say_when_and_what_with_everything_quoted() -> None:
    made = timer("linux")
    service, unit = (data.decode() for _, data in made.files)
    assert [path.name for path, _ in made.files] == ["overt-sync.service", "overt-sync.timer"]
    assert 'ExecStart="/opt/a b/python" "-m" "overt" "sync" "--unattended"' in service
    assert 'Environment="OVERT_HOME=/home/x/50%% \\"quoted\\" & <more>"' in service
    assert "OnUnitInactiveSec=3600s" in unit
    assert "RandomizedDelaySec=600s" in unit
    assert made.switch_on[-1] == ("systemctl", "--user", "enable", "--now", "overt-sync.timer")


def test_a_launchd_agent_is_a_property_list() -> None:
    made = timer("darwin")
    ((path, data),) = made.files
    agent = plistlib.loads(data)
    assert path == Path("/home/x/Library/LaunchAgents/org.overt.sync.plist")
    assert (agent["ProgramArguments"], agent["EnvironmentVariables"]) == (list(COMMAND), ENVIRONMENT)
    assert made.switch_on == (("launchctl", "bootstrap", "gui/501", str(path)),)


def test_a_scheduled_task_is_well_formed_and_runs_as_the_person() -> None:
    made = make_timer("win32", home=Path("/home/x"), command=COMMAND, environment={"OVERT_HOME": "C:\\x & y"})
    ((_, data),) = made.files
    names = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}
    task = ET.fromstring(data.decode("utf-16").partition("?>")[2])
    assert task.findtext(".//t:RunLevel", namespaces=names) == "LeastPrivilege"
    assert task.findtext(".//t:Interval", namespaces=names) == "PT3600S"
    assert '"/opt/a b/python" "-m" "overt"' in (task.findtext(".//t:Arguments", namespaces=names) or "")


def test_an_unknown_system_is_told_what_to_run() -> None:
    with pytest.raises(OvertError) as caught:
        timer("plan9")
    assert "overt sync" in caught.value.hint


@pytest.mark.system
def test_install_shows_and_writes_and_undo_takes_it_all_away(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "OVERT_HOME": str(tmp_path / "overt")}
    run = [sys.executable, "-m", "overt", "sync", "--install-timer"]
    told = subprocess.run(run, env=environment, capture_output=True, text=True, check=True).stdout
    folder = tmp_path / ".config" / "systemd" / "user"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    assert [path.name for path in files] == ["overt-sync.service", "overt-sync.timer"]
    assert all(path.read_text() in told for path in files)
    assert f"OVERT_HOME={tmp_path / 'overt'}" in (folder / "overt-sync.service").read_text()
    subprocess.run([*run, "--every", "4h"], env=environment, check=True, capture_output=True)
    assert "OnUnitInactiveSec=14400s" in (folder / "overt-sync.timer").read_text()
    assert subprocess.run([*run, "--every", "1m"], env=environment, capture_output=True, check=False).returncode == 2
    subprocess.run([*run, "--undo"], env=environment, check=True, capture_output=True)
    assert [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()] == []
    again = subprocess.run([*run, "--undo"], env=environment, capture_output=True, text=True, check=True).stdout
    assert "there was no timer" in again


def test_a_metered_connection_is_recognised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nmcli"
    for said, metered in (("GENERAL.METERED:no", False), ("GENERAL.METERED:yes (guessed)", True), ("", False)):
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        assert shutil.which("nmcli") == str(program)
        assert timer_shell.is_metered() is metered
