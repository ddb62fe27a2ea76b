"""The extension's package: what is in it, what it declares, and its own tests."""

from __future__ import annotations

import json
import subprocess
import zipfile

import pytest

from benchmarks.workbench import EXTENSION, package_extension
from scripts.denied_names import denied_names

pytestmark = pytest.mark.xdist_group("workbench")

MANIFEST = json.loads((EXTENSION / "package.json").read_text("utf-8"))


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    package_extension()  # installs what it is built with
    return subprocess.run(["npm", *arguments], cwd=EXTENSION, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("task", [("run", "check"), ("test",)])
def test_the_types_and_the_tests_of_the_extension_are_right(task: tuple[str, ...]) -> None:
    ran = npm(*task)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_package_holds_what_runs_and_nothing_else() -> None:
    with zipfile.ZipFile(package_extension()) as package:
        names = {name for name in package.namelist() if name.startswith("extension/")}
        code = package.read("extension/dist/extension.js").decode()
    assert {name for name in names if not name.startswith("extension/media/")} == {
        "extension/LICENSE.txt",
        "extension/dist/extension.js",
        "extension/package.json",
        "extension/readme.md",
        "extension/telemetry.json",
    }
    for request in ("https.request", "http.request", "fetch(", "XMLHttpRequest"):
        assert request not in code, "the extension itself speaks to no network"


def test_settings_belong_to_the_person() -> None:
    properties = MANIFEST["contributes"]["configuration"]["properties"]
    assert {name: (each["scope"], each["tags"]) for name, each in properties.items()} == {
        name: ("application", ["telemetry"]) for name in ("overt.enabled", "overt.command", "overt.exclude")
    }
    assert properties["overt.enabled"]["default"] is False


def test_the_editor_is_told_what_it_asks_such_an_extension() -> None:
    assert MANIFEST["extensionKind"] == ["ui"]
    assert MANIFEST["activationEvents"] == ["onStartupFinished"]
    assert set(MANIFEST["capabilities"]) == {"untrustedWorkspaces", "virtualWorkspaces"}
    assert "keybindings" not in MANIFEST["contributes"]
    assert len(MANIFEST["contributes"]["walkthroughs"]) == 1
    assert json.loads((EXTENSION / "telemetry.json").read_text("utf-8"))["events"] == {}


def test_every_command_is_in_the_readme() -> None:
    text = (EXTENSION / "README.md").read_text("utf-8")
    quiet = {"overt.menu", "overt.log", "overt.walkthrough"}
    for each in MANIFEST["contributes"]["commands"]:
        if each["command"] not in quiet:
            assert each["title"] in text, each["title"]


def test_the_names_that_never_leave_the_editor_are_the_gates() -> None:
    written = (EXTENSION / "src" / "denied.json").read_text("utf-8")
    assert written == denied_names(), "python scripts/denied_names.py > extensions/vscode/src/denied.json"


def test_no_lock_names_a_host() -> None:
    for lock in (EXTENSION / "package-lock.json", EXTENSION.parents[1] / "tests/editors/code_server/package-lock.json"):
        assert '"resolved"' not in lock.read_text("utf-8")
